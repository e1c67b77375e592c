using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>
/// Proves for every operation that the tape plumbs its gradients right. The kernels are proven against float64 elsewhere;
/// here gradients meet finite differences of the whole call, and all ways of accumulating and sharing meet the plain one.
/// </summary>
public sealed class OperationGradientTests
{
    private const double Epsilon = 5.96e-8;

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (string device in TestDevices.WithNative)
        {
            foreach (string name in OperationCases.All.Keys) cases.Add(device, name);
        }
        return cases;
    }

    /// <summary>
    /// Central differences along random directions of signs, in float32 values and a float64 sum, with Richardson's
    /// extrapolation: the truncation is of order h^4, so what is left is the rounding of the outputs, epsilon * |w| * sqrt(1 + y^2)
    /// each, divided by the step; 64 covers the sums inside an operation, and a tenth of the extrapolation the next term.
    /// </summary>
    [Theory, MemberData(nameof(Cases))]
    public void GradientIsThatOfFiniteDifferences(string deviceName, string name)
    {
        OperationCase test = OperationCases.All[name];
        using var context = new CaseContext(deviceName);
        int outputs = 0;
        for (int only = -1; only < outputs || only < 0; only++)
        {
            float[]?[] gradients = Gradients(context, test, (leaves, results) => Choose(results, only), out outputs);
            if (outputs == 1 && only == 0) break; // the same as all
            float[][] values = [.. Enumerable.Range(0, test.Inputs.Length).Select(test.Values)];
            for (int input = 0; input < values.Length; input++)
            {
                for (int direction = 0; direction < 3; direction++)
                {
                    float[] signs = Signs(31 * input + direction, values[input].Length);
                    double scale = 0;
                    double coarse = Slope(context, test, values, input, signs, 1f / 64, only, ref scale);
                    double fine = Slope(context, test, values, input, signs, 1f / 128, only, ref scale);
                    double numeric = (4 * fine - coarse) / 3, tape = 0;
                    for (int i = 0; i < signs.Length; i++) tape += (double)(gradients[input]?[i] ?? 0) * signs[i];
                    double allowed = 64 * Epsilon * scale * 64 + 0.1 * Math.Abs(numeric - fine);
                    Assert.True(Math.Abs(tape - numeric) <= allowed,
                        $"{name}, output {only}: along direction {direction} of input {input} the tape's derivative is {tape:R}, differences give {numeric:R} (allowed {allowed:E2}).");
                }
            }
        }
    }

    /// <summary>Another use of every input, recorded before or after the operation, adds its gradient and spoils none.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void GradientsOfSeveralUsesAdd(string deviceName, string name)
    {
        OperationCase test = OperationCases.All[name];
        using var context = new CaseContext(deviceName);
        float[]?[] plain = Gradients(context, test, (_, results) => Dual.Of(results), out _);
        foreach (bool after in new[] { false, true })
        {
            using (context.Device.BeginStep())
            {
                Tensor[] leaves = Leaves(test);
                // Recorded before, and so run after the operation's backward: a kernel that adds into the gradient, which may be
                // shared then. Recorded after, and so run before it: a sum with another leaf, with which the gradient is shared then.
                Tensor[] partners = [.. leaves.Select(leaf => Tensor.From(new float[leaf.Elements], leaf.Shape, requiresGradient: true))];
                Tensor others = after ? default : Others(i => Functional.Scale(leaves[i], 1));
                Tensor[] results = test.Run(context, leaves);
                foreach (Tensor result in results) result.RetainGradient();
                Tensor mine = Dual.Of(results);
                if (after) others = Others(i => leaves[i] + partners[i]);
                (mine + others).Backward();
                for (int i = 0; i < leaves.Length; i++)
                {
                    float[] weights = Dual.Weights(50 + i, leaves[i].Shape);
                    Close.Check($"gradient of input {i}, another use {(after ? "after" : "before")}", leaves[i].Gradient!.Value.ToArray(), [.. weights.Zip(plain[i]!, (a, b) => a + b)]);
                    if (after) Agreement.CheckBitwise($"gradient of the partner of input {i}", partners[i].Gradient!.Value.ToArray(), weights);
                }
                for (int i = 0; i < results.Length; i++)
                    Agreement.CheckBitwise($"retained gradient of output {i}", results[i].Gradient!.Value.ToArray(), Dual.Weights(1 + i, results[i].Shape));
            }
        }

        Tensor Others(Func<int, Tensor> use)
        {
            Tensor total = default;
            for (int i = 0; i < test.Inputs.Length; i++)
            {
                Tensor term = Dual.Product(use(i), Dual.Weights(50 + i, test.Inputs[i]));
                total = i == 0 ? term : total + term;
            }
            return total;
        }
    }

    /// <summary>Inputs that are themselves results, released on the way back, give the same bits as leaves.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void ResultsAsInputsGiveTheSameBits(string deviceName, string name)
    {
        OperationCase test = OperationCases.All[name];
        using var context = new CaseContext(deviceName);
        float[]?[] plain = Gradients(context, test, (_, results) => Dual.Of(results), out _);
        using (context.Device.BeginStep())
        {
            Tensor[] leaves = Leaves(test);
            Tensor[] inputs = [.. leaves.Select(leaf => Functional.Scale(leaf, 1))];
            Dual.Of(test.Run(context, inputs)).Backward();
            for (int i = 0; i < leaves.Length; i++)
            {
                Agreement.CheckBitwise($"gradient through a copy of input {i}", leaves[i].Gradient!.Value.ToArray(), plain[i]);
                Assert.Throws<InvalidOperationException>(() => inputs[i].ToArray());
            }
        }
    }

    /// <summary>With one input alone requiring a gradient it gets the same bits, and the others none.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void FrozenInputsGetNothing(string deviceName, string name)
    {
        OperationCase test = OperationCases.All[name];
        using var context = new CaseContext(deviceName);
        float[]?[] plain = Gradients(context, test, (_, results) => Dual.Of(results), out _);
        for (int alone = 0; alone < test.Inputs.Length; alone++)
        {
            using (context.Device.BeginStep())
            {
                Tensor[] leaves = Leaves(test, alone);
                Dual.Of(test.Run(context, leaves)).Backward();
                Agreement.CheckBitwise($"gradient of input {alone} alone", leaves[alone].Gradient!.Value.ToArray(), plain[alone]);
                for (int i = 0; i < leaves.Length; i++)
                {
                    if (i != alone) Assert.Null(leaves[i].Gradient);
                }
            }
        }
    }

    /// <summary>Parameters as inputs: the same bits in the first micro-batch, twice as much after the second.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void ParametersAccumulateOverMicroBatches(string deviceName, string name)
    {
        OperationCase test = OperationCases.All[name];
        using var context = new CaseContext(deviceName);
        float[]?[] plain = Gradients(context, test, (_, results) => Dual.Of(results), out _);
        using var module = new Bag(test.Inputs);
        module.Build(context.Device, 1);
        for (int i = 0; i < test.Inputs.Length; i++) module.All[i].Load(test.Values(i));
        using (context.Device.BeginStep())
        {
            for (int time = 1; time <= 2; time++)
            {
                using (context.Device.BeginMicroBatch()) Dual.Of(test.Run(context, [.. module.All.Select(parameter => parameter.Value)])).Backward();
                for (int i = 0; i < test.Inputs.Length; i++)
                {
                    float[] actual = module.All[i].Gradient.ToArray();
                    if (time == 1) Agreement.CheckBitwise($"gradient of parameter {i}", actual, plain[i]);
                    else Close.Check($"gradient of parameter {i} after two", actual, [.. plain[i]!.Select(value => 2 * value)]);
                }
            }
        }
    }

    /// <summary>Inference gives the same bits forward, records nothing and needs no gradient.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void InferenceRecordsNothing(string deviceName, string name)
    {
        OperationCase test = OperationCases.All[name];
        using var context = new CaseContext(deviceName);
        float[][] trained, inferred;
        using (context.Device.BeginStep())
        {
            Tensor[] results = test.Run(context, Leaves(test));
            Assert.All(results, result => Assert.True(result.RequiresGradient));
            trained = [.. results.Select(result => result.ToArray())];
        }
        using (Arena arena = context.Device.BeginInference())
        {
            Tensor[] results = test.Run(context, Leaves(test));
            Assert.All(results, result => Assert.False(result.RequiresGradient));
            Assert.Equal(0, arena.Tape.Count);
            inferred = [.. results.Select(result => result.ToArray())];
        }
        for (int i = 0; i < trained.Length; i++) Agreement.CheckBitwise($"output {i} of inference", inferred[i], trained[i]);
    }

    /// <summary>The debug trap looks at everything and finds nothing where all is finite; the bits stay.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void TrapFindsNothingWhereAllIsFinite(string deviceName, string name)
    {
        OperationCase test = OperationCases.All[name];
        using var context = new CaseContext(deviceName);
        float[]?[] plain = Gradients(context, test, (_, results) => Dual.Of(results), out _);
        try
        {
            GradientMode.TrapNonFinite = true;
            float[]?[] trapped = Gradients(context, test, (_, results) => Dual.Of(results), out _);
            for (int i = 0; i < plain.Length; i++) Agreement.CheckBitwise($"gradient of input {i} under the trap", trapped[i], plain[i]);
        }
        finally
        {
            GradientMode.TrapNonFinite = false;
        }
    }

    private static Tensor Choose(Tensor[] results, int only) =>
        only < 0 ? Dual.Of(results) : Dual.Product(results[only], Dual.Weights(1 + only, results[only].Shape));

    private static Tensor[] Leaves(OperationCase test, int alone = -1) =>
        [.. Enumerable.Range(0, test.Inputs.Length).Select(i => Tensor.From(test.Values(i), test.Inputs[i], requiresGradient: alone < 0 || i == alone))];

    private static float[]?[] Gradients(CaseContext context, OperationCase test, Func<Tensor[], Tensor[], Tensor> loss, out int outputs)
    {
        using (context.Device.BeginStep())
        {
            Tensor[] leaves = Leaves(test);
            Tensor[] results = test.Run(context, leaves);
            outputs = results.Length;
            loss(leaves, results).Backward();
            return [.. leaves.Select(leaf => leaf.Gradient?.ToArray())];
        }
    }

    private static double Slope(CaseContext context, OperationCase test, float[][] values, int input, float[] signs, float step, int only, ref double scale)
    {
        double up = At(context, test, values, input, signs, step, only, ref scale), down = At(context, test, values, input, signs, -step, only, ref scale);
        return (up - down) / (2 * step);
    }

    private static double At(CaseContext context, OperationCase test, float[][] values, int input, float[] signs, float step, int only, ref double scale)
    {
        using (context.Device.BeginInference())
        {
            Tensor[] tensors = new Tensor[values.Length];
            for (int i = 0; i < values.Length; i++)
            {
                float[] moved = i == input ? [.. values[i].Select((value, j) => value + step * signs[j])] : values[i];
                tensors[i] = Tensor.From(moved, test.Inputs[i]);
            }
            double value = Dual.OnHost(test.Run(context, tensors), only, out double size);
            scale = Math.Max(scale, size);
            return value;
        }
    }

    private static float[] Signs(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(2) == 0 ? -1f : 1f)];
    }
}

/// <summary>A module of loose parameters.</summary>
internal sealed class Bag : Module
{
    public Bag(params Shape[] shapes) => All = [.. shapes.Select((shape, i) => AddParameter($"p{i}", shape, Initializer.FanIn()))];

    public Parameter[] All { get; }
}
