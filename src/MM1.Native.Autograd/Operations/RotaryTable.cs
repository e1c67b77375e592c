using System.Runtime.InteropServices;
using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// Cosines and sines of rotary position embedding for positions 0 to MaxPosition - 1, computed once in float64:
/// angle = position * theta^(-2 i / rotarySize) (Su et al. 2021, arXiv 2104.09864, equation 15). Kept on the device until disposed.
/// </summary>
public sealed class RotaryTable : IDisposable
{
    private readonly DeviceMemory _memory;

    /// <summary>Builds the table.</summary>
    /// <param name="device">The device.</param>
    /// <param name="maxPosition">Positions run from 0 to this, exclusive.</param>
    /// <param name="rotarySize">Rotated elements of each head; even.</param>
    /// <param name="theta">Base of the angles: 10000 in the paper.</param>
    /// <param name="style">Pairing of elements.</param>
    public RotaryTable(Device device, long maxPosition, long rotarySize, double theta = 10000, RotaryStyle style = RotaryStyle.Half)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxPosition);
        if (rotarySize <= 0 || rotarySize % 2 != 0)
            throw new ArgumentOutOfRangeException(nameof(rotarySize), rotarySize, "The rotary size must be positive and even.");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(theta);
        (Device, MaxPosition, RotarySize, Theta, Style) = (device, maxPosition, rotarySize, theta, style);
        var table = new float[checked(maxPosition * rotarySize)];
        long half = rotarySize / 2;
        for (long i = 0; i < half; i++)
        {
            double frequency = Math.Pow(theta, -2.0 * i / rotarySize);
            for (long position = 0; position < maxPosition; position++)
            {
                (double sine, double cosine) = Math.SinCos(position * frequency);
                table[position * rotarySize + i] = (float)cosine;
                table[position * rotarySize + half + i] = (float)sine;
            }
        }
        _memory = device.Allocate(table.Length * sizeof(float));
        device.CopyFromHost(_memory.Address, MemoryMarshal.AsBytes<float>(table));
    }

    /// <summary>Where the table is.</summary>
    public Device Device { get; }

    /// <summary>Positions are below this.</summary>
    public long MaxPosition { get; }

    /// <summary>Rotated elements of each head.</summary>
    public long RotarySize { get; }

    /// <summary>Base of the angles.</summary>
    public double Theta { get; }

    /// <summary>Pairing of elements.</summary>
    public RotaryStyle Style { get; }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    /// <summary>Rotates heads; source and destination may be the same.</summary>
    internal void Rotate(TensorState positions, Operand source, Operand destination, long tokens, long heads, long headSize, bool inverse)
    {
        if (positions.Device != Device)
            throw new OperationException("RotaryEmbedding", $"the table is on device {Device}, the tensors on {positions.Device}; make one on each device.");
        if (RotarySize > headSize)
            throw new OperationException("RotaryEmbedding", $"the table rotates {RotarySize} elements, a head has {headSize}.");
        Device.Kernels.RotaryEmbedding(Device.Launch(), new RotaryEmbeddingArgs
        {
            Style = Style,
            Inverse = inverse ? 1 : 0,
            Tokens = tokens,
            Heads = heads,
            HeadSize = headSize,
            RotarySize = RotarySize,
            MaxPosition = MaxPosition,
            X = source,
            Output = destination,
            CosineSine = new Operand(_memory.Address, DType.Float32, RotarySize),
            Positions = positions.Address,
        });
    }
}
