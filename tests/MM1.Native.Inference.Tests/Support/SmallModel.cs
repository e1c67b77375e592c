using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Inference.Tests;

/// <summary>A model of a few thousand parameters for images of 48 pixels; its weights are large enough that images and words matter.</summary>
internal sealed class SmallModel : IDisposable
{
    public static Mm1Config Config { get; } = new()
    {
        Vision = VisionConfig.Clip(48, 16, 1, 16, 2),
        Connector = new ConnectorConfig { Kind = ConnectorKind.AveragePooling, Tokens = 4 },
        Decoder = new DecoderConfig { Layers = 2, Width = 32, Heads = 2, Hidden = 48, Vocabulary = 384, MaxPositions = 256 },
    };

    public static ImageSettings Images { get; } = new() { Size = 48 };

    public static WordTokenizer Tokenizer { get; } = WorldWords.CreateTokenizer();

    public SmallModel(int threads = 0, ulong seed = 3, Mm1Config? config = null)
    {
        Device = Device.Parse("cpu", new DeviceOptions { Threads = threads });
        Model = new Mm1Model(config ?? Config);
        Model.Build(Device, seed);
        Enliven(Model, seed);
        Generator = new Mm1Generator(Model, Tokenizer, Images);
    }

    public Device Device { get; }

    public Mm1Model Model { get; }

    public Mm1Generator Generator { get; }

    /// <summary>Weights several times larger than initial ones: an untrained model says much the same whatever it sees.</summary>
    public static void Enliven(Mm1Model model, ulong seed)
    {
        RandomStream random = RandomStream.For(seed, "enliven");
        foreach (Parameter parameter in model.Parameters())
        {
            float[] values = parameter.ToArray();
            for (int i = 0; i < values.Length; i++) values[i] = values[i] * 4 + (float)(random.Uniform() - 0.5) * 0.2f;
            parameter.Load(values);
        }
    }

    public void Dispose()
    {
        Model.Dispose();
        Device.Dispose();
    }
}
