using System.Diagnostics;
using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class DiskTests
{
    /// <summary>No file may grow past a limit (as on a full disk, writes fail in the middle): one clear sentence, the checkpoint before is whole, nothing half written stays, and with room again the run goes on.</summary>
    [Fact]
    public void AFullDiskKeepsTheLastGoodCheckpoint()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "limits of file sizes are set with bash's ulimit");
        using var folder = new TemporaryFolder();
        string[] sets = ["schedule.steps=12"];
        Runs.Execute(Runs.Config(sets), folder["run"], maxSteps: 4);
        long largest = new FileInfo(folder["run/checkpoints/step-000004/optimizer.safetensors"]).Length;
        // Executable memory of .NET is a sparse file where W^X is on; SIGXFSZ would end the child before the write could fail.
        using (Process child = ChildProgram.Start(folder["run"], sets, environment: new Dictionary<string, string> { ["DOTNET_EnableWriteXorExecute"] = "0" },
            shell: $"trap '' XFSZ; ulimit -f {largest / 1024 - 1}"))
        {
            string error = child.StandardError.ReadToEnd();
            child.WaitForExit();
            Assert.Equal(3, child.ExitCode);
            Assert.Contains("The checkpoint of step 8 could not be written to", error);
            Assert.Contains("The last good checkpoint is", error);
            Assert.Contains("step-000004", error);
            Assert.Contains("--resume", error);
        }
        Assert.Equal(["step-000004"], Directory.GetFileSystemEntries(folder["run/checkpoints"]).Select(Path.GetFileName));
        CheckpointStore.Verify(folder["run/checkpoints/step-000004"]);
        RunResult rest = Runs.Execute(Runs.Config(sets), folder["run"], resume: true), whole = Runs.Execute(Runs.Config(sets), folder["whole"]);
        Assert.Equal(Runs.Bits(whole.Checkpoint!), Runs.Bits(rest.Checkpoint!));
    }

    [Fact]
    public void AnOutputFolderThatCannotBeWrittenIsNamed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["file"], "");
        TrainingException failure = Assert.Throws<TrainingException>(() => Runs.Execute(Runs.Config(), folder["file/run"]));
        Assert.Contains(folder["file/run"], failure.Message);
        Assert.Contains("--out", failure.Message);
    }

    /// <summary>A folder without write permission; root may write everywhere, so that root meets a folder that nobody can write to.</summary>
    [Fact]
    public void AReadOnlyOutputFolderIsNamed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "permissions are Unix's");
        using var folder = new TemporaryFolder();
        string path = Environment.UserName == "root" ? "/proc/1/run" : folder["locked/run"];
        if (!OperatingSystem.IsWindows() && Environment.UserName != "root")
            Directory.CreateDirectory(folder["locked"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        TrainingException failure = Assert.Throws<TrainingException>(() => Runs.Execute(Runs.Config(), path));
        Assert.Contains(path, failure.Message);
        Assert.Contains("--out", failure.Message);
    }

    [Fact]
    public void TwoRunsInOneFolderAreRefused()
    {
        using var folder = new TemporaryFolder();
        using var held = RunFolder.Open(folder["run"]);
        TrainingException failure = Assert.Throws<TrainingException>(() => Runs.Execute(Runs.Config(), folder["run"]));
        Assert.Contains("Another process trains in", failure.Message);
    }
}
