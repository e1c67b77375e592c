using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

public sealed class TensorTests
{
    [Fact]
    public void ElementsRoundTripInEveryDType()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginSession();
        Trip<float>([1, -2, 3.5f]);
        Trip<double>([1, -2, 3.5]);
        Trip<long>([1, long.MinValue, 3]);
        Trip<int>([1, int.MinValue, 3]);
        Trip<byte>([1, 2, 255]);
        Trip<bool>([true, false, true]);
        Trip<Half>([(Half)1.5, (Half)(-2), (Half)0]);
        Trip<BFloat16>([(BFloat16)1.5f, (BFloat16)(-2f), (BFloat16)0f]);

        static void Trip<T>(T[] values) where T : unmanaged
        {
            Tensor tensor = Tensor.From(values, [values.Length]);
            Assert.Equal(DTypes.Of<T>(), tensor.DType);
            Assert.Equal(values, tensor.ToArray<T>());
            Tensor other = Tensor.Zeros([values.Length], DTypes.Of<T>());
            Assert.Equal(new T[values.Length], other.ToArray<T>());
            other.Write<T>(values);
            Assert.Equal(values, other.ToArray<T>());
        }
    }

    [Fact]
    public void FactoriesFill()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginSession();
        Assert.Equal([2.5f, 2.5f], Tensor.Full([2], 2.5).ToArray());
        Assert.Equal([0f, 0f, 0f], Tensor.Zeros([3]).ToArray());
        Assert.Empty(Tensor.Full([2, 0], 1).ToArray());
        Assert.Equal(7, Tensor.Full([], 7).Item());
        Assert.Equal(7, Tensor.Full([1, 1], 7).Item());
        Tensor tensor = Tensor.Empty([2, 3], DType.Int32);
        Assert.Equal((DType.Int32, 6L, device, new Shape(2, 3)), (tensor.DType, tensor.Elements, tensor.Device, tensor.Shape));
        Assert.Equal(tensor.Address, tensor.Operand.Data);
        Assert.Equal(3, tensor.Operand.RowStride);
    }

    [Fact]
    public void HandlesCompareByTensor()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginSession();
        Tensor a = Tensor.Zeros([2]), b = Tensor.Zeros([2]), again = a;
        Assert.True(a == again);
        Assert.True(a != b);
        Assert.True(a.Equals((object)again));
        Assert.False(a.Equals("a string"));
        Assert.Equal(a.GetHashCode(), again.GetHashCode());
        Assert.False(default(Tensor).IsDefined);
        Assert.True(a.IsDefined);
    }

    [Fact]
    public void TextSaysWhatATensorIs()
    {
        using Device device = TestDevices.Open("cpu/1");
        Tensor tensor;
        using (device.BeginSession())
        {
            tensor = Tensor.Zeros([2, 3], DType.Int64);
            Assert.Equal("Int64 [2, 3] on cpu", tensor.ToString());
        }
        Assert.Equal("(tensor whose arena has ended)", tensor.ToString());
        Assert.Equal("(no tensor)", default(Tensor).ToString());
    }

    [Fact]
    public void OperatorsAreTheFunctions()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginSession();
        Tensor a = Tensor.From([1f, 2, 3], [3]), b = Tensor.From([4f, 5, 6], [3]);
        Assert.Equal([5f, 7, 9], (a + b).ToArray());
        Assert.Equal([-3f, -3, -3], (a - b).ToArray());
        Assert.Equal([4f, 10, 18], (a * b).ToArray());
        Assert.Equal([2f, 4, 6], (2 * a).ToArray());
        Assert.Equal([2f, 4, 6], (a * 2).ToArray());
    }

    [Fact]
    public void CopyToAnotherArenaOutlivesTheStepAndHasNoHistory()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena session = device.BeginSession();
        Tensor copy;
        using (device.BeginStep())
        {
            Tensor leaf = Tensor.From([1f, 2], [2], requiresGradient: true);
            copy = (leaf + leaf).CopyTo(session);
            Assert.False(copy.RequiresGradient);
        }
        using (device.BeginStep()) Tensor.Full([64], 9);
        Assert.Equal([2f, 4], copy.ToArray());
    }

    [Fact]
    public void ViewsShareMemory()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginSession();
        Tensor x = Tensor.From([0f, 1, 2, 3, 4, 5], [3, 2]);
        Tensor rows = Functional.Rows(x, 1, 2), shaped = Functional.Reshape(x, [6]);
        Assert.Equal(x.Address, shaped.Address);
        Assert.Equal(x.Address + 8, rows.Address);
        x.Write<float>([10, 11, 12, 13, 14, 15]);
        Assert.Equal([12f, 13, 14, 15], rows.ToArray());
        Assert.Equal([10f, 11, 12, 13, 14, 15], shaped.ToArray());
    }

    [Fact]
    public void EmptyTensorsPassThroughOperations()
    {
        using Device device = TestDevices.Open("cpu/2");
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From<float>([], [0, 3], requiresGradient: true), weight = Tensor.From(new float[6], [2, 3], requiresGradient: true);
        Tensor bias = Tensor.From([1f, 2], [2], requiresGradient: true), table = Tensor.From(new float[12], [4, 3], requiresGradient: true);
        Tensor y = Functional.Linear(x + Functional.Reshape(Functional.Rows(table, 0, 0), [0, 3]), weight, bias);
        Assert.Equal(new Shape(0, 2), y.Shape);
        Functional.Sum(Functional.Activate(y, Activation.Gelu)).Backward();
        Assert.Equal(new float[6], weight.Gradient!.Value.ToArray());
        Assert.Equal(new float[2], bias.Gradient!.Value.ToArray());
        Assert.Equal(new float[12], table.Gradient!.Value.ToArray());
        Assert.Empty(x.Gradient!.Value.ToArray());
    }

    [Fact]
    public void ABroadcastOverNoRowsHasAZeroGradient()
    {
        using Device device = TestDevices.Open("cpu/2");
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From<float>([], [0, 4, 3], requiresGradient: true), table = Tensor.From(new float[12], [4, 3], requiresGradient: true);
        Functional.Sum((x + table) * table).Backward();
        Assert.Equal(new float[12], table.Gradient!.Value.ToArray());
    }

    [Fact]
    public void ProductsOverNothingAreZero()
    {
        using Device device = TestDevices.Open("cpu/2");
        using Arena arena = device.BeginStep();
        Poison(arena);
        Assert.Equal(new float[6], Functional.MatMul(Tensor.Zeros([2, 0]), Tensor.Zeros([0, 3])).ToArray());
        Assert.Equal(new float[12], Functional.MatMul(Tensor.Zeros([2, 0, 2]), Tensor.Zeros([2, 0, 3]), transposeA: true).ToArray());
        Tensor none = Tensor.From<float>([], [0, 2, 4], requiresGradient: true), shared = Tensor.From(new float[12], [4, 3], requiresGradient: true);
        Poison(arena);
        Functional.Sum(Functional.MatMul(none, shared)).Backward();
        Assert.Equal(new float[12], shared.Gradient!.Value.ToArray());

        // Blocks that come back are not zero.
        static void Poison(Arena arena)
        {
            Tensor block = Tensor.Full([4096], float.NaN);
            Arena.Release(block.State);
            Assert.False(block.IsAlive);
        }
    }

    [Fact]
    public void IndicesAndValuesOfTheLargest()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([1f, 5, 3, 9, 9, 2], [2, 3], requiresGradient: true);
        Assert.Equal([1, 0], Functional.ArgMax(x).ToArray<int>());
        (Tensor values, Tensor indices) = Functional.TopK(x, 2);
        Assert.Equal([5f, 3, 9, 9], values.ToArray());
        Assert.Equal([1, 2, 0, 1], indices.ToArray<int>());
        Tensor largest = Functional.MaxLast(x);
        Assert.Equal([5f, 9], largest.ToArray());
        Assert.False(values.RequiresGradient || largest.RequiresGradient);
        Assert.Equal(0, arena.Tape.Count);
    }

    [Fact]
    public void GradientsFlowThroughCasts()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Arena arena = device.BeginStep();
        Tensor x = Tensor.From([1.00390625f, -2], [2], requiresGradient: true);
        Tensor half = Functional.Cast(x, DType.BFloat16), back = Functional.Cast(half, DType.Float32);
        Assert.Equal([1f, -2], back.ToArray());
        Tensor whole = Functional.Cast(x, DType.Int32);
        Assert.False(whole.RequiresGradient);
        half.RetainGradient();
        Functional.Sum(back * 1.00390625f).Backward();
        // Rounded where it passes through bfloat16.
        Assert.Equal(DType.BFloat16, half.Gradient!.Value.DType);
        Assert.Equal([1f, 1], x.Gradient!.Value.ToArray());
    }
}
