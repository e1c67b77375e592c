using System.CommandLine;
using MM1.Native.Kernels;

namespace MM1.Native.Cli;

/// <summary><c>mm1 doctor</c>: what this machine offers and what is missing.</summary>
internal static class DoctorCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<bool> json = SharedOptions.Json();
        var command = new Command("doctor", "Shows what this machine offers: processor, memory, devices and why one is not there, images, disk.") { json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<Finding> findings = MachineReport.Probe();
            bool ok = findings.All(static finding => finding.Ok);
            if (parsed.GetValue(json))
            {
                terminal.WriteLine(JsonText.Of(MachineReport.ToJson(findings)));
            }
            else
            {
                int width = findings.Max(static finding => finding.Name.Length) + 2;
                foreach (Finding finding in findings)
                {
                    terminal.WriteLine($"{(finding.Ok ? "  " : "! ")}{finding.Name.PadRight(width)}{finding.Value}");
                    if (finding.Hint is { } hint) terminal.WriteLine(new string(' ', width + 2) + hint);
                    foreach (string probed in finding.Probed) terminal.WriteLine($"{new string(' ', width + 4)}{probed}");
                }
                terminal.WriteLine($"\nNative kernels (cuda:N where there is a CUDA toolkit, cuda-emulated) are built in a checkout by:\n  {DeviceProbe.BuildLine}");
                terminal.WriteLine(ok ? "\nEverything that training on the CPU needs is here." : "\nSomething is missing: see the lines marked with '!'.");
            }
            return ok ? ExitCode.Success : ExitCode.Failed;
        });
        return command;
    }
}
