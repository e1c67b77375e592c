using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using MM1.Native.Models;
using Xunit;

namespace MM1.Native.Inference.Tests;

public sealed class StrictYamlTests
{
    private static ConfigurationException Fails(string yaml) => Assert.Throws<ConfigurationException>(() => Bind(yaml));

    private static SampleConfig Bind(string yaml) => StrictYaml.Bind(StrictYaml.Parse(yaml, "a.yaml"), SampleJson.Default.SampleConfig, "a.yaml");

    [Theory]
    [InlineData("null", "null")]
    [InlineData("~", "null")]
    [InlineData("", "null")]
    [InlineData("true", "true")]
    [InlineData("False", "false")]
    [InlineData("yes", "\"yes\"")]
    [InlineData("on", "\"on\"")]
    [InlineData("12", "12")]
    [InlineData("+12", "12")]
    [InlineData("-3", "-3")]
    [InlineData("0x1F", "31")]
    [InlineData("0o17", "15")]
    [InlineData("18446744073709551615", "18446744073709551615")]
    [InlineData("1e-8", "1E-08")]
    [InlineData(".5", "0.5")]
    [InlineData("1.", "1")]
    [InlineData("1_000", "\"1_000\"")]
    [InlineData("'12'", "\"12\"")]
    [InlineData("\"true\"", "\"true\"")]
    [InlineData("'~'", "\"~\"")]
    [InlineData("1.2.3", "\"1.2.3\"")]
    [InlineData("2026-11-23", "\"2026-11-23\"")]
    public void ScalarsFollowTheCoreSchema(string yaml, string json)
    {
        JsonNode? value = StrictYaml.Parse("k: " + yaml, "a.yaml")["k"];
        Assert.Equal(json, value?.ToJsonString() ?? "null");
    }

    [Fact]
    public void SectionsListsAndFlowAndBlockTexts()
    {
        JsonObject root = StrictYaml.Parse("a: {b: [1, two, null], \"c.d\": 'x'}\nl:\n  - 1\n  - k: v # comment\ntext: |\n  one\n  two\n", "a.yaml");
        Assert.Equal("""{"a":{"b":[1,"two",null],"c.d":"x"},"l":[1,{"k":"v"}],"text":"one\ntwo\n"}""", root.ToJsonString());
    }

    [Theory]
    [InlineData("a: 1\nb: 2\na: 3", "a.yaml:3: 'a' stands here a second time; it is in line 1 already")]
    [InlineData("s:\n  a: 1\n  a: 2", "a.yaml:3: 's.a' stands here a second time; it is in line 2 already")]
    [InlineData("a: &x 1\nb: *x", "a.yaml:1: 'a' has the anchor '&x'")]
    [InlineData("a: !!str 1", "a.yaml:1: 'a' has the tag")]
    [InlineData("a: 1\n---\nb: 2", "a.yaml:2: begins a second document")]
    [InlineData("a: .inf", "a.yaml:1: 'a' is .inf; numbers must be finite")]
    [InlineData("a: 1e999", "a.yaml:1: 'a' is 1e999, which is more than a number holds")]
    [InlineData("a: 99999999999999999999", "a.yaml:1: 'a' is 99999999999999999999, which is more than 64 bits hold")]
    [InlineData("", "a.yaml: the file is empty")]
    [InlineData("# only this", "a.yaml: the file is empty")]
    [InlineData("- 1\n- 2", "a.yaml: the file holds a list; it must hold keys with values")]
    [InlineData("just words", "a.yaml: the file holds the text \"just words\"")]
    [InlineData("a: 1\nb: [1, 2\nc: 3", "this is not valid YAML from here on: a bracket, brace or quote may not be closed")]
    [InlineData("a: 1\n  b: 2", "a.yaml:2: this is not valid YAML")]
    [InlineData("a: \"open", "this is not valid YAML")]
    [InlineData("a:\n\tb: 1", "this is not valid YAML")]
    [InlineData("[1, 2]: 3", "a.yaml:1: has a key that is not a word")]
    public void BadFilesAreRefusedWithTheirPlace(string yaml, string message)
    {
        var exception = Assert.Throws<ConfigurationException>(() => StrictYaml.Parse(yaml, "a.yaml"));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DeepNestingIsRefusedBeforeTheStackEnds()
    {
        var exception = Assert.Throws<ConfigurationException>(() => StrictYaml.Parse("a: " + new string('[', 3000) + new string(']', 3000), "a.yaml"));
        Assert.Contains("nested deeper than 64 levels", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesThatAreNotThereSaySo()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal($"{folder["none.yaml"]}: there is no such file", Assert.Throws<ConfigurationException>(() => StrictYaml.Read(folder["none.yaml"])).Message);
        Assert.Contains("cannot be read", Assert.Throws<ConfigurationException>(() => StrictYaml.Read(folder.Path)).Message, StringComparison.Ordinal);
        Assert.Equal("""{"a":1}""", StrictYaml.Read(folder.Write("json.json", """{ "a": 1 }""")).ToJsonString());
    }

    [Fact]
    public void MissingKeysKeepTheRecordsDefaults()
    {
        SampleConfig config = Bind("name: x\nschedule: {floor: 0.25}\nlist: [{required: 2}]\ntable: {a.*: {required: 3, other: 9}}");
        Assert.Equal(1000, config.Schedule.Steps); // of the outer record's default, not of the section's own (10)
        Assert.Equal(0.25, config.Schedule.Floor);
        Assert.Equal(7, config.Number);
        Assert.Equal("standard", config.Text);
        Assert.Equal("maybe", config.Optional);
        Assert.Equal([1f, 2.5f], config.Floats);
        Assert.Equal(SampleKind.SecondKind, config.Kind);
        Assert.Equal(5, config.List[0].Other);
        Assert.Equal(9, config.Table["a.*"].Other);
        Assert.Null(config.Nothing);
    }

    [Fact]
    public void GivenValuesWin()
    {
        SampleConfig config = Bind("name: 'y'\nnumber: 3\nkind: FIRSTKIND\noptional: null\nfloats: []\nnothing: {required: 1}\nseed: 18446744073709551615\nnullable: 4");
        Assert.Equal(("y", 3, SampleKind.FirstKind, null), (config.Name, config.Number, config.Kind, config.Optional));
        Assert.Empty(config.Floats);
        Assert.Equal(5, config.Nothing!.Other);
        Assert.Equal(ulong.MaxValue, config.Seed);
        Assert.Equal(4, config.Nullable);
    }

    [Theory]
    [InlineData("name: x\nschedule:\n  stepz: 3", "a.yaml:3: 'schedule.stepz' is not a known key; the nearest is 'steps'")]
    [InlineData("name: x\nSchedule: {}", "a.yaml:2: 'Schedule' is not a known key; the nearest is 'schedule'")]
    [InlineData("name: x\nderived: 3", "a.yaml:2: 'derived' is not a known key")]
    [InlineData("number: 3", "a.yaml: 'name' is missing; it must be a text")]
    [InlineData("name: x\nlist:\n- other: 3", "a.yaml:3: 'list[0].required' is missing; it must be a whole number")]
    [InlineData("name: x\nnumber: many", "a.yaml:2: 'number' is the text \"many\"; it must be a whole number")]
    [InlineData("name: x\nnumber: 1.5", "a.yaml:2: 'number' is the number 1.5; it must be a whole number")]
    [InlineData("name: x\nnumber: 3000000000", "a.yaml:2: 'number' is the number 3000000000; it must be a whole number")]
    [InlineData("name: x\nseed: -1", "a.yaml:2: 'seed' is the number -1; it must be a whole number, 0 or more")]
    [InlineData("name: x\nnumber: null", "a.yaml:2: 'number' is null; it must be a whole number")]
    [InlineData("name: x\ntext: null", "a.yaml:2: 'text' is null; it must be a text")]
    [InlineData("name: 12", "a.yaml:1: 'name' is the number 12; it must be a text; put it in quotes")]
    [InlineData("name: x\nflag: yes", "a.yaml:2: 'flag' is the text \"yes\"; it must be true or false")]
    [InlineData("name: x\nflag: 1", "a.yaml:2: 'flag' is the number 1; it must be true or false")]
    [InlineData("name: x\nkind: secnodKind", "a.yaml:2: 'kind' is the text \"secnodKind\"; it must be one of firstKind, secondKind; the nearest is 'secondKind'")]
    [InlineData("name: x\nkind: 1", "a.yaml:2: 'kind' is the number 1; it must be one of firstKind, secondKind")]
    [InlineData("name: x\nschedule: 3", "a.yaml:2: 'schedule' is the number 3; it must be a section with keys of steps, floor")]
    [InlineData("name: x\nfloats: 3", "a.yaml:2: 'floats' is the number 3; it must be a list, each element a number")]
    [InlineData("name: x\nfloats:\n- 1\n- two", "a.yaml:4: 'floats[1]' is the text \"two\"; it must be a number")]
    [InlineData("name: x\ntable: [1]", "a.yaml:2: 'table' is a list; it must be a section of names")]
    [InlineData("name: x\ntable:\n  a.*:\n    required: x", "a.yaml:4: 'table.\"a.*\".required' is the text \"x\"")]
    [InlineData("name: x\nnullable: few", "a.yaml:2: 'nullable' is the text \"few\"; it must be a whole number, or null")]
    public void ErrorsNameLineKeyAndWhatIsWanted(string yaml, string message) => Assert.Contains(message, Fails(yaml).Message, StringComparison.Ordinal);

    [Fact]
    public void ASectionBoundAloneNamesItsKeyInTheFile()
    {
        JsonObject root = StrictYaml.Parse("data:\n  schedule:\n    stepz: 3", "a.yaml");
        var exception = Assert.Throws<ConfigurationException>(() => StrictYaml.Bind(root["data"]!["schedule"]!.AsObject(), SampleJson.Default.SampleSchedule, "a.yaml", "data.schedule"));
        Assert.StartsWith("a.yaml:3: 'data.schedule.stepz' is not a known key; the nearest is 'steps'", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("number", "5", """{"number":5,"list":[1,{"k":2}]}""")]
    [InlineData("a.b.c", "x", """{"list":[1,{"k":2}],"a":{"b":{"c":"x"}}}""")]
    [InlineData("list[0]", "null", """{"list":[null,{"k":2}]}""")]
    [InlineData("list[1].k", "'3'", """{"list":[1,{"k":"3"}]}""")]
    [InlineData("list.1.k", "3", """{"list":[1,{"k":3}]}""")]
    [InlineData("list[2]", "[4, \"5\"]", """{"list":[1,{"k":2},[4,"5"]]}""")]
    [InlineData("list", "{a: 1e-3}", """{"list":{"a":0.001}}""")]
    [InlineData("lrScale.\"encoder.*\"", "0.1", """{"list":[1,{"k":2}],"lrScale":{"encoder.*":0.1}}""")]
    [InlineData("lrScale.'encoder.*'", "true", """{"list":[1,{"k":2}],"lrScale":{"encoder.*":true}}""")]
    [InlineData("empty", "", """{"list":[1,{"k":2}],"empty":null}""")]
    public void SetWalksDottedKeys(string key, string value, string json)
    {
        JsonObject root = StrictYaml.Parse("list: [1, {k: 2}]", "a.yaml");
        StrictYaml.Set(root, key, value);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(json), root), root.ToJsonString());
    }

    [Theory]
    [InlineData("", "1", "a part of the key is empty")]
    [InlineData("a..b", "1", "a part of the key is empty")]
    [InlineData("a.", "1", "a part of the key is empty")]
    [InlineData("list[7]", "1", "'7' is no place in a list of 2")]
    [InlineData("list.x", "1", "'x' is no place in a list of 2")]
    [InlineData("word.b", "1", "--set word.b: 'word' is the text \"w\", not a section")]
    [InlineData("a.\"b", "1", "a quote is not closed")]
    [InlineData("a", "[1", "--set a: this is not valid YAML")]
    public void SetRefusesWhatCannotBe(string key, string value, string message)
    {
        JsonObject root = StrictYaml.Parse("{list: [1, 2], word: w}", "a.yaml");
        Assert.Contains(message, Assert.Throws<ConfigurationException>(() => StrictYaml.Set(root, key, value)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ASetKeyHasNoLineOfTheFile()
    {
        JsonObject root = StrictYaml.Parse("name: x\nnumber: 3", "a.yaml");
        StrictYaml.Set(root, "number", "many");
        var exception = Assert.Throws<ConfigurationException>(() => StrictYaml.Bind(root, SampleJson.Default.SampleConfig, "a.yaml"));
        Assert.StartsWith("a.yaml: 'number' is the text \"many\"", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MergeIsDeepAndReplacesEverythingElse()
    {
        JsonObject target = StrictYaml.Parse("a: {b: 1, c: [1, 2]}\nd: 4\ne: {f: 1}", "a.yaml"), overrides = StrictYaml.Parse("a: {c: [3], g: null}\ne: 5\nh: {i: 6}", "b.yaml");
        StrictYaml.Merge(target, overrides);
        Assert.Equal("""{"a":{"b":1,"c":[3],"g":null},"d":4,"e":5,"h":{"i":6}}""", target.ToJsonString());
        overrides["h"]!["i"] = 7;
        Assert.Equal(6, target["h"]!["i"]!.GetValue<long>());
    }

    [Fact]
    public void ErrorsOfMergedKeysNameTheLineTheyCameFrom()
    {
        JsonObject target = StrictYaml.Parse("name: x", "a.yaml");
        StrictYaml.Merge(target, StrictYaml.Parse("\n\nschedule:\n  stepz: 1", "a.yaml"));
        var exception = Assert.Throws<ConfigurationException>(() => StrictYaml.Bind(target, SampleJson.Default.SampleConfig, "a.yaml"));
        Assert.StartsWith("a.yaml:4: 'schedule.stepz'", exception.Message, StringComparison.Ordinal);
    }
}

public enum SampleKind
{
    FirstKind,
    SecondKind,
}

public sealed record SampleSchedule
{
    public int Steps { get; init; } = 10;
    public double Floor { get; init; } = 0.1;
}

public sealed record SampleEntry
{
    public required int Required { get; init; }
    public int Other { get; init; } = 5;
}

public sealed record SampleConfig
{
    public required string Name { get; init; }
    public int Number { get; init; } = 7;
    public ulong Seed { get; init; } = 1;
    public int? Nullable { get; init; }
    public string Text { get; init; } = "standard";
    public string? Optional { get; init; } = "maybe";
    public bool Flag { get; init; } = true;
    public SampleKind Kind { get; init; } = SampleKind.SecondKind;
    public IReadOnlyList<float> Floats { get; init; } = [1, 2.5f];
    public SampleSchedule Schedule { get; init; } = new() { Steps = 1000 };
    public IReadOnlyList<SampleEntry> List { get; init; } = [];
    public IReadOnlyDictionary<string, SampleEntry> Table { get; init; } = new Dictionary<string, SampleEntry>();
    public SampleEntry? Nothing { get; init; }
    public int Derived => Number * 2;
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, IgnoreReadOnlyProperties = true,
    RespectNullableAnnotations = true, Converters = [typeof(CamelCaseEnumConverter<SampleKind>)])]
[JsonSerializable(typeof(SampleConfig))]
internal sealed partial class SampleJson : JsonSerializerContext;
