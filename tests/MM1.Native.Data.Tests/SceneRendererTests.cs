using System.Security.Cryptography;
using Xunit;

namespace MM1.Native.Data.Tests;

public sealed class SceneRendererTests
{
    private static Scene Single(ShapeKind kind, double radius = 0.18, double tilt = 0) =>
        new([new SceneObject(kind, ShapeColour.White, ShapeSize.Large, 0.5, 0.5, radius, tilt, 255, 255, 255)], 0, 0, 0);

    /// <summary>Painted area in pixels, from the coverage of every pixel.</summary>
    private static double Area(ImageData image) => image.Pixels.Where((_, i) => i % 3 == 0).Sum(value => value / 255.0);

    public static readonly TheoryData<ShapeKind> Kinds = [.. Enum.GetValues<ShapeKind>()];

    [Theory, MemberData(nameof(Kinds))]
    public void CoverageAddsUpToTheArea(ShapeKind kind)
    {
        const double Radius = 0.18 * 48;
        double exact = Radius * Radius * kind switch
        {
            ShapeKind.Circle => Math.PI * 0.98 * 0.98,
            ShapeKind.Ring => Math.PI * (1.04 * 1.04 - 0.5 * 0.5),
            ShapeKind.Square => 4 * 0.79 * 0.79,
            ShapeKind.Cross => 2 * (4 * 1.03 * 0.3) - 4 * 0.3 * 0.3,
            ShapeKind.Triangle => 0.94 * 1.68,
            _ => 10 * 0.5 * 1.1 * 1.1 * 0.47 * Math.Sin(Math.PI / 5),
        };
        foreach (double tilt in new[] { 0, 0.05, -0.03 })
            Assert.InRange(Area(SceneRenderer.Render(Single(kind, tilt: tilt), 48)), 0.98 * exact, 1.02 * exact);
    }

    [Theory, MemberData(nameof(Kinds))]
    public void EdgesAreSmoothAndTheInsideIsFull(ShapeKind kind)
    {
        byte[] values = [.. SceneRenderer.Render(Single(kind, tilt: 0.04), 48).Pixels.Where((_, i) => i % 3 == 0)];
        Assert.True(values.Count(value => value == 255) > 40);
        Assert.True(values.Count(value => value is > 20 and < 235) > 12);
        Assert.True(values.Count(value => value == 0) > 48 * 48 / 2);
    }

    [Theory, MemberData(nameof(Kinds))]
    public void NoShapeLeavesItsCircle(ShapeKind kind)
    {
        for (int step = 0; step < 720; step++)
        {
            double angle = step * Math.PI / 360;
            Assert.True(SceneRenderer.Distance(kind, (float)Math.Cos(angle) * 11.2f, (float)Math.Sin(angle) * 11.2f, 10) >= -1e-4f, $"{kind} at {step / 2.0} degrees");
        }
    }

    [Fact]
    public void KindsDifferMuchEvenWhenSmall()
    {
        ImageData[] images = [.. Enum.GetValues<ShapeKind>().Select(kind => SceneRenderer.Render(Single(kind, 0.105), 48))];
        for (int i = 0; i < images.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                double different = images[i].Pixels.Zip(images[j].Pixels, (first, second) => Math.Abs(first - second) / 255.0).Sum() / 3;
                Assert.True(different > 10, $"{(ShapeKind)i} and {(ShapeKind)j} differ by {different:F1} pixels");
            }
        }
    }

    [Fact]
    public void TheBytesNeverChange()
    {
        var world = new SyntheticWorld(new SyntheticWorldOptions { MaximumShapes = 6 });
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int i = 0; i < 200; i++)
        {
            Scene scene = world.Caption(WorldSplit.UnseenSeed, i).Scene;
            hash.AppendData(SceneRenderer.Render(scene, i % 2 == 0 ? 48 : 80).Pixels);
        }
        Assert.Equal("829B00759986275D9999DAC6CFE5307BEADAD09555689794", Convert.ToHexString(hash.GetHashAndReset())[..48]);
    }

    [Fact]
    public void PngsRoundTrip()
    {
        ImageData image = new SyntheticWorld().Caption(WorldSplit.UnseenSeed, 3).Image.Load();
        byte[] file = ImageCodec.EncodePng(image);
        ImageData back = new EncodedImage(file).Load();
        Assert.Equal((image.Width, image.Height), (back.Width, back.Height));
        Assert.Equal(image.Pixels, back.Pixels);
        Assert.Throws<BadImageException>(() => ImageCodec.Decode(file.AsSpan(0, file.Length / 2)));
        Assert.Throws<BadImageException>(() => ImageCodec.Decode("no image"u8));
        Assert.Throws<ArgumentException>(() => new ImageData(2, 2, new byte[11]));
    }
}
