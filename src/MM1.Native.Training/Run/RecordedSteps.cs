using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>
/// The steps of a run as one recording (<see cref="CapturedStep"/>): <c>capture</c> of the configuration. Batches are written into tensors that stay, of shapes that never change
/// (<c>data.fixedShapes</c>), one set for each batch of a step; the bits are those of the steps of <see cref="Trainer"/> that run operation by operation.
/// </summary>
/// <remarks>It is the session that everything else runs in until it is disposed, on the thread that made it.</remarks>
internal sealed class RecordedSteps : IDisposable
{
    private readonly Mm1Model _model;
    private readonly Device _device;
    private readonly float _zLoss;
    private readonly Arena _session;
    private readonly Mm1Batch[] _inputs;
    private readonly CapturedStep _step;

    public RecordedSteps(Mm1Model model, Optimizer optimizer, PackingOptions packing, int accumulation, float zLoss)
    {
        (_model, _device, _zLoss) = (model, optimizer.Device, zLoss);
        _session = _device.BeginSession();
        try
        {
            _inputs = [.. Enumerable.Range(0, accumulation).Select(_ => Inputs(packing))];
            _step = new CapturedStep(optimizer, Body);
        }
        catch
        {
            _session.Dispose();
            throw;
        }
    }

    /// <summary>Runs a step, the update included.</summary>
    /// <param name="batches">As many as were announced.</param>
    /// <param name="targets">Their targets.</param>
    /// <returns>Whether the update was made; false where the device skipped it for its gradient norm.</returns>
    public bool Run(IReadOnlyList<PackedBatch> batches, int targets)
    {
        for (int i = 0; i < _inputs.Length; i++) Write(batches[i], _inputs[i]);
        return _step.Run(targets);
    }

    /// <summary>A batch's share of the loss of the last step.</summary>
    public float Loss(int batch) => _step.Outputs[2 * batch].Item();

    /// <summary>Its tokens' own losses.</summary>
    public Tensor TokenLosses(int batch) => _step.Outputs[2 * batch + 1];

    public void Dispose()
    {
        _step.Dispose();
        _session.Dispose();
    }

    private static Mm1Batch Inputs(PackingOptions packing)
    {
        int[] tokens = new int[packing.Sequences * packing.Length];
        int images = packing.ImageCapacity == 0 ? 0 : packing.BucketFor(packing.ImageCapacity);
        return Mm1Batch.From(tokens, tokens, tokens, tokens, new int[packing.DocumentCapacity + 1], packing.Length, new float[3L * images * packing.ImageSize * packing.ImageSize], packing.ImageSize);
    }

    private static void Write(PackedBatch batch, Mm1Batch inputs)
    {
        inputs.TokenIds.Write(batch.TokenIds.Span);
        inputs.Positions.Write(batch.Positions.Span);
        inputs.Targets!.Value.Write(batch.Targets.Span);
        inputs.Layout.CuSeqlensQuery!.Value.Write(batch.CuSeqlens.Span);
        inputs.Placement?.Write(batch.Placement.Span);
        inputs.Images?.Write(batch.Images.Span);
    }

    private Tensor[] Body()
    {
        Arena step = Arena.Current!;
        var results = new Tensor[2 * _inputs.Length];
        for (int i = 0; i < _inputs.Length; i++)
        {
            using (_device.BeginMicroBatch())
            {
                Tensor loss = _model.Loss(_inputs[i], out Tensor tokenLosses, _zLoss).Keep();
                loss.Backward();
                (results[2 * i], results[2 * i + 1]) = (loss.CopyTo(step), tokenLosses.CopyTo(step));
            }
        }
        return results;
    }
}
