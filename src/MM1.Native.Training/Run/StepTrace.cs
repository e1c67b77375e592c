using System.Diagnostics;
using System.Text.Json;
using MM1.Native.Kernels;

namespace MM1.Native.Training;

/// <summary>One step as a Chrome trace (chrome://tracing, Perfetto): every kernel launch, and the phases of the step above them.</summary>
internal sealed class StepTrace : IDisposable
{
    private readonly KernelProfile _profile;
    private readonly List<(string Name, long Start, long Ticks)> _phases = [];
    private readonly long _start = Stopwatch.GetTimestamp();

    public StepTrace(Device device) => _profile = device.StartProfile(recordsLaunches: true);

    /// <summary>A phase, until the result is disposed.</summary>
    public IDisposable Phase(string name) => new PhaseScope(this, name);

    /// <summary>Writes the file.</summary>
    public void Write(string path)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("displayTimeUnit", "ms");
            json.WriteStartArray("traceEvents");
            Name(json, 1, "phases");
            Name(json, 2, "kernels");
            foreach ((string name, long start, long ticks) in _phases) Event(json, 1, name, "phase", start, ticks);
            foreach (KernelLaunch launch in _profile.Launches) Event(json, 2, launch.Verb.ToString(), KernelProfile.Family(launch.Verb), launch.Start, launch.Ticks);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        FileSync.Replace(path, stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    public void Dispose() => _profile.Dispose();

    private static void Name(Utf8JsonWriter json, int thread, string name)
    {
        json.WriteStartObject();
        json.WriteString("name", "thread_name");
        json.WriteString("ph", "M");
        json.WriteNumber("pid", 1);
        json.WriteNumber("tid", thread);
        json.WriteStartObject("args");
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private void Event(Utf8JsonWriter json, int thread, string name, string category, long start, long ticks)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("cat", category);
        json.WriteString("ph", "X");
        json.WriteNumber("pid", 1);
        json.WriteNumber("tid", thread);
        json.WriteNumber("ts", Microseconds(start - _start));
        json.WriteNumber("dur", Microseconds(ticks));
        json.WriteEndObject();
    }

    private static double Microseconds(long ticks) => Math.Round(ticks * 1e6 / Stopwatch.Frequency, 3);

    private sealed class PhaseScope(StepTrace trace, string name) : IDisposable
    {
        private readonly long _start = Stopwatch.GetTimestamp();

        public void Dispose() => trace._phases.Add((name, _start, Stopwatch.GetTimestamp() - _start));
    }
}
