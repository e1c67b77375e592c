using MM1.Native.Benchmarks;

return args switch
{
    ["gemm", .. var rest] => GemmBenchmark.Run(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        usage: MM1.Native.Benchmarks <mode> [options]
          gemm [--json] [--threads N] [--rounds N] [--only TEXT]   matrix products beside OpenBLAS and the machine's peak
        """);
    return 2;
}
