using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>The optimizers by their definitions, one tensor at a time; arrays are updated in place.</summary>
internal static class OptimizerReference<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>AdamW with decoupled decay (torch.optim.AdamW).</summary>
    public static void AdamW(T[] parameter, T[] gradient, T[] first, T[] second, in AdamWArgs args, in StepState state, float learningRateScale, float weightDecay)
    {
        T beta1 = T.CreateChecked(args.Beta1), beta2 = T.CreateChecked(args.Beta2), epsilon = T.CreateChecked(args.Epsilon);
        T learningRate = T.CreateChecked(state.LearningRate) * T.CreateChecked(learningRateScale);
        // In float64 in every precision: 1 - 0.95^1 loses digits in float32.
        T correction1 = T.CreateChecked(1 - Math.Pow(args.Beta1, state.Step)), correction2 = T.CreateChecked(1 - Math.Pow(args.Beta2, state.Step));
        for (int i = 0; i < parameter.Length; i++)
        {
            T g = T.CreateChecked(state.ClipFactor) * gradient[i];
            first[i] = beta1 * first[i] + (T.One - beta1) * g;
            second[i] = beta2 * second[i] + (T.One - beta2) * g * g;
            parameter[i] = parameter[i] * (T.One - learningRate * T.CreateChecked(weightDecay))
                - learningRate * (first[i] / correction1) / (T.Sqrt(second[i] / correction2) + epsilon);
        }
    }

    /// <summary>Adafactor (algorithm 4, external learning rate); the statistics are means, <paramref name="second"/> is null where factored.</summary>
    public static void Adafactor(T[] parameter, T[] gradient, T[] first, T[]? second, T[] rowMeans, T[] columnMeans, int rows, int columns,
        in AdafactorArgs args, in StepState state, float learningRateScale, float weightDecay)
    {
        int count = parameter.Length;
        T epsilon = T.CreateChecked(args.Epsilon), fresh = T.CreateChecked(Math.Pow(state.Step, args.DecayExponent)), beta2 = T.One - fresh;
        T clipFactor = T.CreateChecked(state.ClipFactor);
        T[] g = [.. gradient.Select(x => clipFactor * x)];
        T[] squares = [.. g.Select(x => x * x + epsilon)];
        var variance = new T[count];
        if (second is not null)
        {
            for (int i = 0; i < count; i++) variance[i] = second[i] = beta2 * second[i] + fresh * squares[i];
        }
        else
        {
            for (int i = 0; i < rows; i++)
            {
                T sum = T.Zero;
                for (int j = 0; j < columns; j++) sum += squares[i * columns + j];
                rowMeans[i] = beta2 * rowMeans[i] + fresh * sum / T.CreateChecked(columns);
            }
            for (int j = 0; j < columns; j++)
            {
                T sum = T.Zero;
                for (int i = 0; i < rows; i++) sum += squares[i * columns + j];
                columnMeans[j] = beta2 * columnMeans[j] + fresh * sum / T.CreateChecked(rows);
            }
            T mean = Mean(rowMeans);
            for (int i = 0; i < count; i++) variance[i] = rowMeans[i / columns] / mean * columnMeans[i % columns];
        }
        T[] update = [.. g.Zip(variance, (x, v) => x / T.Sqrt(v))];
        T clip = T.Max(T.One, RootMeanSquare(update) / T.CreateChecked(args.ClipThreshold));
        T learningRate = T.CreateChecked(state.LearningRate) * T.CreateChecked(learningRateScale);
        T scale = args.ScaleParameter != 0 ? T.Max(T.CreateChecked(args.EpsilonScale), RootMeanSquare(parameter)) : T.One;
        T beta1 = T.CreateChecked(args.Beta1);
        for (int i = 0; i < count; i++)
        {
            T change = learningRate * scale * update[i] / clip;
            if (args.Beta1 != 0) change = first[i] = beta1 * first[i] + (T.One - beta1) * change;
            parameter[i] -= change + learningRate * T.CreateChecked(weightDecay) * parameter[i];
        }
    }

    private static T RootMeanSquare(T[] values) => T.Sqrt(Mean([.. values.Select(x => x * x)]));

    private static T Mean(T[] values)
    {
        T sum = T.Zero;
        foreach (T x in values) sum += x;
        return sum / T.CreateChecked(values.Length);
    }
}
