using System.Text;
using System.Text.Json;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>The pass over large JSON files: it must find the records that a parser of the whole file finds.</summary>
public sealed class JsonElementsTests : IDisposable
{
    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private JsonElements Visit(byte[] file, JsonLayout layout, string[] members, Action<int, long, string> record)
    {
        string path = _folder.Write("a.json", file);
        return JsonElements.Visit(new FilePool().Add(path, "a.json"), layout, members, (member, start, element) => record(member, start, Encoding.UTF8.GetString(element)), TestContext.Current.CancellationToken);
    }

    private string Refused(string text, JsonLayout layout = JsonLayout.Members, params string[] members) =>
        Assert.Throws<InvalidDataException>(() => Visit(Encoding.UTF8.GetBytes(text), layout, members, static (_, _, _) => { })).Message;

    /// <summary>Records from one byte to several buffers long, so that every token is cut by a buffer's end somewhere.</summary>
    private static string Large(int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder("\uFEFF {\"info\": {\"images\": [1, [2], {\"a\": 3}]}, \"data_subtype\": \"tr\\u0061in\", \"images\"\n: [ ");
        for (int i = 0; i < 200; i++)
        {
            int length = i == 120 ? 3 << 20 : random.Next(40_000);
            string filler = string.Concat(Enumerable.Repeat(i % 3 == 0 ? "\\\"ab]" : "é{\\n,", length / 5));
            text.Append(i == 0 ? "" : random.Next(2) == 0 ? "," : " ,\r\n\t");
            text.Append(random.Next(12) switch { 0 => "12.5e3", 1 => "null", 2 => $"\"{filler}\"", 3 => $"[{{\"id\": {i}}}, [[\"{filler}\"]]]", _ => $"{{\"id\": {i}, \"t\": \"{filler}\", \"u\": [{i}, {{}}]}}" });
        }
        return text.Append("], \"skipped\": [[1, 2], {\"annotations\": [7]}], \"annotations\": [], \"end\": \"x\"} \n").ToString();
    }

    [Theory, InlineData(1), InlineData(2)]
    public void RecordsAreThoseOfAWholeParse(int seed)
    {
        byte[] file = Encoding.UTF8.GetBytes(Large(seed));
        var records = new List<string>();
        JsonElements elements = Visit(file, JsonLayout.Members, ["annotations", "images", "questions"], (member, start, record) =>
        {
            Assert.Equal(1, member);
            Assert.Equal(record, Encoding.UTF8.GetString(file, (int)start, Encoding.UTF8.GetByteCount(record)));
            records.Add(record);
        });
        using JsonDocument whole = JsonDocument.Parse(file.AsMemory(3));
        Assert.Equal(whole.RootElement.GetProperty("images").EnumerateArray().Select(static item => item.GetRawText()), records);
        Assert.Equal(["info", "data_subtype", "images", "skipped", "annotations", "end"], elements.Keys);
        Assert.Equal(["train", "x"], ["" + elements.Texts["data_subtype"], elements.Texts["end"]]);
        Assert.Equal((true, true, false), (elements.Has(0), elements.Has(1), elements.Has(2)));
    }

    [Fact]
    public void ArraysAndMapsAreGoneThroughAsWell()
    {
        var records = new List<string>();
        Visit("[{\"a\": [1]}, 2 ,\"x\"]"u8.ToArray(), JsonLayout.Array, [], (_, _, record) => records.Add(record));
        Assert.Equal(["{\"a\": [1]}", "2", "\"x\""], records);
        records.Clear();
        Visit("{\"07\" : {\"a\": {}}, \"x\\\"y\":3}"u8.ToArray(), JsonLayout.Map, [], (_, _, record) => records.Add(record));
        Assert.Equal(["\"07\" : {\"a\": {}}", "\"x\\\"y\":3"], records);
    }

    [Fact]
    public void AFileThatIsNotAsExpectedIsOneClearError()
    {
        Assert.Equal("a.json: the file holds a list; an object is expected", Refused("[]", JsonLayout.Members, "images"));
        Assert.Equal("a.json: the file holds an object; a list of records is expected", Refused("{}", JsonLayout.Array));
        Assert.Equal("a.json: the file holds a number; an object is expected", Refused("3", JsonLayout.Map));
        Assert.Equal("a.json: key 'images' is an object; a list of records is expected", Refused("{\"images\": {}}", JsonLayout.Members, "images"));
        Assert.Equal("a.json: key 'images' stands there twice", Refused("{\"images\": [], \"images\": []}", JsonLayout.Members, "images"));
        Assert.StartsWith("a.json: not valid JSON: line 3, byte 4: ", Refused("{\n\"images\": [\n1, 2x]}", JsonLayout.Members, "images"), StringComparison.Ordinal);
        Assert.StartsWith("a.json: not valid JSON: line 1, byte 23: ", Refused("{\"images\": [{\"id\": 1}, ", JsonLayout.Members, "images"), StringComparison.Ordinal);
        Assert.StartsWith("a.json: not valid JSON: line 1, byte 0: ", Refused("", JsonLayout.Members, "images"), StringComparison.Ordinal);
        Assert.StartsWith("a.json: not valid JSON: ", Refused("{\"images\": []} {}", JsonLayout.Members, "images"), StringComparison.Ordinal);
        Assert.StartsWith("a.json: the file is compressed (gzip)",
            Assert.Throws<InvalidDataException>(() => Visit([0x1F, 0x8B, 8, 0], JsonLayout.Array, [], static (_, _, _) => { })).Message, StringComparison.Ordinal);
        Assert.Contains("not valid Unicode", Refused("{\"\\ud800\": []}"), StringComparison.Ordinal);
    }

    [Fact]
    public void DeepNestingIsRefused() =>
        Assert.Contains("maximum configured depth", Refused("{\"images\": [" + new string('[', 100_000)), StringComparison.Ordinal);
}
