using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>How backward hands gradients to the inputs of an operation: fresh, accumulated, or passed on without a copy.</summary>
internal static class Gradients
{
    /// <summary>
    /// Where a kernel shall write the gradient of <paramref name="input"/>. <paramref name="beta"/> is 0 when it is the first
    /// contribution (the memory is undefined) and 1 when the kernel must add to what is there. A parameter's gradient is float32 whatever it was computed
    /// in; others have their tensor's dtype.
    /// </summary>
    public static TensorState Destination(TensorState input, out float beta)
    {
        if (input.Parameter is { } parameter) return parameter.GradientForAccumulation(out beta);
        if (input.Gradient is not { } gradient)
        {
            beta = 0;
            return input.Gradient = GradientArena(input).New(input.Shape, input.DType);
        }
        beta = 1;
        if (gradient.IsExclusive) return gradient;
        // Another tensor's gradient shares this memory: accumulate into a copy.
        TensorState copy = GradientArena(input).New(input.Shape, input.DType);
        Kernel.Copy(gradient, copy);
        Arena.Release(gradient);
        return input.Gradient = copy;
    }

    /// <summary>
    /// The same for a kernel whose outputs have the dtype of its inputs: where a parameter's float32 gradient cannot be written directly, a tensor of its own,
    /// which <see cref="Commit"/> adds to it.
    /// </summary>
    public static TensorState Stage(TensorState input, out float beta)
    {
        if (input.Parameter is null || input.DType == DType.Float32) return Destination(input, out beta);
        beta = 0;
        return Arena.Require("Backward").New(input.Shape, input.DType);
    }

    /// <summary>Ends what <see cref="Stage"/> began.</summary>
    public static void Commit(TensorState input, TensorState staged)
    {
        if (input.Parameter is null || input.DType == DType.Float32) return;
        Pass(input, staged);
        Arena.Release(staged);
    }

    /// <summary>
    /// The same for a kernel that sums gradients of weights, in float32 only: where a weight is a result in a narrower dtype and no parameter, a float32
    /// tensor of its own, which <see cref="CommitSum"/> rounds once and adds.
    /// </summary>
    public static TensorState StageSum(TensorState input, out float beta)
    {
        if (input.Parameter is not null || input.DType == DType.Float32) return Destination(input, out beta);
        beta = 0;
        return Arena.Require("Backward").New(input.Shape, DType.Float32);
    }

    /// <summary>Ends what <see cref="StageSum"/> began.</summary>
    public static void CommitSum(TensorState? input, TensorState? staged)
    {
        if (input is null || staged is null || input.Parameter is not null || input.DType == DType.Float32) return;
        Pass(input, staged);
        Arena.Release(staged);
    }

    /// <summary>
    /// Adds <paramref name="contribution"/> to the gradient of <paramref name="input"/>; as the first one it is taken over as
    /// it is, sharing memory with whoever holds it (unless that memory ends before the input does). The caller keeps (and
    /// releases) its own reference.
    /// </summary>
    public static void Pass(TensorState input, TensorState contribution)
    {
        if (!input.RequiresGradient) return;
        if (input.Parameter is null && input.Gradient is null && contribution.DType == input.DType && contribution.Owner.Arena == GradientArena(input))
        {
            input.Gradient = GradientArena(input).NewView(contribution, input.Shape, contribution.Address);
            return;
        }
        if (input.Parameter is null && contribution.DType == input.DType && input.Gradient is { IsExclusive: false } shared)
        {
            // Sum into new memory in one pass instead of copying first.
            TensorState sum = GradientArena(input).New(input.Shape, input.DType);
            Kernel.AddSame(shared, contribution, sum);
            Arena.Release(shared);
            input.Gradient = sum;
            return;
        }
        TensorState destination = Destination(input, out float beta);
        if (contribution.DType == destination.DType)
        {
            if (beta == 0) Kernel.Copy(contribution, destination);
            else Kernel.AddSame(destination, contribution, destination);
            return;
        }
        if (beta == 0)
        {
            Kernel.Cast(contribution, destination);
            return;
        }
        TensorState cast = Arena.Require("Backward").New(input.Shape, destination.DType);
        Kernel.Cast(contribution, cast);
        Kernel.AddSame(destination, cast, destination);
        Arena.Release(cast);
    }

    // Gradients live beside what they belong to: a leaf of a step keeps its gradient when a micro-batch ends.
    private static Arena GradientArena(TensorState input) => input.Arena ?? Arena.Require("Backward");
}
