using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>Extents of a convolution; the output's follow.</summary>
public sealed record ConvolutionCase(string Name, int Batch, int Height, int Width, int InputChannels, int OutputChannels,
    int KernelHeight, int KernelWidth, int Stride, int Padding, int Groups = 1)
{
    public int OutputHeight => Side(Height, KernelHeight);
    public int OutputWidth => Side(Width, KernelWidth);
    public int GroupInputs => InputChannels / Groups;
    public int PatchLength => KernelHeight * KernelWidth * GroupInputs;
    public int InputPixels => Batch * Height * Width;
    public int OutputPixels => Batch * OutputHeight * OutputWidth;

    private int Side(int input, int kernel) => input + 2 * Padding < kernel ? 0 : (input + 2 * Padding - kernel) / Stride + 1;

    public override string ToString() => Name;
}

/// <summary>Convolution by its sum, one multiplication at a time.</summary>
internal static class ConvolutionReference
{
    private delegate void Product(int output, int input, int weight);

    /// <summary>The sums alone.</summary>
    public static T[] Forward<T>(ConvolutionCase c, T[] x, T[] weight) where T : IFloatingPointIeee754<T>
    {
        var sums = new T[c.OutputPixels * c.OutputChannels];
        ForEachProduct(c, (o, i, w) => sums[o] += x[i] * weight[w]);
        return sums;
    }

    /// <summary>Adds the bias and applies the activation.</summary>
    public static T[] Finish<T>(T[] sums, T[]? bias, Activation activation) where T : IFloatingPointIeee754<T>
    {
        var output = new T[sums.Length];
        for (int i = 0; i < output.Length; i++)
            output[i] = ElementwiseReference.Activate(activation, bias is null ? sums[i] : sums[i] + bias[i % bias.Length]);
        return output;
    }

    public static T[] BackwardData<T>(ConvolutionCase c, T[] outputGradient, T[] weight) where T : IFloatingPointIeee754<T>
    {
        var gradient = new T[c.InputPixels * c.InputChannels];
        ForEachProduct(c, (o, i, w) => gradient[i] += outputGradient[o] * weight[w]);
        return gradient;
    }

    public static (T[] Weight, T[] Bias) BackwardWeight<T>(ConvolutionCase c, T[] x, T[] outputGradient) where T : IFloatingPointIeee754<T>
    {
        var weight = new T[c.OutputChannels * c.PatchLength];
        var bias = new T[c.OutputChannels];
        ForEachProduct(c, (o, i, w) => weight[w] += outputGradient[o] * x[i]);
        for (int o = 0; o < outputGradient.Length; o++) bias[o % c.OutputChannels] += outputGradient[o];
        return (weight, bias);
    }

    /// <summary>sums + beta * old; the old values are not read when beta is 0.</summary>
    public static T[] Accumulate<T>(T[] sums, T[] old, T beta) where T : IFloatingPointIeee754<T> =>
        beta == T.Zero ? sums : [.. sums.Zip(old, (sum, before) => sum + beta * before)];

    /// <summary>Every (output, input, weight) index triple of the sum, outputs ascending.</summary>
    private static void ForEachProduct(ConvolutionCase c, Product product)
    {
        int outputsPerGroup = c.OutputChannels / c.Groups;
        foreach ((int n, int y, int x) in Grid(c.Batch, c.OutputHeight, c.OutputWidth))
        {
            foreach ((int o, int ky, int kx) in Grid(c.OutputChannels, c.KernelHeight, c.KernelWidth))
            {
                int inputY = y * c.Stride - c.Padding + ky, inputX = x * c.Stride - c.Padding + kx;
                if (inputY < 0 || inputY >= c.Height || inputX < 0 || inputX >= c.Width) continue;
                int output = ((n * c.OutputHeight + y) * c.OutputWidth + x) * c.OutputChannels + o;
                int input = ((n * c.Height + inputY) * c.Width + inputX) * c.InputChannels + o / outputsPerGroup * c.GroupInputs;
                int weight = ((o * c.KernelHeight + ky) * c.KernelWidth + kx) * c.GroupInputs;
                for (int i = 0; i < c.GroupInputs; i++) product(output, input + i, weight + i);
            }
        }
    }

    /// <summary>All index triples, the last fastest.</summary>
    public static IEnumerable<(int First, int Second, int Third)> Grid(int first, int second, int third)
    {
        for (int i = 0; i < first * second * third; i++) yield return (i / (second * third), i / third % second, i % third);
    }
}
