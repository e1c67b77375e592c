using MM1.Native.Data;
using MM1.Native.Inference;

namespace MM1.Native.Training;

/// <summary>The tokenizer of a run over sources.</summary>
internal static class RunTokenizer
{
    /// <summary>Opens it, or makes it of the run's texts.</summary>
    /// <param name="config">The data's configuration.</param>
    /// <param name="files">The sources of files, in the order of the files.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ConfigurationException">The file is no tokenizer, or the sources have no text.</exception>
    public static ITokenizer Open(DataConfig config, IReadOnlyDictionary<string, IDocumentSource> files, CancellationToken cancellationToken)
    {
        TokenizerConfig tokenizer = config.Tokenizer ?? new TokenizerConfig { Kind = TokenizerKind.Bytes };
        switch (tokenizer.Kind)
        {
            case TokenizerKind.Bytes: return new ByteTokenizer();
            case TokenizerKind.Train: return Train(tokenizer, files, cancellationToken);
        }
        try
        {
            return TokenizerFile.Load(tokenizer.Path!);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidDataException or ArgumentException)
        {
            throw new ConfigurationException($"Configuration: data.tokenizer.path: {fault.Message}", fault);
        }
    }

    private static BytePairTokenizer Train(TokenizerConfig tokenizer, IReadOnlyDictionary<string, IDocumentSource> files, CancellationToken cancellationToken)
    {
        var trainer = new BytePairTrainer();
        foreach (string text in Texts((tokenizer.Sources ?? [.. files.Keys]).Select(name => files[name]), cancellationToken)) trainer.Add(text);
        if (trainer.Pieces == 0) throw new ConfigurationException("Configuration: data.tokenizer.sources have no text to train a tokenizer on.");
        return trainer.Train(tokenizer.Vocabulary, cancellationToken: cancellationToken);
    }

    /// <summary>The texts of sources, each document's once.</summary>
    private static IEnumerable<string> Texts(IEnumerable<IDocumentSource> sources, CancellationToken cancellationToken)
    {
        foreach (IDocumentSource source in sources)
        {
            for (long i = 0; i < source.DocumentsPerEpoch; i++)
            {
                Document document;
                try
                {
                    document = source.Read(0, i, cancellationToken);
                }
                catch (BadDocumentException)
                {
                    continue; // training counts it where it meets it
                }
                foreach (Segment segment in document.Segments)
                    if (segment is TextSegment text) yield return text.Text;
            }
        }
    }
}
