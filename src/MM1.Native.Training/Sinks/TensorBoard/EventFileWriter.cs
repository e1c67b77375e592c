using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace MM1.Native.Training;

/// <summary>
/// A TensorBoard event file: records of length, its masked CRC-32C, an <c>Event</c> message, its masked CRC-32C (TensorFlow's
/// core/lib/io/record_writer.cc; messages of core/util/event.proto and core/framework/summary.proto).
/// </summary>
public sealed class EventFileWriter : IDisposable
{
    private const int WallTime = 1, Step = 2, FileVersion = 3, Summary = 5, StartMark = 7;
    private const int ValueTag = 1, SimpleValue = 2, ImageValue = 4, TensorValue = 8, Metadata = 9;
    private readonly Stream _stream;
    private readonly TimeProvider _clock;

    /// <summary>Begins a file on a stream, which it disposes.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="clock">Gives the wall time of events; null for the system's.</param>
    public EventFileWriter(Stream stream, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        (_stream, _clock) = (stream, clock ?? TimeProvider.System);
        Write(new ProtobufWriter().Double(WallTime, Now()).Text(FileVersion, "brain.Event:2"));
    }

    /// <summary>Begins a file in a folder, with the name that TensorBoard looks for.</summary>
    public static EventFileWriter Create(string folder, TimeProvider? clock = null)
    {
        clock ??= TimeProvider.System;
        // A run that is continued within a second must not write over its own beginning.
        string path;
        int number = 0;
        do path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{clock.GetUtcNow().ToUnixTimeSeconds()}.{Environment.MachineName}.{Environment.ProcessId}.{number++}"));
        while (File.Exists(path));
        return new EventFileWriter(new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0), clock);
    }

    /// <summary>A number.</summary>
    public void Scalar(long step, string tag, double value) => Value(step, new ProtobufWriter().Text(ValueTag, tag).Float(SimpleValue, (float)value));

    /// <summary>A text, shown as Markdown.</summary>
    public void Text(long step, string tag, string text)
    {
        const int PluginData = 1, PluginName = 1, DType = 1, Shape = 2, Dimension = 2, Size = 1, StringValue = 8, StringType = 7, DataClass = 4, DataClassTensor = 2;
        ProtobufWriter metadata = new ProtobufWriter().Message(PluginData, new ProtobufWriter().Text(PluginName, "text")).Integer(DataClass, DataClassTensor);
        ProtobufWriter shape = new ProtobufWriter().Message(Dimension, new ProtobufWriter().Integer(Size, 1));
        ProtobufWriter tensor = new ProtobufWriter().Integer(DType, StringType).Message(Shape, shape).Text(StringValue, text);
        Value(step, new ProtobufWriter().Text(ValueTag, tag).Message(TensorValue, tensor).Message(Metadata, metadata));
    }

    /// <summary>An image.</summary>
    /// <param name="step">The step.</param>
    /// <param name="tag">Its name.</param>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="png">The PNG file's bytes, RGB.</param>
    public void Image(long step, string tag, int width, int height, ReadOnlySpan<byte> png)
    {
        const int Height = 1, Width = 2, ColourSpace = 3, Encoded = 4, Rgb = 3;
        ProtobufWriter image = new ProtobufWriter().Integer(Height, height).Integer(Width, width).Integer(ColourSpace, Rgb).Bytes(Encoded, png);
        Value(step, new ProtobufWriter().Text(ValueTag, tag).Message(ImageValue, image));
    }

    /// <summary>Says that the run begins anew at a step: TensorBoard drops what older files hold from there on.</summary>
    public void Restart(long step)
    {
        const int Status = 1, Start = 1;
        Write(new ProtobufWriter().Double(WallTime, Now()).Integer(Step, step).Message(StartMark, new ProtobufWriter().Integer(Status, Start)));
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    internal static uint MaskedCrc(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        int at = 0;
        for (; at + 8 <= data.Length; at += 8) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data[at..]));
        for (; at < data.Length; at++) crc = BitOperations.Crc32C(crc, data[at]);
        crc = ~crc;
        return BitOperations.RotateRight(crc, 15) + 0xA282EAD8;
    }

    private void Value(long step, ProtobufWriter value)
    {
        const int SummaryValue = 1;
        Write(new ProtobufWriter().Double(WallTime, Now()).Integer(Step, step).Message(Summary, new ProtobufWriter().Message(SummaryValue, value)));
    }

    private void Write(ProtobufWriter message)
    {
        ReadOnlySpan<byte> data = message.Written;
        var record = new byte[8 + 4 + data.Length + 4];
        BinaryPrimitives.WriteInt64LittleEndian(record, data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), MaskedCrc(record.AsSpan(0, 8)));
        data.CopyTo(record.AsSpan(12));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + data.Length), MaskedCrc(data));
        _stream.Write(record);
    }

    private double Now() => (_clock.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds;
}
