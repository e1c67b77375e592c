using System.Numerics;
using System.Runtime.InteropServices;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Elementwise;

/// <summary>Verbs on every storage type: cast, fill, copy, transpose.</summary>
public sealed class StorageTests
{
    private static readonly DType[] AllTypes = [DType.Float64, DType.Float32, DType.BFloat16, DType.Float16, DType.Int64, DType.Int32, DType.UInt8, DType.Bool];

    public static TheoryData<string, DType> Types()
    {
        var data = new TheoryData<string, DType>();
        foreach (string device in TestDevices.WithNative)
        {
            foreach (DType dtype in AllTypes) data.Add(device, dtype);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void CastsFrom(string device, DType from)
    {
        // Values that round, tie, overflow, saturate or are none; then random ones up to a size that fills registers and threads.
        double[] special =
        [
            0, -0.0, 1, -1, 0.5, 1.5, 2.5, -1.5, 254.9, 255, 255.5, 256, 300, -3, 1e-3, 3.140625, 65504, 65519.9, 65520, 70000, -1e6, 6e-8, 2.98e-8, 1e-45, 1e-300, 1e300,
            3.4e38, 3.39e38, 2147483647, 2147483648, -2147483648, -2147483649, 9.3e18, -9.3e18, 1 + 1 / 256.0, 1 + 3 / 256.0, 1 + 1 / 256.0 + 1e-12, 1 + 1 / 256.0 - 1e-12,
            1 + 1 / 2048.0, 16777217, 16777219, 9007199254740993, 257, 259, 128.5, double.NaN, double.PositiveInfinity, double.NegativeInfinity,
        ];
        const int columns = 67;
        foreach (int rows in new[] { 1, 3, from == DType.Float32 ? 700 : 5 })
        {
            var values = new double[rows * columns];
            float[] random = Samples.Normal(rows, values.Length, 100);
            for (int i = 0; i < values.Length; i++) values[i] = i < special.Length ? special[i] : random[i];
            foreach (DType to in AllTypes.Where(to => to != from))
            {
                foreach (int padding in new[] { 0, 5 })
                {
                    using var bench = new KernelBench(device);
                    byte[] source = Encode(values, from);
                    DeviceBuffer x = Upload(bench, source, rows, columns, padding, from), y = bench.Output(rows, columns, padding, null, to);
                    bench.Kernels.Cast(default, new CastArgs { Rows = rows, Columns = columns, X = x, Output = y });
                    bench.CheckGuards();
                    byte[] actual = Download(y), expected = Expected(source, from, to);
                    int size = to.Size();
                    for (int i = 0; i < values.Length; i++)
                    {
                        if (to.IsFloatingPoint() && double.IsNaN(Decode(expected, i, to)))
                            Assert.True(double.IsNaN(Decode(actual, i, to)), $"{from} to {to}: NaN was lost");
                        else
                            Assert.True(actual.AsSpan(i * size, size).SequenceEqual(expected.AsSpan(i * size, size)),
                                $"{from} to {to} of {Decode(source, i, from):R} ({values[i]:R}) at {i}: {Decode(actual, i, to):R}, not {Decode(expected, i, to):R}");
                    }
                }
            }
        }
    }

    // Every bfloat16 to float32 and back, and every float16.
    [Fact]
    public void NarrowFloatsSurviveTheRoundTrip()
    {
        var bits = new ushort[65536];
        for (int i = 0; i < bits.Length; i++) bits[i] = (ushort)i;
        using var bench = new KernelBench(TestDevices.Names[0]);
        foreach (DType dtype in new[] { DType.BFloat16, DType.Float16 })
        {
            byte[] source = MemoryMarshal.AsBytes<ushort>(bits).ToArray();
            DeviceBuffer x = Upload(bench, source, 1, bits.Length, 0, dtype), wide = bench.Output(1, bits.Length), back = bench.Output(1, bits.Length, 0, null, dtype);
            bench.Kernels.Cast(default, new CastArgs { Rows = 1, Columns = bits.Length, X = x, Output = wide });
            bench.Kernels.Cast(default, new CastArgs { Rows = 1, Columns = bits.Length, X = wide, Output = back });
            float[] values = wide.Download();
            ushort[] result = MemoryMarshal.Cast<byte, ushort>(Download(back)).ToArray();
            for (int i = 0; i < bits.Length; i++)
            {
                Assert.Equal((float)Decode(source, i, dtype), values[i]);
                if (!float.IsNaN(values[i])) Assert.Equal(bits[i], result[i]);
            }
        }
    }

    // Values beside every tie between neighbouring bfloat16 and float16, in the register form of the cast.
    [Fact]
    public void Float32RoundsAsTheScalarConversions()
    {
        var random = new Random(5);
        var values = new float[100_003];
        for (int i = 0; i < values.Length; i++)
        {
            uint bits = (uint)random.NextInt64(1L << 32);
            if (i % 3 == 1) bits = (bits & 0xFFFF0000) | 0x8000; // bfloat16 ties
            if (i % 3 == 2) bits = (bits & 0x87FFE000) | 0x38001000; // float16 ties
            values[i] = BitConverter.UInt32BitsToSingle(bits);
        }
        using var bench = new KernelBench(TestDevices.Names[^1]);
        DeviceBuffer x = bench.Input(values, 1, values.Length)!, bfloat = bench.Output(1, values.Length, 0, null, DType.BFloat16), half = bench.Output(1, values.Length, 0, null, DType.Float16);
        bench.Kernels.Cast(default, new CastArgs { Rows = 1, Columns = values.Length, X = x, Output = bfloat });
        bench.Kernels.Cast(default, new CastArgs { Rows = 1, Columns = values.Length, X = x, Output = half });
        BFloat16[] bfloats = bfloat.Download<BFloat16>();
        Half[] halves = half.Download<Half>();
        for (int i = 0; i < values.Length; i++)
        {
            if (float.IsNaN(values[i]))
            {
                Assert.True(float.IsNaN(bfloats[i]) && Half.IsNaN(halves[i]));
                continue;
            }
            Assert.Equal(((BFloat16)values[i]).ToBits(), bfloats[i].ToBits());
            Assert.Equal(BitConverter.HalfToUInt16Bits((Half)values[i]), BitConverter.HalfToUInt16Bits(halves[i]));
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Fills(string device, DType dtype)
    {
        foreach ((int rows, int columns, int padding) in new[] { (3, 7, 0), (3, 7, 2), (0, 5, 0), (5, 0, 0), (1, 1, 0), (300, 301, 0) })
        {
            using var bench = new KernelBench(device);
            DeviceBuffer y = bench.Output(rows, columns, padding, null, dtype);
            bench.Kernels.Fill(default, new FillArgs { Rows = rows, Columns = columns, Output = y, Value = 2.7 });
            bench.CheckGuards();
            byte[] actual = Download(y), expected = Expected(Encode(Enumerable.Repeat(2.7, rows * columns).ToArray(), DType.Float64), DType.Float64, dtype);
            Assert.Equal(expected, actual);
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Copies(string device, DType dtype)
    {
        foreach ((int rows, int columns, int paddingX, int paddingY) in new[] { (3, 7, 0, 0), (3, 7, 2, 0), (4, 33, 0, 3), (0, 5, 0, 0), (5, 0, 0, 0), (301, 303, 0, 0) })
        {
            using var bench = new KernelBench(device);
            byte[] bytes = Bytes(rows * columns, dtype);
            DeviceBuffer x = Upload(bench, bytes, rows, columns, paddingX, dtype), y = bench.Output(rows, columns, paddingY, null, dtype);
            bench.Kernels.Copy(default, new CopyArgs { Rows = rows, Columns = columns, X = x, Output = y });
            bench.CheckGuards();
            Assert.Equal(bytes, Download(y));
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void TransposesBlocks(string device, DType dtype)
    {
        foreach ((int batch, int rows, int columns, int inner, int padding) in new[]
        {
            (1, 5, 7, 1, 0), (2, 33, 41, 1, 3), (1, 64, 64, 1, 0), (3, 8, 16, 1, 0), (2, 6, 5, 3, 1), (2, 35, 4, 16, 0), (1, 1, 9, 1, 0), (1, 9, 1, 2, 0),
            (0, 2, 2, 1, 0), (1, 0, 3, 1, 0), (1, 3, 3, 0, 0), (1, 300, 257, 1, 0),
        })
        {
            using var bench = new KernelBench(device);
            int size = dtype.Size();
            byte[] bytes = Bytes(batch * rows * columns * inner, dtype);
            DeviceBuffer x = Upload(bench, bytes, batch * rows, columns * inner, padding, dtype), y = bench.Output(batch * columns, rows * inner, padding, null, dtype);
            bench.Kernels.TransposeBlocks(default, new TransposeBlocksArgs { Batch = batch, Rows = rows, Columns = columns, Inner = inner, X = x, Output = y });
            bench.CheckGuards();
            var expected = new byte[bytes.Length];
            int block = inner * size;
            for (int b = 0; b < batch; b++)
            {
                for (int r = 0; r < rows; r++)
                {
                    for (int c = 0; c < columns; c++)
                        bytes.AsSpan(((b * rows + r) * columns + c) * block, block).CopyTo(expected.AsSpan(((b * columns + c) * rows + r) * block));
                }
            }
            Assert.Equal(expected, Download(y));
        }
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[6], 2, 3)!, y = bench.Output(2, 3), half = bench.Output(2, 3, 0, null, DType.Float16);
        IKernels kernels = bench.Kernels;
        Fails("X and Output both have dtype Float32", () => kernels.Cast(default, new CastArgs { Rows = 2, Columns = 3, X = x, Output = y }));
        Fails("X has dtype None", () => kernels.Cast(default, new CastArgs { Rows = 2, Columns = 3, Output = half }));
        Fails("Output has row stride 2", () => kernels.Cast(default, new CastArgs { Rows = 2, Columns = 3, X = x, Output = new Operand(half.Address, DType.Float16, 2) }));
        Fails("Rows is -1", () => kernels.Fill(default, new FillArgs { Rows = -1, Columns = 3, Output = y }));
        Fails("Output has dtype None", () => kernels.Fill(default, new FillArgs { Rows = 2, Columns = 3 }));
        Fails("Output has dtype Float16; this device needs Float32", () => kernels.Copy(default, new CopyArgs { Rows = 2, Columns = 3, X = x, Output = half }));
        Fails("Inner is -1", () => kernels.TransposeBlocks(default, new TransposeBlocksArgs { Rows = 2, Columns = 3, Inner = -1, X = x, Output = y }));
        Fails("Output has row stride 1", () => kernels.TransposeBlocks(default, new TransposeBlocksArgs { Rows = 2, Columns = 3, X = x, Output = new Operand(y.Address, DType.Float32, 1) }));
    }

    private static void Fails(string rule, Action call) => Assert.Contains(rule, Assert.Throws<KernelArgumentException>(call).Message);

    private static byte[] Bytes(int count, DType dtype)
    {
        var bytes = new byte[count * dtype.Size()];
        new Random(3).NextBytes(bytes);
        return bytes;
    }

    private static DeviceBuffer Upload(KernelBench bench, byte[] bytes, int rows, int columns, int padding, DType dtype) => dtype switch
    {
        DType.Float64 => bench.Input(MemoryMarshal.Cast<byte, double>(bytes).ToArray(), rows, columns, padding)!,
        DType.Float32 => bench.Input(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), rows, columns, padding)!,
        DType.BFloat16 => bench.Input(MemoryMarshal.Cast<byte, BFloat16>(bytes).ToArray(), rows, columns, padding)!,
        DType.Float16 => bench.Input(MemoryMarshal.Cast<byte, Half>(bytes).ToArray(), rows, columns, padding)!,
        DType.Int64 => bench.Input(MemoryMarshal.Cast<byte, long>(bytes).ToArray(), rows, columns, padding)!,
        DType.Int32 => bench.Input(MemoryMarshal.Cast<byte, int>(bytes).ToArray(), rows, columns, padding)!,
        DType.UInt8 => bench.Input(bytes, rows, columns, padding)!,
        _ => bench.Input(MemoryMarshal.Cast<byte, bool>(bytes).ToArray(), rows, columns, padding)!,
    };

    private static byte[] Download(DeviceBuffer buffer) => buffer.DType switch
    {
        DType.Float64 => MemoryMarshal.AsBytes<double>(buffer.Download<double>()).ToArray(),
        DType.Float32 => MemoryMarshal.AsBytes<float>(buffer.Download<float>()).ToArray(),
        DType.BFloat16 => MemoryMarshal.AsBytes<BFloat16>(buffer.Download<BFloat16>()).ToArray(),
        DType.Float16 => MemoryMarshal.AsBytes<Half>(buffer.Download<Half>()).ToArray(),
        DType.Int64 => MemoryMarshal.AsBytes<long>(buffer.Download<long>()).ToArray(),
        DType.Int32 => MemoryMarshal.AsBytes<int>(buffer.Download<int>()).ToArray(),
        DType.UInt8 => buffer.Download<byte>(),
        _ => MemoryMarshal.AsBytes<bool>(buffer.Download<bool>()).ToArray(),
    };

    /// <summary>Test values in a storage type, by any rounding.</summary>
    private static byte[] Encode(double[] values, DType dtype)
    {
        var bytes = new byte[values.Length * dtype.Size()];
        for (int i = 0; i < values.Length; i++)
        {
            Span<byte> target = bytes.AsSpan(i * dtype.Size());
            switch (dtype)
            {
                case DType.Float64: MemoryMarshal.Write(target, values[i]); break;
                case DType.Float32: MemoryMarshal.Write(target, (float)values[i]); break;
                case DType.BFloat16: MemoryMarshal.Write(target, (BFloat16)(float)values[i]); break;
                case DType.Float16: MemoryMarshal.Write(target, (Half)values[i]); break;
                case DType.Int64: MemoryMarshal.Write(target, (long)values[i]); break;
                case DType.Int32: MemoryMarshal.Write(target, (int)values[i]); break;
                case DType.UInt8: target[0] = (byte)(int)Math.Clamp(double.IsNaN(values[i]) ? 7 : values[i], 0, 255); break;
                default: target[0] = (byte)(values[i] > 0 ? 1 : 0); break;
            }
        }
        return bytes;
    }

    private static double Decode(byte[] bytes, int i, DType dtype)
    {
        ReadOnlySpan<byte> source = bytes.AsSpan(i * dtype.Size());
        return dtype switch
        {
            DType.Float64 => MemoryMarshal.Read<double>(source),
            DType.Float32 => MemoryMarshal.Read<float>(source),
            DType.BFloat16 => MemoryMarshal.Read<BFloat16>(source),
            DType.Float16 => (double)MemoryMarshal.Read<Half>(source),
            DType.Int64 => MemoryMarshal.Read<long>(source),
            DType.Int32 => MemoryMarshal.Read<int>(source),
            _ => source[0],
        };
    }

    /// <summary>The conversion by exact arithmetic: the value as a fraction, then the nearest of the target's neighbours.</summary>
    private static byte[] Expected(byte[] source, DType from, DType to)
    {
        int count = source.Length / from.Size();
        var bytes = new byte[count * to.Size()];
        for (int i = 0; i < count; i++)
        {
            double value = Decode(source, i, from);
            // An Int64 beyond 2^53 is no double: compare with the integer itself.
            BigInteger? whole = from is DType.Int64 or DType.Int32 or DType.UInt8 or DType.Bool
                ? from == DType.Int64 ? MemoryMarshal.Read<long>(source.AsSpan(i * 8)) : new BigInteger(value)
                : double.IsFinite(value) ? new BigInteger(value) : null; // truncated
            Span<byte> target = bytes.AsSpan(i * to.Size());
            switch (to)
            {
                case DType.Float64: MemoryMarshal.Write(target, from == DType.Int64 ? (double)MemoryMarshal.Read<long>(source.AsSpan(i * 8)) : value); break;
                case DType.Float32: MemoryMarshal.Write(target, from == DType.Int64 ? (float)MemoryMarshal.Read<long>(source.AsSpan(i * 8)) : (float)value); break;
                case DType.BFloat16: MemoryMarshal.Write(target, NearestBFloat16(value)); break;
                case DType.Float16: MemoryMarshal.Write(target, (Half)value); break;
                case DType.Int64: MemoryMarshal.Write(target, (long)Saturate(whole, value, long.MinValue, long.MaxValue)); break;
                case DType.Int32: MemoryMarshal.Write(target, (int)Saturate(whole, value, int.MinValue, int.MaxValue)); break;
                case DType.UInt8: target[0] = (byte)Saturate(whole, value, 0, 255); break;
                default: target[0] = (byte)(value != 0 ? 1 : 0); break;
            }
        }
        return bytes;
    }

    private static BigInteger Saturate(BigInteger? whole, double value, BigInteger least, BigInteger most)
    {
        if (double.IsNaN(value)) return 0;
        if (whole is null) return value > 0 ? most : least;
        return BigInteger.Max(least, BigInteger.Min(most, whole.Value));
    }

    /// <summary>Of the two bfloat16 around a double the nearer, of equally near ones the even.</summary>
    private static BFloat16 NearestBFloat16(double value)
    {
        if (double.IsNaN(value)) return (BFloat16)float.NaN;
        if (double.IsInfinity(value)) return (BFloat16)(float)value;
        uint magnitude = BitConverter.SingleToUInt32Bits((float)Math.Abs(value)) >> 16;
        ushort best = 0;
        double bestDistance = double.PositiveInfinity;
        for (uint candidate = magnitude == 0 ? 0 : magnitude - 1; candidate <= Math.Min(magnitude + 1, 0x7F80); candidate++)
        {
            // 2^128 stands where infinity does.
            double represented = candidate == 0x7F80 ? Math.Pow(2, 128) : BFloat16.FromBits((ushort)candidate);
            double distance = Math.Abs(Math.Abs(value) - represented);
            if (distance > bestDistance || (distance == bestDistance && (candidate & 1) != 0)) continue;
            (best, bestDistance) = ((ushort)candidate, distance);
        }
        if (Math.Abs(value) >= Math.Pow(2, 128)) best = 0x7F80;
        return BFloat16.FromBits((ushort)(best | (double.IsNegative(value) ? 0x8000 : 0)));
    }
}
