using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Models;

namespace MM1.Native.Inference.Tests;

/// <summary>Logits of one sequence by the model's forward pass for training: no cache, no batch, images normalized here.</summary>
internal static class WholeModel
{
    public static float[] Logits(SmallModel small, EncodedDocument prompt, int[] tokens)
    {
        int imageTokens = small.Model.ImageTokens(48, 48);
        int[] placement = new int[tokens.Length], positions = [.. Enumerable.Range(0, tokens.Length)];
        Array.Fill(placement, -1);
        for (int image = 0; image < prompt.Images.Length; image++)
        {
            for (int k = 0; k < imageTokens; k++) placement[prompt.ImageStarts[image] + k] = image * imageTokens + k;
        }
        var pixels = new List<float>();
        foreach (IImageSource image in prompt.Images)
        {
            byte[] bytes = image.Load().Pixels;
            for (int i = 0; i < bytes.Length; i++) pixels.Add((bytes[i] / 255f - SmallModel.Images.Mean[i % 3]) / SmallModel.Images.StandardDeviation[i % 3]);
        }
        using var inference = small.Device.BeginInference();
        Mm1Batch batch = Mm1Batch.From(tokens, positions, [], placement, [0, tokens.Length], tokens.Length, pixels.ToArray(), 48);
        return small.Model.Decoder.Logits(small.Model.Forward(batch)).ToArray();
    }
}
