using MM1.Native.Benchmarks;

try
{
    return args switch
    {
        ["gemm", .. var rest] => GemmBenchmark.Run(rest),
        ["step", .. var rest] => StepBenchmark.Run(rest),
        ["model", .. var rest] => ModelBenchmark.Run(rest),
        ["images", .. var rest] => ImageBenchmark.Run(rest),
        ["tokenizers", .. var rest] => TokenizerBenchmark.Run(rest),
        ["tar", .. var rest] => TarBenchmark.Run(rest),
        _ => Usage(),
    };
}
catch (ArgumentException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}

static int Usage()
{
    Console.Error.WriteLine("""
        usage: MM1.Native.Benchmarks <mode> [options]
          step [--json] [--layers N] [--width N] [--heads N] [--ffn N] [--seq N] [--batch N] [--vocab N] [--threads N] [--steps N]
                                                                   a training step of a decoder and the share of the machine's peak
               [--model small|302m] [--device cuda:0|cuda-emulated] [--precision bfloat16|float32] [--peak-tflops N]
                                                                   the step on a native device, eager and captured, with MFU and peak memory
          model [--json] [--preset NAME] [--sequences N] [--length N] [--threads N] [--steps N]
                                                                   a training step of an MM1 preset on the synthetic world, by verb
          images [--json] [--rounds N] [--photo FILE] [--python FILE] [--results FILE]
                                                                   JPEG decode and resize to 336 beside Pillow, images/s on one core
          tokenizers [--json] [--rounds N] [--text FILE] [--tokenizer FILE] [--merges N] [--results FILE]
                                                                   tokens/s on one core beside Microsoft.ML.Tokenizers, and learning a vocabulary
          tar [--json] [--megabytes N] [--rounds N]                WebDataset shards from the page cache: index, members, documents
          gemm [--json] [--threads N] [--rounds N] [--only TEXT]   matrix products beside OpenBLAS and the machine's peak
        """);
    return 2;
}
