namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// One AdamW step over blocks of all tensors. 28 bytes of memory traffic an element (read p, g, m, v; write p, m, v) and the
/// arithmetic hidden behind it. Every operation is per element and rounded alike in registers and tails.
/// </summary>
internal unsafe struct AdamWJob : IRangeJob
{
    public OptimizerTensor* Tensors;
    public float LearningRate;
    public float ClipFactor;
    public float Beta1;
    public float Beta2;
    public float Epsilon;

    /// <summary>1 - Beta, taken in float64 from the float32 betas.</summary>
    public float OneMinusBeta1;
    public float OneMinusBeta2;

    /// <summary>1 / (1 - Beta1^t).</summary>
    public double Correction1;

    /// <summary>1 / sqrt(1 - Beta2^t).</summary>
    public float RootCorrection2;

    public AdamWJob(in AdamWArgs args, in StepState state)
    {
        Tensors = (OptimizerTensor*)args.Tensors;
        LearningRate = state.LearningRate;
        ClipFactor = state.ClipFactor;
        Beta1 = args.Beta1;
        Beta2 = args.Beta2;
        Epsilon = args.Epsilon;
        OneMinusBeta1 = (float)(1 - (double)args.Beta1);
        OneMinusBeta2 = (float)(1 - (double)args.Beta2);
        Correction1 = 1 / (1 - Math.Pow(args.Beta1, state.Step));
        RootCorrection2 = (float)(1 / Math.Sqrt(1 - Math.Pow(args.Beta2, state.Step)));
    }

    public readonly void Run(long begin, long end, int worker)
    {
        long block = begin;
        OptimizerTensor* tensor = OptimizerBlocks.Find(Tensors, ref block);
        for (long left = end - begin; left > 0; tensor++, block = 0)
        {
            long blocks = Math.Min(left, OptimizerBlocks.Of(tensor->Count) - block);
            if (blocks <= 0) continue;
            left -= blocks;
            long start = block * OptimizerBlocks.Elements;
            Update(tensor, start, Math.Min(tensor->Count, start + blocks * OptimizerBlocks.Elements));
        }
    }

    private readonly void Update(OptimizerTensor* tensor, long begin, long end)
    {
        for (long i = begin; i < end; i += ShadowCopy.Elements)
        {
            long count = Math.Min(ShadowCopy.Elements, end - i);
            switch (SimdWidth.Bits)
            {
                case 512: Update<Simd512>(tensor, i, count); break;
                case 256: Update<Simd256>(tensor, i, count); break;
                case 128: Update<Simd128>(tensor, i, count); break;
                default: Update<SimdScalar>(tensor, i, count); break;
            }
            ShadowCopy.Write(tensor, i, count);
        }
    }

    private readonly void Update<T>(OptimizerTensor* tensor, long begin, long count) where T : unmanaged, ISimd<T>
    {
        double learningRate = (double)LearningRate * tensor->LearningRateScale;
        float step = (float)(learningRate * Correction1), decay = (float)(learningRate * tensor->WeightDecay);
        float* parameter = (float*)tensor->Master + begin, gradient = (float*)tensor->Gradient + begin;
        float* first = (float*)tensor->FirstMoment + begin, second = (float*)tensor->SecondMoment + begin;
        var registers = new Constants<T>(this, step, decay);
        long i = 0;
        for (; i + 2 * T.Count <= count; i += 2 * T.Count)
        {
            registers.Update(parameter + i, gradient + i, first + i, second + i);
            registers.Update(parameter + i + T.Count, gradient + i + T.Count, first + i + T.Count, second + i + T.Count);
        }
        for (; i + T.Count <= count; i += T.Count) registers.Update(parameter + i, gradient + i, first + i, second + i);
        if (i == count) return;
        var scalars = new Constants<SimdScalar>(this, step, decay);
        for (; i < count; i++) scalars.Update(parameter + i, gradient + i, first + i, second + i);
    }

    /// <summary>The step's constants in registers, and the update of one register of elements.</summary>
    private readonly struct Constants<T>(in AdamWJob job, float step, float decay) where T : unmanaged, ISimd<T>
    {
        private readonly T _clip = T.Create(job.ClipFactor);
        private readonly T _beta1 = T.Create(job.Beta1);
        private readonly T _beta2 = T.Create(job.Beta2);
        private readonly T _oneMinusBeta1 = T.Create(job.OneMinusBeta1);
        private readonly T _oneMinusBeta2 = T.Create(job.OneMinusBeta2);
        private readonly T _root = T.Create(job.RootCorrection2);
        private readonly T _epsilon = T.Create(job.Epsilon);
        private readonly T _step = T.Create(step);
        private readonly T _decay = T.Create(decay);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.AggressiveInlining)]
        public void Update(float* parameter, float* gradient, float* first, float* second)
        {
            T p = T.Load(parameter), g = _clip * T.Load(gradient);
            T m = T.MultiplyAdd(_beta1, T.Load(first), _oneMinusBeta1 * g);
            T v = T.MultiplyAdd(_beta2, T.Load(second), _oneMinusBeta2 * g * g);
            T.Store(m, first);
            T.Store(v, second);
            // The decay joins the update before it is taken off p: 1 - lr lambda, rounded to float32, would lose most of a small lr lambda.
            T update = _step * m / T.MultiplyAdd(T.Sqrt(v), _root, _epsilon);
            T.Store(p - T.MultiplyAdd(_decay, p, update), parameter);
        }
    }
}
