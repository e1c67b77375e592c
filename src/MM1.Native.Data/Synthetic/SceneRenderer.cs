using System.Runtime.CompilerServices;

namespace MM1.Native.Data;

/// <summary>
/// Paints scenes: each shape is a signed distance d in pixels, a pixel is covered by clamp(1/2 - d, 0, 1) of it. Only additions,
/// multiplications, divisions and square roots, so the bytes are the same on every machine.
/// </summary>
public static class SceneRenderer
{
    private const float StarInner = 0.47f;

    /// <summary>Corners in units of the radius, y downward.</summary>
    private static readonly Polygon Triangle = new([0, -1.08f, 0.94f, 0.6f, -0.94f, 0.6f]);

    private static readonly Polygon Star = new(StarCorners());

    /// <summary>Paints a scene on <paramref name="size"/> x <paramref name="size"/> pixels.</summary>
    public static ImageData Render(Scene scene, int size)
    {
        ArgumentNullException.ThrowIfNull(scene);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 8);
        var pixels = new byte[3 * size * size];
        for (int at = 0; at < pixels.Length; at += 3)
        {
            pixels[at] = scene.BackgroundRed;
            pixels[at + 1] = scene.BackgroundGreen;
            pixels[at + 2] = scene.BackgroundBlue;
        }
        foreach (SceneObject shape in scene.Objects) Paint(pixels, size, shape);
        return new ImageData(size, size, pixels);
    }

    private static void Paint(byte[] pixels, int size, SceneObject shape)
    {
        float centreX = (float)(shape.X * size), centreY = (float)(shape.Y * size), radius = (float)(shape.Radius * size);
        float reach = radius * (float)SceneObject.Extent + 1;
        int left = Math.Max(0, (int)(centreX - reach)), right = Math.Min(size - 1, (int)(centreX + reach));
        int top = Math.Max(0, (int)(centreY - reach)), bottom = Math.Min(size - 1, (int)(centreY + reach));
        // Rotation by the rational parametrisation of the circle: no sine, no cosine, hence no library's last bit.
        float tilt = (float)shape.Tilt, scale = 1 / (1 + tilt * tilt);
        float cosine = (1 - tilt * tilt) * scale, sine = 2 * tilt * scale;
        for (int row = top; row <= bottom; row++)
        {
            float y = row + 0.5f - centreY;
            for (int column = left; column <= right; column++)
            {
                float x = column + 0.5f - centreX;
                float coverage = 0.5f - Distance(shape.Kind, cosine * x + sine * y, cosine * y - sine * x, radius);
                if (coverage <= 0) continue;
                int at = 3 * (row * size + column);
                coverage = Math.Min(coverage, 1);
                pixels[at] = Blend(pixels[at], shape.Red, coverage);
                pixels[at + 1] = Blend(pixels[at + 1], shape.Green, coverage);
                pixels[at + 2] = Blend(pixels[at + 2], shape.Blue, coverage);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte Blend(byte ground, byte paint, float coverage) => (byte)(ground + (paint - ground) * coverage + 0.5f);

    /// <summary>Signed distance in pixels to the edge of the shape, negative inside.</summary>
    internal static float Distance(ShapeKind kind, float x, float y, float radius) => kind switch
    {
        ShapeKind.Circle => MathF.Sqrt(x * x + y * y) - 0.98f * radius,
        ShapeKind.Ring => MathF.Abs(MathF.Sqrt(x * x + y * y) - 0.77f * radius) - 0.27f * radius,
        ShapeKind.Square => Box(x, y, 0.79f * radius, 0.79f * radius),
        ShapeKind.Cross => MathF.Min(Box(x, y, 1.03f * radius, 0.3f * radius), Box(x, y, 0.3f * radius, 1.03f * radius)),
        ShapeKind.Triangle => Triangle.Distance(x / radius, y / radius) * radius,
        ShapeKind.Star => Star.Distance(x / radius, y / radius) * radius,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "not a kind of shape"),
    };

    private static float Box(float x, float y, float halfWidth, float halfHeight)
    {
        float outX = MathF.Abs(x) - halfWidth, outY = MathF.Abs(y) - halfHeight;
        float overX = MathF.Max(outX, 0), overY = MathF.Max(outY, 0);
        return MathF.Sqrt(overX * overX + overY * overY) + MathF.Min(MathF.Max(outX, outY), 0);
    }

    /// <summary>Corners of a regular star, outer radius 1.1, as literals (sines and cosines of multiples of 36 degrees).</summary>
    private static float[] StarCorners()
    {
        ReadOnlySpan<float> sine = [0, 0.58778525f, 0.95105652f, 0.95105652f, 0.58778525f, 0, -0.58778525f, -0.95105652f, -0.95105652f, -0.58778525f];
        ReadOnlySpan<float> cosine = [1, 0.80901699f, 0.30901699f, -0.30901699f, -0.80901699f, -1, -0.80901699f, -0.30901699f, 0.30901699f, 0.80901699f];
        var corners = new float[20];
        for (int i = 0; i < 10; i++)
        {
            float length = i % 2 == 0 ? 1.1f : 1.1f * StarInner;
            corners[2 * i] = length * sine[i];
            corners[2 * i + 1] = -length * cosine[i];
        }
        return corners;
    }

    /// <summary>Distance to a polygon: the nearest edge, signed by the crossing number.</summary>
    private sealed class Polygon
    {
        private readonly (float X, float Y, float EdgeX, float EdgeY, float InverseSquare)[] _edges;

        internal Polygon(float[] corners)
        {
            int count = corners.Length / 2;
            _edges = new (float, float, float, float, float)[count];
            for (int i = 0; i < count; i++)
            {
                int next = (i + 1) % count;
                float edgeX = corners[2 * next] - corners[2 * i], edgeY = corners[2 * next + 1] - corners[2 * i + 1];
                _edges[i] = (corners[2 * i], corners[2 * i + 1], edgeX, edgeY, 1 / (edgeX * edgeX + edgeY * edgeY));
            }
        }

        internal float Distance(float x, float y)
        {
            float nearest = float.MaxValue;
            bool inside = false;
            foreach (ref readonly (float X, float Y, float EdgeX, float EdgeY, float InverseSquare) edge in _edges.AsSpan())
            {
                float fromX = x - edge.X, fromY = y - edge.Y;
                float along = Math.Clamp((fromX * edge.EdgeX + fromY * edge.EdgeY) * edge.InverseSquare, 0, 1);
                float offX = fromX - edge.EdgeX * along, offY = fromY - edge.EdgeY * along;
                nearest = MathF.Min(nearest, offX * offX + offY * offY);
                if (fromY >= 0 != fromY - edge.EdgeY >= 0 && edge.EdgeX * fromY / edge.EdgeY > fromX) inside = !inside;
            }
            return inside ? -MathF.Sqrt(nearest) : MathF.Sqrt(nearest);
        }
    }
}
