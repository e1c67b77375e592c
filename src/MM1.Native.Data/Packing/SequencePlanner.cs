using System.Globalization;

namespace MM1.Native.Data;

/// <summary>A document, or a piece of one, in a sequence.</summary>
internal readonly record struct PlannedPiece(EncodedDocument Document, int Begin, int Length);

/// <summary>One sequence: its source and what stands in it.</summary>
internal sealed record PlannedSequence(int Source, IReadOnlyList<PlannedPiece> Pieces);

/// <summary>One batch, and where the mixture stands after it.</summary>
internal sealed record PlannedBatch(long Index, PlannedSequence[] Sequences, MixtureCursor CursorAfter, IReadOnlyList<BadSample> BadSamples);

/// <summary>
/// Decides what stands where: draws the source of each sequence, reads and encodes its documents, fills the sequence. One thread,
/// and a pure function of the settings and the cursor; loading images is left to the workers.
/// </summary>
internal sealed class SequencePlanner
{
    private const int JudgeBadAfter = 1000;

    private readonly IReadOnlyList<MixtureSource> _mixture;
    private readonly ITokenizer _tokenizer;
    private readonly PackingOptions _options;
    private readonly string _settings;
    private readonly State[] _sources;
    private readonly double[] _weights;
    private List<BadSample> _bad = [];
    private long _batches;
    private long _sequences;
    private readonly long _badImages;

    internal SequencePlanner(IReadOnlyList<MixtureSource> mixture, ITokenizer tokenizer, PackingOptions options, MixtureCursor? start, CancellationToken cancellationToken)
    {
        options.Check(mixture);
        (_mixture, _tokenizer, _options) = (mixture, tokenizer, options);
        _settings = options.Fingerprint(mixture, tokenizer);
        _weights = new double[mixture.Count];
        _sources = new State[mixture.Count];
        for (int i = 0; i < _sources.Length; i++) _sources[i] = new State(mixture[i].Source);
        if (start is null) return;
        if (start.Settings != _settings)
            throw new ArgumentException($"the data cursor belongs to other settings; resume with those, or start afresh\n  cursor: {start.Settings}\n  now:    {_settings}", nameof(start));
        (_batches, _sequences, _badImages) = (start.Batches, start.Sequences, start.BadImages);
        for (int i = 0; i < _sources.Length; i++) _sources[i].Restore(start.Sources[i], EncodeAgain, cancellationToken);
    }

    /// <summary>Where the mixture stands now.</summary>
    internal MixtureCursor Cursor => new()
    {
        Batches = _batches,
        Sequences = _sequences,
        BadImages = _badImages,
        Settings = _settings,
        Sources = Array.ConvertAll(_sources, static source => source.Cursor()),
    };

    internal PlannedBatch Next(CancellationToken cancellationToken)
    {
        var sequences = new PlannedSequence[_options.Sequences];
        for (int i = 0; i < sequences.Length; i++)
        {
            int source = Draw();
            sequences[i] = Fill(source, cancellationToken);
            _sequences++;
        }
        long index = _batches++;
        IReadOnlyList<BadSample> bad = [];
        if (_bad.Count > 0) (bad, _bad) = (_bad, []); // the batch keeps the list
        return new PlannedBatch(index, sequences, Cursor, bad);
    }

    /// <summary>The name of a source of the mixture.</summary>
    internal string SourceName(int source) => _mixture[source].Source.Name;

    private int Draw()
    {
        double mean = 0;
        int seen = 0;
        foreach (State source in _sources)
        {
            if (source.Sequences == 0) continue;
            mean += source.UnitsPerSequence(_options.Unit);
            seen++;
        }
        mean = seen == 0 ? 1 : mean / seen;
        for (int i = 0; i < _sources.Length; i++)
            _weights[i] = _mixture[i].Weight / (_sources[i].Sequences == 0 ? mean : _sources[i].UnitsPerSequence(_options.Unit));
        RandomStream random = RandomStream.For(_options.Seed, "mixture", 0, _sequences);
        return random.Weighted(_weights);
    }

    /// <summary>
    /// Fills one sequence: of the documents read ahead, the first that fits, again and again. The oldest begins the sequence, so none waits for ever;
    /// when it is too long for an empty sequence it is split, or cut.
    /// </summary>
    private PlannedSequence Fill(int sourceIndex, CancellationToken cancellationToken)
    {
        State source = _sources[sourceIndex];
        var pieces = new List<PlannedPiece>();
        int room = _options.Length, images = _options.MaximumImages;
        while (room > 0 && pieces.Count < _options.DocumentsPerSequence)
        {
            while (source.Pending.Count < _options.Lookahead) Read(source, cancellationToken);
            int chosen = source.Pending.FindIndex(pending => pending.Document.EndOfPiece(pending.Offset, room, images, _options.ImageTokens) == pending.Document.Tokens.Length);
            if (chosen < 0 && pieces.Count > 0) break;
            Pending next = source.Pending[Math.Max(chosen, 0)];
            int end = next.Document.EndOfPiece(next.Offset, room, images, _options.ImageTokens);
            if (end == next.Offset)
            {
                throw new InvalidDataException(_options.MaximumImages == 0
                    ? $"document '{next.Document.Id}' has an image, and sequences may hold none"
                    : $"document '{next.Document.Id}' has an image of {_options.ImageTokens} tokens, and a sequence holds {_options.Length}");
            }
            var piece = new PlannedPiece(next.Document, next.Offset, end - next.Offset);
            pieces.Add(piece);
            source.Place(piece);
            room -= piece.Length;
            images -= next.Document.ImagesIn(next.Offset, end).Count;
            if (end == next.Document.Tokens.Length) source.Pending.RemoveAt(Math.Max(chosen, 0));
            else if (_options.LongDocuments == LongDocumentRule.Cut)
            {
                source.CutTokens += next.Document.Tokens.Length - end;
                source.Pending.RemoveAt(0);
            }
            else
            {
                source.Splits++;
                if (next.Document.IsTarget[end]) source.LostTargets++;
                source.Pending[0] = next with { Offset = end };
            }
        }
        source.Sequences++;
        source.Padding += room;
        return new PlannedSequence(sourceIndex, pieces);
    }

    private void Read(State source, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        (long epoch, long index) = (source.Epoch, source.Index);
        if (++source.Index == source.Documents.DocumentsPerEpoch) (source.Epoch, source.Index) = (epoch + 1, 0);
        source.ReadCount++;
        string message;
        try
        {
            Document read = source.Documents.Read(epoch, index, cancellationToken);
            EncodedDocument document = EncodedDocument.Encode(read, _tokenizer, _options.ImageTokens);
            if (read.Problems is { } problems) Report(source, read.Id, problems);
            if (document.Tokens.Length > 0)
            {
                source.Pending.Add(new Pending(epoch, index, 0, document));
                source.BadInARow = 0;
                return;
            }
            message = $"{read.Id}: the document has neither text nor images";
            source.CountBad("empty");
            Report(new BadSample(source.Documents.Name, read.Id, "document", "empty", message));
        }
        catch (BadDocumentException bad)
        {
            message = bad.Message;
            source.CountBad(bad.Cause);
            Report(new BadSample(source.Documents.Name, bad.Id ?? string.Create(CultureInfo.InvariantCulture, $"#{index} of epoch {epoch}"), "document", bad.Cause, bad.Message));
        }
        long total = source.Bad.Values.Sum();
        if (source.BadInARow >= JudgeBadAfter || (source.ReadCount >= JudgeBadAfter && total > _options.BadLimit * source.ReadCount))
        {
            throw new InvalidDataException($"source '{source.Documents.Name}': {total} of {source.ReadCount} documents cannot be used "
                + $"({string.Join(", ", source.Bad.Select(static pair => $"{pair.Key}: {pair.Value}"))}); the limit is a share of {_options.BadLimit}. The last: {message}");
        }
    }

    private void Report(State source, string id, IReadOnlyList<DocumentProblem> problems)
    {
        foreach (DocumentProblem problem in problems)
        {
            source.Problems[problem.Cause] = source.Problems.GetValueOrDefault(problem.Cause) + 1;
            Report(new BadSample(source.Documents.Name, id, "problem", problem.Cause, problem.Message.StartsWith(id, StringComparison.Ordinal) ? problem.Message : $"{id}: {problem.Message}"));
        }
    }

    private void Report(BadSample bad)
    {
        if (_bad.Count < PackedBatch.MaximumBadSamples) _bad.Add(bad);
    }

    /// <summary>A document that the cursor had read ahead: it was good then, so a bad one now means that the data are others.</summary>
    private EncodedDocument EncodeAgain(IDocumentSource source, long epoch, long index, CancellationToken cancellationToken)
    {
        try
        {
            return EncodedDocument.Encode(source.Read(epoch, index, cancellationToken), _tokenizer, _options.ImageTokens);
        }
        catch (BadDocumentException bad)
        {
            throw new InvalidDataException($"source '{source.Name}': a document that the cursor refers to was good and is bad now; the data changed since the checkpoint: {bad.Message}", bad);
        }
    }

    private sealed record Pending(long Epoch, long Index, int Offset, EncodedDocument Document);

    /// <summary>Where one source stands.</summary>
    private sealed class State(IDocumentSource documents)
    {
        internal readonly IDocumentSource Documents = documents;
        internal readonly List<Pending> Pending = [];
        internal readonly SortedDictionary<string, long> Bad = new(StringComparer.Ordinal);
        internal readonly SortedDictionary<string, long> Problems = new(StringComparer.Ordinal);
        internal long Epoch, Index, Sequences, Padding, Splits, LostTargets, CutTokens, ReadCount;
        internal int BadInARow;
        private long _documents, _tokens, _targets, _images;

        internal double UnitsPerSequence(MixtureUnit unit) => unit switch
        {
            MixtureUnit.Document => (double)_documents / Sequences,
            MixtureUnit.Token => (double)_tokens / Sequences,
            _ => 1,
        };

        internal void Place(PlannedPiece piece)
        {
            _documents++;
            _tokens += piece.Length;
            _images += piece.Document.ImagesIn(piece.Begin, piece.Begin + piece.Length).Count;
            for (int i = 1; i < piece.Length; i++)
                if (piece.Document.IsTarget[piece.Begin + i]) _targets++;
        }

        internal void CountBad(string cause)
        {
            Bad[cause] = Bad.GetValueOrDefault(cause) + 1;
            BadInARow++;
        }

        internal SourceCursor Cursor() => new()
        {
            Name = Documents.Name,
            Epoch = Epoch,
            Index = Index,
            Pending = Pending.ConvertAll(static pending => new PendingDocument(pending.Epoch, pending.Index, pending.Offset)),
            Statistics = new SourceStatistics
            {
                Sequences = Sequences,
                Documents = _documents,
                Tokens = _tokens,
                Targets = _targets,
                Images = _images,
                Padding = Padding,
                Splits = Splits,
                LostTargets = LostTargets,
                CutTokens = CutTokens,
                Read = ReadCount,
                Bad = new SortedDictionary<string, long>(Bad, StringComparer.Ordinal),
                Problems = new SortedDictionary<string, long>(Problems, StringComparer.Ordinal),
            },
        };

        internal void Restore(SourceCursor cursor, Func<IDocumentSource, long, long, CancellationToken, EncodedDocument> encode, CancellationToken cancellationToken)
        {
            (Epoch, Index) = (cursor.Epoch, cursor.Index);
            SourceStatistics statistics = cursor.Statistics;
            (Sequences, Padding, Splits, LostTargets) = (statistics.Sequences, statistics.Padding, statistics.Splits, statistics.LostTargets);
            (CutTokens, ReadCount) = (statistics.CutTokens, statistics.Read);
            (_documents, _tokens, _targets, _images) = (statistics.Documents, statistics.Tokens, statistics.Targets, statistics.Images);
            foreach ((string cause, long count) in statistics.Bad) Bad[cause] = count;
            foreach ((string cause, long count) in statistics.Problems) Problems[cause] = count;
            foreach (PendingDocument pending in cursor.Pending)
                Pending.Add(new Pending(pending.Epoch, pending.Index, pending.Offset, encode(Documents, pending.Epoch, pending.Index, cancellationToken)));
        }
    }
}
