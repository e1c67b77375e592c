using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>
/// Documents and questions as JSON lines, images as files beside them (<c>images/000000000.png</c>, ...): an image that was a file is copied, others are written as PNG. A document is laid out as OBELICS does:
/// <c>images</c> and <c>texts</c> of equal length, exactly one of the two not null at each place; <c>targets</c> tells which texts count in the loss.
/// </summary>
public sealed class JsonLinesWriter : IDisposable
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly string _folder;
    private readonly string _imageFolder;
    private readonly FileStream _lines;
    private long _images;

    /// <summary>Writes a file of lines, and images into a folder beside it.</summary>
    /// <param name="folder">Where both go; made when it is not there.</param>
    /// <param name="name">The file's name, e.g. <c>interleaved.jsonl</c>.</param>
    /// <param name="imageFolder">The folder of the images, relative to <paramref name="folder"/>.</param>
    public JsonLinesWriter(string folder, string name, string imageFolder = "images")
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentException.ThrowIfNullOrEmpty(imageFolder);
        _folder = Directory.CreateDirectory(folder).FullName;
        _imageFolder = imageFolder;
        Directory.CreateDirectory(Path.Combine(_folder, imageFolder));
        _lines = File.Create(Path.Combine(_folder, name));
    }

    /// <summary>Lines written.</summary>
    public long Count { get; private set; }

    /// <summary>Writes a document and its images.</summary>
    public void Write(Document document)
    {
        ArgumentNullException.ThrowIfNull(document);
        string?[] files = [.. document.Segments.Select(segment => segment is ImageSegment image ? WriteImage(image.Image) : null)];
        WriteLine(json =>
        {
            json.WriteString("id", document.Id);
            json.WriteString("source", document.Source);
            json.WriteStartArray("images");
            foreach (string? file in files) json.WriteStringValue(file);
            json.WriteEndArray();
            json.WriteStartArray("texts");
            foreach (Segment segment in document.Segments) json.WriteStringValue((segment as TextSegment)?.Text);
            json.WriteEndArray();
            json.WriteStartArray("targets");
            foreach (Segment segment in document.Segments) json.WriteBooleanValue(segment is TextSegment { Role: LossRole.Target });
            json.WriteEndArray();
        });
    }

    /// <summary>Writes a question and its image.</summary>
    public void Write(QuestionItem item)
    {
        ArgumentNullException.ThrowIfNull(item);
        string file = WriteImage(item.Image);
        WriteLine(json =>
        {
            json.WriteString("id", item.Id);
            json.WriteString("split", item.Split.ToString());
            json.WriteString("kind", item.Question.Kind.ToString());
            json.WriteString("image", file);
            json.WriteString("question", item.Question.Text);
            json.WriteString("answer", item.Question.Answer);
            WriteObjects(json, item.Scene);
        });
    }

    /// <summary>Writes an image to be described.</summary>
    public void Write(CaptionItem item)
    {
        ArgumentNullException.ThrowIfNull(item);
        string file = WriteImage(item.Image);
        WriteLine(json =>
        {
            json.WriteString("id", item.Id);
            json.WriteString("split", item.Split.ToString());
            json.WriteString("image", file);
            json.WriteString("caption", item.Caption);
            WriteObjects(json, item.Scene);
        });
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _lines.Dispose();

    /// <summary>Writes the shapes of a scene as the property <c>objects</c>.</summary>
    internal static void WriteObjects(Utf8JsonWriter json, Scene scene)
    {
        json.WriteStartArray("objects");
        foreach (SceneObject shape in scene.Objects)
        {
            json.WriteStartObject();
            json.WriteString("colour", shape.Colour.Name());
            json.WriteString("kind", shape.Kind.Name());
            json.WriteString("size", shape.Size.Name());
            json.WriteNumber("x", Math.Round(shape.X, 4));
            json.WriteNumber("y", Math.Round(shape.Y, 4));
            json.WriteNumber("radius", Math.Round(shape.Radius, 4));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private string WriteImage(IImageSource image)
    {
        (ReadOnlyMemory<byte> bytes, string extension) = ImageBytes.Of(image);
        string file = string.Create(CultureInfo.InvariantCulture, $"{_imageFolder}/{_images++:D9}.{extension}");
        File.WriteAllBytes(Path.Combine(_folder, file), bytes.Span);
        return file;
    }

    private void WriteLine(Action<Utf8JsonWriter> content)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }
        _lines.Write(buffer.WrittenSpan);
        _lines.WriteByte((byte)'\n');
        Count++;
    }
}
