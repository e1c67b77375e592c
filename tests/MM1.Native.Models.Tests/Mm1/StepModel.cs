using MM1.Native.Autograd;
using MM1.Native.TestSupport;

namespace MM1.Native.Models.Tests;

/// <summary>A model with a C-Abstractor, and batches of fixed capacity whose documents and images change from step to step: for tests of whole training steps.</summary>
internal static class StepModel
{
    public const int Tokens = 28, Documents = 4, Images = 2, ImageSize = 8, Vocabulary = 30;

    public static Mm1Config Config(int layers) => new()
    {
        Vision = new VisionConfig { ImageSize = ImageSize, PatchSize = 4, Width = 16, Heads = 2, Layers = 1, Hidden = 24 },
        Connector = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 4, Hidden = 16, Depth = 1, ReadoutDepth = 1 },
        Decoder = new DecoderConfig { Layers = layers, Width = 16, Heads = 2, Hidden = 24, Vocabulary = Vocabulary, MaxPositions = 64 },
    };

    /// <summary>Tensors in the current arena for <see cref="Write"/>.</summary>
    public static Mm1Batch Inputs() => Mm1Batch.From(new int[Tokens], new int[Tokens], new int[Tokens], new int[Tokens], new int[Documents + 1], Tokens, new float[Images * ImageSize * ImageSize * 3], ImageSize);

    /// <summary>Step <paramref name="step"/>: 1 to 4 documents of other lengths each time, none or one or two of them with an image; returns the targets.</summary>
    public static int Write(Mm1Batch inputs, int step)
    {
        int[] ids = new int[Tokens], positions = new int[Tokens], targets = new int[Tokens], placement = new int[Tokens], cuSeqlens = new int[Documents + 1];
        Array.Fill(targets, Loss.IgnoreIndex);
        Array.Fill(placement, -1);
        int documents = 1 + step % Documents, images = step % (Images + 1), at = 0, count = 0;
        for (int document = 0; document < Documents; document++)
        {
            int length = document < documents ? Math.Min(Tokens / documents - (step + document) % 3, Tokens - at) : 0;
            for (int i = 0; i < length; i++)
            {
                positions[at + i] = i;
                ids[at + i] = (7 * i + document + 3 * step) % Vocabulary;
                bool image = document < images && i is >= 1 and < 5;
                if (image) placement[at + i] = document * 4 + i - 1;
                if (image || i + 1 == length) continue;
                targets[at + i] = (7 * (i + 1) + document + 3 * step) % Vocabulary;
                count++;
            }
            at += length;
            cuSeqlens[document + 1] = at;
        }
        float[] pixels = Samples.Normal(step, Images * ImageSize * ImageSize * 3);
        pixels.AsSpan(images * ImageSize * ImageSize * 3).Clear();
        inputs.TokenIds.Write<int>(ids);
        inputs.Positions.Write<int>(positions);
        inputs.Targets!.Value.Write<int>(targets);
        inputs.Placement!.Value.Write<int>(placement);
        inputs.Layout.CuSeqlensQuery!.Value.Write<int>(cuSeqlens);
        inputs.Images!.Value.Write<float>(pixels);
        return count;
    }
}
