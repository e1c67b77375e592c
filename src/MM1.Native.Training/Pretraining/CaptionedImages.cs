using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>Images with their captions, as a contrastive step takes them.</summary>
internal sealed class CaptionedImages(int pairs, int imageElements)
{
    private readonly float[] _pixels = new float[checked(pairs * imageElements)];
    private readonly int[] _lengths = new int[pairs];
    private readonly List<int> _tokens = [];
    private float[] _averaging = [];

    public int Pairs => pairs;

    /// <summary>[pairs, height, width, 3].</summary>
    public ReadOnlySpan<float> Pixels => _pixels;

    /// <summary>Tokens of all captions, one after the other.</summary>
    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>[pairs, tokens].</summary>
    public ReadOnlySpan<float> Averaging => _averaging.AsSpan(0, pairs * _tokens.Count);

    public void Clear() => _tokens.Clear();

    public Span<float> ImageOf(int pair) => _pixels.AsSpan(pair * imageElements, imageElements);

    /// <summary>Adds the caption of the next pair; false, and nothing added, where its text has no token.</summary>
    public bool TryAddCaption(int pair, ITokenizer tokenizer, IEnumerable<string> texts)
    {
        int before = _tokens.Count;
        foreach (string text in texts) tokenizer.Encode(text, _tokens);
        _lengths[pair] = _tokens.Count - before;
        return _lengths[pair] > 0;
    }

    /// <summary>Drops the last caption again.</summary>
    public void DropCaption(int pair) => _tokens.RemoveRange(_tokens.Count - _lengths[pair], _lengths[pair]);

    /// <summary>Writes the averages, when all captions are there.</summary>
    public void Complete()
    {
        int size = checked(pairs * _tokens.Count);
        if (_averaging.Length < size) _averaging = new float[size];
        ContrastiveModel.WriteAveraging(_lengths, _averaging.AsSpan(0, size));
    }
}

/// <summary>
/// Makes the pairs of each step, ahead of training where workers are allowed. What a step has is a function of the run's seed and the step's number: documents of epochs far beyond those that the
/// steps of the run read, so that these do not see the same order again. A document without image or text, or with an image that cannot be loaded, gives its place to the one of the next epoch.
/// </summary>
internal sealed class CaptionedImageFeed : IDisposable
{
    private const long FirstEpoch = 1 << 20;
    private const int Attempts = 100;
    private readonly IDocumentSource _source;
    private readonly ITokenizer _tokenizer;
    private readonly ImageNormalizer _images;
    private readonly int _pairs, _ahead;
    private readonly long _epoch, _steps;
    private readonly ConcurrentBag<CaptionedImages> _free = [];
    private readonly Queue<Task<CaptionedImages>> _made = [];
    private readonly CancellationTokenSource _stop = new();
    private long _next = 1;

    public CaptionedImageFeed(IDocumentSource source, ITokenizer tokenizer, ImageSettings images, EncoderPretrainingConfig config, ulong seed, int workers)
    {
        (_source, _tokenizer, _images) = (source, tokenizer, new ImageNormalizer(images));
        (_pairs, _steps, _ahead) = (config.Images, config.Steps, workers);
        RandomStream random = RandomStream.For(seed, "encoder pre-training");
        _epoch = FirstEpoch + random.Below(1 << 20);
    }

    /// <summary>Time that <see cref="Take"/> took.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>The next step's pairs.</summary>
    /// <exception cref="TrainingException">The source has no pairs.</exception>
    public CaptionedImages Take(CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        CaptionedImages batch;
        if (_ahead == 0)
        {
            batch = Make(_next++, cancellationToken);
        }
        else
        {
            Fill(_ahead);
            Task<CaptionedImages> first = _made.Peek();
            first.WaitAsync(cancellationToken).GetAwaiter().GetResult();
            batch = _made.Dequeue().Result;
            Fill(_ahead);
        }
        Waited += Stopwatch.GetElapsedTime(start);
        return batch;
    }

    /// <summary>Gives the memory of pairs back, to be filled anew.</summary>
    public void Return(CaptionedImages batch) => _free.Add(batch);

    public void Dispose()
    {
        _stop.Cancel();
        foreach (Task<CaptionedImages> task in _made)
        {
            // Those that were cut off have no result, and nobody waits for one.
            ((IAsyncResult)task).AsyncWaitHandle.WaitOne();
            _ = task.Exception;
        }
        _made.Clear();
        _stop.Dispose();
    }

    private void Fill(int count)
    {
        for (; _made.Count < count && _next <= _steps; _next++)
        {
            long step = _next;
            CancellationToken stop = _stop.Token;
            _made.Enqueue(Task.Run(() => Make(step, stop), CancellationToken.None));
        }
    }

    private CaptionedImages Make(long step, CancellationToken cancellationToken)
    {
        if (!_free.TryTake(out CaptionedImages? batch)) batch = new CaptionedImages(_pairs, _images.Elements);
        batch.Clear();
        for (int pair = 0; pair < _pairs; pair++) AddPair(batch, pair, checked((step - 1) * _pairs + pair), cancellationToken);
        batch.Complete();
        return batch;
    }

    private void AddPair(CaptionedImages batch, int pair, long place, CancellationToken cancellationToken)
    {
        (long epoch, long index) = Math.DivRem(place, _source.DocumentsPerEpoch);
        string why = "";
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                Document document = _source.Read(_epoch + epoch + attempt, index, cancellationToken);
                if (TryAdd(batch, pair, document)) return;
                why = $"document '{document.Id}' has no image with text after it";
            }
            catch (Exception bad) when (bad is BadDocumentException or BadImageException)
            {
                why = bad.Message;
            }
        }
        throw new TrainingException($"encoderPretraining.source: {Attempts} documents of '{_source.Name}' in a row are no image with text ({why}): choose a source of images with captions.");
    }

    /// <summary>Adds a document's first image with the text from there to the next image.</summary>
    private bool TryAdd(CaptionedImages batch, int pair, Document document)
    {
        int first = 0;
        while (first < document.Segments.Count && document.Segments[first] is not ImageSegment) first++;
        if (first == document.Segments.Count) return false;
        if (!batch.TryAddCaption(pair, _tokenizer, document.Segments.Skip(first + 1).TakeWhile(static segment => segment is TextSegment).Select(static segment => ((TextSegment)segment).Text)))
            return false;
        try
        {
            _images.Write(((ImageSegment)document.Segments[first]).Image, batch.ImageOf(pair));
        }
        catch (BadImageException)
        {
            batch.DropCaption(pair);
            throw;
        }
        return true;
    }
}
