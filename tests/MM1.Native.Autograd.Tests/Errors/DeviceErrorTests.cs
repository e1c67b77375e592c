using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>Every operation refuses inputs of another device than the current arena's, whichever input it is.</summary>
public sealed class DeviceErrorTests
{
    public static TheoryData<string> Cases() => [.. OperationCases.All.Keys];

    [Theory, MemberData(nameof(Cases))]
    public void InputsOfAnotherDeviceThrow(string name)
    {
        OperationCase test = OperationCases.All[name];
        using var context = new CaseContext("cpu/1");
        using Device other = TestDevices.Open("cpu/1");
        for (int foreign = 0; foreign < test.Inputs.Length; foreign++)
        {
            using Arena elsewhere = other.BeginSession();
            Tensor stranger = Tensor.Zeros(test.Inputs[foreign]);
            using (context.Device.BeginStep())
            {
                Tensor[] inputs = [.. test.Inputs.Select((shape, i) => i == foreign ? stranger : Tensor.Zeros(shape))];
                var error = Assert.Throws<OperationException>(() => test.Run(context, inputs));
                Assert.EndsWith($"a tensor {test.Inputs[foreign]} is on device cpu, the current arena on cpu; copy the tensor over first.", error.Message, StringComparison.Ordinal);
            }
        }
    }

    /// <summary>A thread that used a device before another thread disposed of it gets an error, not the freed memory.</summary>
    [Fact]
    public void ADeviceThatAnotherThreadDisposedIsRefused()
    {
        Device device = TestDevices.Open("cpu/1");
        Exception? error = null;
        using var used = new ManualResetEventSlim();
        using var gone = new ManualResetEventSlim();
        var thread = new Thread(() =>
        {
            using (device.BeginStep()) Tensor.Zeros([2]);
            used.Set();
            gone.Wait();
            error = Record.Exception(() =>
            {
                using Arena arena = device.BeginStep();
                Tensor.Zeros([2]);
            });
        });
        thread.Start();
        used.Wait(TestContext.Current.CancellationToken);
        device.Dispose();
        gone.Set();
        thread.Join();
        Assert.IsType<ObjectDisposedException>(error);
    }

    [Fact]
    public void AMicroBatchIsOfItsStepsDevice()
    {
        using Device device = TestDevices.Open("cpu/1"), other = TestDevices.Open("cpu/1");
        using (device.BeginStep()) Assert.Contains("A micro-batch must be opened inside a step", Assert.Throws<InvalidOperationException>(() => other.BeginMicroBatch()).Message, StringComparison.Ordinal);
    }
}
