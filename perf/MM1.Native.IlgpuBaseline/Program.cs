using System.Globalization;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using MM1.Native.IlgpuBaseline;
using Device = MM1.Native.Kernels.Device;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is not ([] or ["--check"]))
{
    Console.Error.WriteLine("""
        usage: MM1.Native.IlgpuBaseline [--check]
          GEMM (naive and tiled) and softmax written in C# with ILGPU, beside this engine's float32 kernels, on cuda:0
          --check   correctness on small sizes only; on ILGPU's CPU accelerator and the engine's cpu device where there is no GPU
        """);
    return 2;
}
bool check = args.Length > 0;
// Its CPU accelerator's groups have 16 threads as it comes; the kernels here need 256.
using Context context = Context.Create(static builder => builder.Cuda().CPU(new CPUDevice(16, 16, 1)).EnableAlgorithms());
Context.DeviceCollection<CudaDevice> gpus = context.GetCudaDevices();
CudaDevice? gpu = gpus.Count > 0 ? gpus[0] : null;
if (gpu is null && !check)
{
    Console.Error.WriteLine("no GPU found (ILGPU sees no CUDA device); a machine without one can run --check only, which times nothing");
    return 3;
}
Device engine;
try
{
    engine = Device.Parse(gpu is null ? "cpu" : "cuda:0");
}
catch (MM1.Native.Kernels.DeviceUnavailableException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 3;
}
using Accelerator accelerator = gpu is null ? context.CreateCPUAccelerator(0) : gpu.CreateAccelerator(context);
using (engine)
{
    Console.WriteLine($"# ILGPU {typeof(Context).Assembly.GetName().Version?.ToString(3)} on {(gpu is null ? "its CPU accelerator (no GPU found: correctness only)" : accelerator.Name)}, engine on {engine}");
    Console.WriteLine("what,shape,error_ilgpu,error_engine,right,ms_ilgpu,ms_engine,engine_faster");
    var comparison = new Comparison(new BaselineRunner(accelerator), new EngineRunner(engine), timed: gpu is not null && !check);
    return comparison.Run() ? 0 : 1;
}
