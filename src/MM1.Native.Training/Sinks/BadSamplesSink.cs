using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>
/// <c>bad-samples.jsonl</c>: a line for each sample that could not be used, with the step that would have used it, source, file and key, cause and message. The file is there once
/// something is bad. When a run is continued the lines after its checkpoint's step go, so no sample is told twice. After <see cref="MaximumLines"/> lines a last one says so; the
/// counts of the cursor go on.
/// </summary>
public sealed class BadSamplesSink : ITrainSink
{
    /// <summary>Most samples of the file.</summary>
    public const int MaximumLines = 100_000;

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly string _path;
    private readonly int _maximum;
    private readonly ArrayBufferWriter<byte> _line = new();
    private FileStream? _stream;
    private int _lines;

    /// <summary>Prepares the file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="resumeStep">The step that the run goes on from; null for a fresh run, which begins the file anew.</param>
    /// <param name="maximum">Most samples of the file.</param>
    public BadSamplesSink(string path, long? resumeStep, int maximum = MaximumLines)
    {
        (_path, _maximum) = (path, maximum);
        if (resumeStep is { } step && File.Exists(path))
        {
            JsonLinesSink.CutBack(path, step);
            _lines = File.ReadLines(path).Count();
        }
        else File.Delete(path);
    }

    /// <inheritdoc/>
    public void Handle(TrainEvent trainEvent)
    {
        if (trainEvent is CheckpointSaved) _stream?.Flush(flushToDisk: true);
        if (trainEvent is not StepCompleted { BadSamples.Count: > 0 } done) return;
        _stream ??= new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        foreach (BadSample bad in done.BadSamples)
        {
            if (_lines > _maximum) return;
            Write(done.Step, ++_lines <= _maximum ? bad : new BadSample(bad.Source, "", "limit", "limit", $"{_maximum} samples are told here; later ones are only counted"));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _stream?.Dispose();

    private void Write(long step, BadSample bad)
    {
        _line.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_line, Options))
        {
            json.WriteStartObject();
            json.WriteNumber("step", step);
            bad.WriteTo(json);
            json.WriteEndObject();
        }
        _line.Write("\n"u8);
        _stream!.Write(_line.WrittenSpan); // one write: a line is there whole, or is the last
    }
}
