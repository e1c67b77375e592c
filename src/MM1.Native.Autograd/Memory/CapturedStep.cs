using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// A training step that is recorded once into a CUDA graph and then replayed, which costs the host one call in place of hundreds. Whatever changes from
/// step to step is read from device memory: the step state (learning rate, loss denominator, skip flag), and input tensors that the caller makes once in a session
/// and overwrites with <see cref="Tensor.Write"/> before each <see cref="Run"/>. Shapes are capacities: fewer documents or images are empty ones.
/// </summary>
/// <remarks>
/// The first two runs are ordinary ones, in which memory settles; the third records. All give the same bits. The step has memory of its own, and keeps scratch that it
/// was recorded with, so other work may go on between runs. The loss cannot be judged on the host before the update: a loss that is no number gives
/// a gradient norm that is none, and the device skips the update for it (<see cref="OptimizerOptions.SkipNonFinite"/>, <see cref="Optimizer.SkipAboveGradientNorm"/>).
/// </remarks>
public sealed class CapturedStep : IDisposable
{
    private const int EagerRuns = 2;

    private readonly CudaDevice _device;
    private readonly Optimizer _optimizer;
    private readonly Func<Tensor[]> _body;
    private readonly Arena _session;
    private readonly DeviceArenas _arenas;
    private readonly ArenaPool _pool = new();
    private Tensor[]? _outputs;
    private CudaGraph? _graph;
    private OptimizerTensor[] _tensors = [];
    private int _runs;
    private bool _disposed;

    /// <summary>Describes the step; nothing runs yet. The current arena must be a session of the optimizer's device: outputs live in it.</summary>
    /// <param name="optimizer">Updates the parameters after the body.</param>
    /// <param name="body">
    /// Computes losses, runs their backward, and returns tensors to be read after each run. It must do the same work each time, and nothing on the host that depends on values:
    /// no reading, no new tensors from host data.
    /// </param>
    /// <exception cref="ArgumentException">The device records no work (it is the CPU).</exception>
    /// <exception cref="InvalidOperationException">No session of the device is the current arena.</exception>
    public CapturedStep(Optimizer optimizer, Func<Tensor[]> body)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(body);
        _device = optimizer.Device as CudaDevice
            ?? throw new ArgumentException($"Device {optimizer.Device} records no work; steps are captured on cuda:N and cuda-emulated.", nameof(optimizer));
        _session = Arena.Current is { Kind: ArenaKind.Session } session && session.Device == _device
            ? session
            : throw new InvalidOperationException($"A captured step needs a session for its inputs and outputs: open one with device.BeginSession() on {_device}.");
        (_optimizer, _body, _arenas) = (optimizer, body, DeviceArenas.Of(_device));
        _device.HoldWorkspace();
    }

    /// <summary>What the body returned, as of the last run; tensors of the session.</summary>
    /// <exception cref="InvalidOperationException">Nothing has run yet.</exception>
    public IReadOnlyList<Tensor> Outputs => _outputs ?? throw new InvalidOperationException("The step has not run yet.");

    /// <summary>Whether runs are replays from now on.</summary>
    public bool IsRecorded => _graph is not null;

    /// <summary>Pieces of work in the recording; 0 before there is one.</summary>
    public long RecordedSize => _graph?.Size ?? 0;

    /// <summary>Runs the step with the optimizer's present learning rate and limit of the gradient norm, and waits for it.</summary>
    /// <param name="lossDenominator">Targets that count in the whole step.</param>
    /// <returns>Whether the update was made; false when the device skipped it for its norm.</returns>
    /// <exception cref="InvalidOperationException">Gradients wait from elsewhere, or the body did other work than before.</exception>
    public bool Run(float lossDenominator)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_optimizer.HasGradients)
            throw new InvalidOperationException("Parameters hold gradients of an earlier backward; a captured step begins without. Call Optimizer.Step() or Parameter.ZeroGradient() of each first.");
        _optimizer.WriteState(lossDenominator);
        if (_graph is null && _runs >= EagerRuns) _graph = Record(lossDenominator);
        if (_graph is null)
        {
            RunBody(lossDenominator);
            int count = _optimizer.Collect();
            _optimizer.WriteTensors(count);
            _optimizer.Launch(count);
        }
        else
        {
            _optimizer.RestoreTensors(_tensors);
            _graph.Launch(_device.Stream);
        }
        _runs++;
        return _optimizer.Finish();
    }

    /// <summary>Frees the recording and the step's memory.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _graph?.Dispose();
        _device.ReleaseWorkspace();
        _pool.Dispose();
    }

    private CudaGraph Record(float lossDenominator)
    {
        if (GradientMode.TrapNonFinite)
            throw new InvalidOperationException("GradientMode.TrapNonFinite reads every result on the host, which a recording cannot; turn it off before the step is recorded.");
        _device.Stream.BeginCapture();
        try
        {
            RunBody(lossDenominator);
            int count = _optimizer.Collect();
            if (!_optimizer.IsWritten(count))
                throw new InvalidOperationException("Other parameters got gradients than in the run before; a captured step does the same work each time.");
            _optimizer.Launch(count);
            _tensors = _optimizer.WrittenTensors();
        }
        catch
        {
            Abandon();
            throw;
        }
        return _device.Stream.EndCapture();
    }

    /// <summary>Ends a capture that failed; what it holds, and that it fails too, is of no interest.</summary>
    private void Abandon()
    {
        foreach (Parameter parameter in _optimizer.Parameters) parameter.ZeroGradient();
        try
        {
            _device.Stream.EndCapture().Dispose();
        }
        catch (Exception failure) when (failure is DeviceFailureException or KernelArgumentException)
        {
        }
    }

    private void RunBody(float lossDenominator)
    {
        ArenaPool others = _arenas.Exchange(_pool);
        try
        {
            using var arena = new Arena(_device, ArenaKind.Step, records: true, lossDenominator);
            Tensor[] results = _body();
            _outputs ??= [.. results.Select(result => new Tensor(_session.New(result.Shape, result.DType)))];
            if (results.Length != _outputs.Length) throw new InvalidOperationException($"The body returned {results.Length} tensors, {_outputs.Length} before; a captured step does the same work each time.");
            for (int i = 0; i < results.Length; i++)
            {
                if (results[i].Shape != _outputs[i].Shape || results[i].DType != _outputs[i].DType)
                    throw new InvalidOperationException($"Output {i} is {results[i]}, {_outputs[i]} before; a captured step does the same work each time.");
                Kernel.Copy(results[i].State, _outputs[i].State);
            }
        }
        finally
        {
            _arenas.Exchange(others);
        }
    }
}
