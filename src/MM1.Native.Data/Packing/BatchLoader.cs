using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;

namespace MM1.Native.Data;

/// <summary>
/// Batches of a mixture, one after another for ever. A planner decides what stands where and workers assemble batches ahead of the consumer, within
/// <see cref="PackingOptions.Prefetch"/>; batches and their order are the same with any number of workers. One consumer.
/// </summary>
public sealed class BatchLoader : IAsyncDisposable, IDisposable
{
    private const int JudgeBadAfter = 1000;

    private readonly PackingOptions _options;
    private readonly SequencePlanner _planner;
    private readonly BatchAssembler _assembler;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<Job>? _ordered;
    private readonly Task[] _tasks = [];
    private long _badImages;
    private string _lastBadImage = "before the run was resumed";
    private PlannedBatch? _planned;
    private long _waitedTicks;
    private int _disposed;

    /// <summary>Opens a mixture at its beginning, or where a cursor says.</summary>
    /// <param name="mixture">The sources and their weights.</param>
    /// <param name="tokenizer">Encodes their texts.</param>
    /// <param name="options">How sequences are filled.</param>
    /// <param name="start">The cursor of the last batch that was used, or null for the beginning.</param>
    /// <param name="cancellationToken">Ends the reading of what the cursor had read ahead.</param>
    /// <exception cref="ArgumentException">A setting is out of range, or the cursor belongs to other settings.</exception>
    public BatchLoader(IReadOnlyList<MixtureSource> mixture, ITokenizer tokenizer, PackingOptions options, MixtureCursor? start = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(mixture);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _planner = new SequencePlanner(mixture, tokenizer, options, start, cancellationToken);
        _assembler = new BatchAssembler(options, tokenizer.PaddingId, new BatchPool(options));
        Cursor = _planner.Cursor;
        _badImages = Cursor.BadImages;
        if (options.Workers == 0) return;
        _ordered = Channel.CreateBounded<Job>(new BoundedChannelOptions(options.Prefetch) { SingleReader = true, SingleWriter = true });
        Channel<Job> work = Channel.CreateUnbounded<Job>(new UnboundedChannelOptions { SingleWriter = true }); // never more than _ordered admits
        _tasks = new Task[options.Workers + 1];
        _tasks[0] = Task.Run(() => PlanAsync(work.Writer), CancellationToken.None);
        for (int i = 1; i < _tasks.Length; i++) _tasks[i] = Task.Run(() => WorkAsync(work.Reader), CancellationToken.None);
    }

    /// <summary>Where the mixture stands after the last batch that <see cref="NextAsync"/> gave.</summary>
    public MixtureCursor Cursor { get; private set; }

    /// <summary>How long the consumer waited for batches so far.</summary>
    public TimeSpan Waited => Stopwatch.GetElapsedTime(0, _waitedTicks);

    /// <summary>The next batch; waits for it. Dispose it when it is used up.</summary>
    public PackedBatch Next(CancellationToken cancellationToken = default) => NextAsync(cancellationToken).AsTask().GetAwaiter().GetResult();

    /// <summary>The next batch.</summary>
    /// <exception cref="InvalidDataException">Too many documents or images are bad, or a document can never be placed.</exception>
    public async ValueTask<PackedBatch> NextAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        long start = Stopwatch.GetTimestamp();
        PackedBatch batch;
        PlannedBatch plan;
        if (_ordered is null)
        {
            // Planned to its end, and kept until it is assembled: a wait that is cancelled must not lose a batch.
            cancellationToken.ThrowIfCancellationRequested();
            plan = _planned ??= _planner.Next(CancellationToken.None);
            batch = _assembler.Assemble(plan, cancellationToken);
            _planned = null;
        }
        else
        {
            try
            {
                // Look at the job before taking it: a wait that is cancelled must not lose a batch.
                await _ordered.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false);
                if (!_ordered.Reader.TryPeek(out Job? job)) throw new ChannelClosedException();
                plan = job.Plan;
                batch = await job.Result.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
                _ordered.Reader.TryRead(out _);
            }
            catch (ChannelClosedException closed)
            {
                if (closed.InnerException is not null) ExceptionDispatchInfo.Throw(closed.InnerException);
                throw new ObjectDisposedException(nameof(BatchLoader));
            }
        }
        _waitedTicks += Stopwatch.GetTimestamp() - start;
        Report(batch, plan);
        Judge(batch);
        Cursor = batch.CursorAfter;
        return batch;
    }

    /// <summary>Stops the workers.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_tasks).ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>Says in the batch what was bad.</summary>
    private void Report(PackedBatch batch, PlannedBatch plan)
    {
        batch.BadSamples = batch.BadImages == 0 ? plan.BadSamples
            : [.. plan.BadSamples.Concat(batch.BadImageList.Select(bad => new BadSample(_planner.SourceName(bad.Source), bad.Document, "image", bad.Cause, bad.Message))).Take(PackedBatch.MaximumBadSamples)];
    }

    /// <summary>Counts bad images into the cursor, and stops the run when they are too many.</summary>
    private void Judge(PackedBatch batch)
    {
        _badImages += batch.BadImages;
        if (batch.BadImages > 0) _lastBadImage = batch.BadImageList[^1].ToString();
        batch.CursorAfter = batch.CursorAfter with { BadImages = _badImages };
        long images = batch.CursorAfter.Sources.Sum(static source => source.Statistics.Images);
        if (images >= JudgeBadAfter && _badImages > _options.BadLimit * images)
            throw new InvalidDataException($"{_badImages} of {images} images cannot be loaded; the limit is a share of {_options.BadLimit}. The last: {_lastBadImage}");
    }

    private async Task PlanAsync(ChannelWriter<Job> work)
    {
        Exception? failure = null;
        try
        {
            while (true)
            {
                // Wait for room first: what is planned is memory too.
                if (!await _ordered!.Writer.WaitToWriteAsync(_stop.Token).ConfigureAwait(false)) break;
                var job = new Job(_planner.Next(_stop.Token));
                await _ordered.Writer.WriteAsync(job, _stop.Token).ConfigureAwait(false);
                await work.WriteAsync(job, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception exception) // handed to the consumer, whatever it is
        {
            failure = exception;
        }
        work.Complete();
        _ordered!.Writer.Complete(failure);
    }

    private async Task WorkAsync(ChannelReader<Job> work)
    {
        try
        {
            await foreach (Job job in work.ReadAllAsync(_stop.Token).ConfigureAwait(false))
            {
                try
                {
                    job.Result.SetResult(_assembler.Assemble(job.Plan, _stop.Token));
                }
                catch (Exception exception) // handed to the consumer, whatever it is
                {
                    job.Result.SetException(exception);
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>A batch on its way.</summary>
    private sealed class Job(PlannedBatch plan)
    {
        internal readonly PlannedBatch Plan = plan;
        internal readonly TaskCompletionSource<PackedBatch> Result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
