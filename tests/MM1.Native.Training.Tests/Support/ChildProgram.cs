using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using MM1.Native.Kernels;

namespace MM1.Native.Training.Tests;

/// <summary>
/// The test program as a program that trains: started with these variables it runs a configuration and ends, before the tests
/// begin. So that a test can kill it, or give it a narrower machine or a smaller disk.
/// </summary>
internal static class ChildProgram
{
    private const string OutVariable = "MM1_TRAINING_CHILD_OUT", SetsVariable = "MM1_TRAINING_CHILD_SETS", MaxStepsVariable = "MM1_TRAINING_CHILD_MAX_STEPS";

    /// <summary>Starts a child that continues the run of a folder.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="sets">As for <see cref="Runs.Config"/>.</param>
    /// <param name="maxSteps">As <c>--max-steps</c>.</param>
    /// <param name="environment">Further variables.</param>
    /// <param name="shell">A line of bash before the program starts, e.g. a limit.</param>
    public static Process Start(string folder, string[] sets, int? maxSteps = null, IReadOnlyDictionary<string, string>? environment = null, string? shell = null)
    {
        string program = Environment.ProcessPath!;
        string[] command = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, Assembly.GetEntryAssembly()!.Location] : [program];
        var start = new ProcessStartInfo { RedirectStandardOutput = true, RedirectStandardError = true };
        if (shell is null)
        {
            start.FileName = command[0];
            foreach (string argument in command.Skip(1)) start.ArgumentList.Add(argument);
        }
        else
        {
            start.FileName = "/bin/bash";
            foreach (string argument in (string[])["-c", shell + "; exec \"$@\"", "bash", .. command]) start.ArgumentList.Add(argument);
        }
        start.Environment[OutVariable] = folder;
        start.Environment[SetsVariable] = string.Join('\n', sets);
        if (maxSteps is { } steps) start.Environment[MaxStepsVariable] = steps.ToString(CultureInfo.InvariantCulture);
        // A child lives for a second: compiling its methods twice would be half of that.
        start.Environment["DOTNET_TieredPGO"] = "0";
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "This assembly is the program; there is no other place before the generated entry point.")]
    internal static void Run()
    {
        if (Environment.GetEnvironmentVariable(OutVariable) is not { } folder) return;
        int exitCode = 0;
        try
        {
            string[] sets = Environment.GetEnvironmentVariable(SetsVariable)!.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            int? maxSteps = Environment.GetEnvironmentVariable(MaxStepsVariable) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
            using var printer = new StepPrinter();
            using Device device = Runs.Open();
            TrainingRun.Execute(Runs.Config(sets), new RunOptions { OutDirectory = folder, Device = device, Resume = true, MaxSteps = maxSteps, Sinks = [printer] });
        }
        catch (TrainingException failure)
        {
            Console.Error.WriteLine(failure.Message);
            exitCode = 3;
        }
        Environment.Exit(exitCode);
    }

    /// <summary>Prints the loss of each step, of pre-training too, its bits as a hexadecimal number.</summary>
    private sealed class StepPrinter : ITrainSink
    {
        public void Handle(TrainEvent trainEvent)
        {
            if (trainEvent is PretrainingStepCompleted done) Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"pre-training {done.PretrainingStep} {BitConverter.DoubleToUInt64Bits(done.Loss):X16}"));
            if (trainEvent is StepCompleted step) Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{step.Step} {BitConverter.DoubleToUInt64Bits(step.Loss):X16}"));
        }

        public void Dispose() { }
    }
}
