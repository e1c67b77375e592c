using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Sum of squares of all gradients in float64. The blocks are dealt to a constant number of slots, each a run of neighbours
/// summed in order by one thread; which thread does not matter, so the bits depend on the tensors alone.
/// </summary>
internal unsafe struct GradientNormJob : IRangeJob
{
    /// <summary>Partial sums: enough for every thread of a large machine to find some, few enough to add up in a moment.</summary>
    public const int Slots = 256;

    public OptimizerTensor* Tensors;
    public long Blocks;
    public double* Partials;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long slot = begin; slot < end; slot++)
        {
            long first = slot * Blocks / Slots, last = (slot + 1) * Blocks / Slots;
            double sum = 0;
            if (first < last)
            {
                long block = first;
                OptimizerTensor* tensor = OptimizerBlocks.Find(Tensors, ref block);
                for (long i = first; i < last; i++)
                {
                    while (block >= OptimizerBlocks.Of(tensor->Count))
                    {
                        tensor++;
                        block = 0;
                    }
                    long start = block++ * OptimizerBlocks.Elements;
                    sum += SumOfSquares((float*)tensor->Gradient + start, Math.Min(OptimizerBlocks.Elements, tensor->Count - start));
                }
            }
            Partials[slot] = sum;
        }
    }

    /// <summary>Exact products (a float32 squared fits a float64), eight float64 sums in turn per register width.</summary>
    private static double SumOfSquares(float* x, long count)
    {
        // Written for 256 bits of floats whatever the machine has: the pass waits for memory, and the order is the same everywhere.
        Vector256<double> sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        long i = 0;
        for (; i + 16 <= count; i += 16)
        {
            (Vector256<double> a, Vector256<double> b) = Vector256.Widen(Vector256.Load(x + i));
            (Vector256<double> c, Vector256<double> d) = Vector256.Widen(Vector256.Load(x + i + 8));
            sum0 = Vector256.FusedMultiplyAdd(a, a, sum0);
            sum1 = Vector256.FusedMultiplyAdd(b, b, sum1);
            sum2 = Vector256.FusedMultiplyAdd(c, c, sum2);
            sum3 = Vector256.FusedMultiplyAdd(d, d, sum3);
        }
        double sum = Vector256.Sum((sum0 + sum1) + (sum2 + sum3));
        for (; i < count; i++) sum += (double)x[i] * x[i];
        return sum;
    }
}
