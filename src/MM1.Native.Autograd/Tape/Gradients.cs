using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>How backward hands gradients to the inputs of an operation: fresh, accumulated, or passed on without a copy.</summary>
internal static class Gradients
{
    /// <summary>
    /// Where a kernel shall write the gradient of <paramref name="input"/>. <paramref name="beta"/> is 0 when it is the first
    /// contribution (the memory is undefined) and 1 when the kernel must add to what is there.
    /// </summary>
    public static TensorState Destination(TensorState input, out float beta)
    {
        if (input.Parameter is { } parameter) return parameter.GradientForAccumulation(out beta);
        if (input.Gradient is not { } gradient)
        {
            beta = 0;
            return input.Gradient = GradientArena(input).New(input.Shape, DType.Float32);
        }
        beta = 1;
        if (gradient.IsExclusive) return gradient;
        // Another tensor's gradient shares this memory: accumulate into a copy.
        TensorState copy = GradientArena(input).New(input.Shape, DType.Float32);
        Kernel.Copy(gradient, copy);
        Arena.Release(gradient);
        return input.Gradient = copy;
    }

    /// <summary>
    /// Adds <paramref name="contribution"/> to the gradient of <paramref name="input"/>; as the first one it is taken over as
    /// it is, sharing memory with whoever holds it (unless that memory ends before the input does). The caller keeps (and
    /// releases) its own reference.
    /// </summary>
    public static void Pass(TensorState input, TensorState contribution)
    {
        if (!input.RequiresGradient) return;
        if (input.Parameter is null && input.Gradient is null && contribution.Owner.Arena == GradientArena(input))
        {
            input.Gradient = GradientArena(input).NewView(contribution, input.Shape, contribution.Address);
            return;
        }
        if (input.Parameter is null && input.Gradient is { IsExclusive: false } shared)
        {
            // Sum into new memory in one pass instead of copying first.
            TensorState sum = GradientArena(input).New(input.Shape, DType.Float32);
            Kernel.AddSame(shared, contribution, sum);
            Arena.Release(shared);
            input.Gradient = sum;
            return;
        }
        TensorState destination = Destination(input, out float beta);
        if (beta == 0) Kernel.Copy(contribution, destination);
        else Kernel.AddSame(destination, contribution, destination);
    }

    // Gradients live beside what they belong to: a leaf of a step keeps its gradient when a micro-batch ends.
    private static Arena GradientArena(TensorState input) => input.Arena ?? Arena.Require("Backward");
}
