using MM1.Native.Cli;

return await Mm1CommandLine.RunAsync(args, Terminal.OfProcess()).ConfigureAwait(false);
