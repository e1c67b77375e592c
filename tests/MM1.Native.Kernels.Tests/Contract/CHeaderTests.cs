using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary><c>kernels.h</c> and the C# contract are the same: names, layout, values, defaults.</summary>
public sealed partial class CHeaderTests
{
    public static TheoryData<string> Languages => ["c", "c++"];

    [Theory, MemberData(nameof(Languages))]
    public void RecordsHaveTheSameLayout(string language)
    {
        Dictionary<string, string> header = Describe(language);
        foreach (Type record in ContractNames.Records)
        {
            int next = 0;
            foreach (var field in ContractNames.FieldsOf(record))
            {
                int offset = (int)Marshal.OffsetOf(record, field.Name), size = SizeOf(field.FieldType);
                string name = $"{ContractNames.C(record)}.{ContractNames.Snake(field.Name)}";
                Assert.True(offset == next, $"{name}: padding before it; fill it with a reserved field.");
                Assert.True(header["field " + name] == $"{offset} {size}", $"{name}: offset and size are {header["field " + name]} in C, {offset} {size} in C#.");
                next = offset + size;
            }
            Assert.Equal(next, SizeOf(record));
            Assert.Equal($"{ContractNames.C(record)} {next}", $"{ContractNames.C(record)} {header["size " + ContractNames.C(record)]}");
        }
    }

    [Theory, MemberData(nameof(Languages))]
    public void DefaultsAreTheSameBytes(string language)
    {
        Dictionary<string, string> header = Describe(language);
        foreach (Type record in ContractNames.Records.Where(record => record.Name.EndsWith("Args", StringComparison.Ordinal)))
        {
            var bytes = new byte[SizeOf(record)];
            GCHandle pin = GCHandle.Alloc(bytes, GCHandleType.Pinned);
            Marshal.StructureToPtr(Activator.CreateInstance(record)!, pin.AddrOfPinnedObject(), false);
            pin.Free();
            Assert.Equal($"{record.Name} {Convert.ToHexString(bytes)}", $"{record.Name} {header["default " + ContractNames.C(record)]}");
        }
    }

    [Theory, MemberData(nameof(Languages))]
    public void EnumeratorsHaveTheSameValues(string language)
    {
        Dictionary<string, string> header = Describe(language);
        foreach (Type enumeration in ContractNames.Enumerations)
        {
            Assert.Equal(typeof(int), Enum.GetUnderlyingType(enumeration));
            foreach (object value in Enum.GetValues(enumeration))
            {
                string name = ContractNames.C(enumeration, value.ToString()!);
                Assert.Equal($"{name} {(int)value}", $"{name} {header["value " + name]}");
            }
        }
    }

    /// <summary>The compiler has checked that each entry has its function's type; here that the table holds nothing else.</summary>
    [Theory, MemberData(nameof(Languages))]
    public void TheTableHoldsEveryFunctionOnce(string language)
    {
        Dictionary<string, string> header = Describe(language);
        int pointers = CHeader.TableEntries().Length + 1;
        Assert.Equal(16 + pointers * nint.Size, int.Parse(header["size mm1_api"]));
        Assert.Equal(pointers, header.Keys.Count(key => key.StartsWith("field mm1_api.", StringComparison.Ordinal)));
    }

    [Fact]
    public void TheHeaderHasNoVerbThatTheInterfaceLacks() =>
        AssertSame(CHeader.VerbEntries().Select(verb => "mm1_" + verb).Concat(["mm1_get_last_error_message", "mm1_get_api"]),
            Function().Matches(CHeader.Text).Select(match => match.Groups[1].Value));

    [Fact]
    public void TheHeaderHasNoRecordThatTheContractLacks() =>
        AssertSame(ContractNames.Records.Select(ContractNames.C).Append("mm1_api"), Record().Matches(CHeader.Text).Select(match => match.Groups[1].Value));

    [Fact]
    public void TheHeaderHasNoEnumeratorThatTheContractLacks() =>
        AssertSame(ContractNames.Enumerations.SelectMany(type => Enum.GetNames(type).Select(member => ContractNames.C(type, member))),
            Enumerator().Matches(CHeader.Text).Select(match => match.Groups[1].Value).Where(name => !name.StartsWith("MM1_STATUS_", StringComparison.Ordinal)));

    /// <summary>"Default 0.95." in a field's comment is what the initializer sets, and nothing is set without such a comment.</summary>
    [Fact]
    public void DefaultsInCommentsAreThoseOfTheRecords()
    {
        foreach (Type record in ContractNames.Records.Where(record => record.Name.EndsWith("Args", StringComparison.Ordinal)))
        {
            string body = Regex.Match(CHeader.Text, $@"typedef struct {ContractNames.C(record)} \{{(.*?)\n\}}", RegexOptions.Singleline).Groups[1].Value;
            object defaults = Activator.CreateInstance(record)!;
            foreach (var field in ContractNames.FieldsOf(record))
            {
                object value = field.GetValue(defaults)!;
                if (field.Name == "StructSize" || field.FieldType.IsValueType && !field.FieldType.IsPrimitive) continue;
                Match stated = Regex.Match(body, $@" {ContractNames.Snake(field.Name)}; +/\*[^/]*?Default ([-0-9.e]+)\. \*/");
                double expected = Convert.ToDouble(value is nint address ? (long)address : value);
                if (stated.Success) Assert.Equal(expected, value is float ? float.Parse(stated.Groups[1].Value) : double.Parse(stated.Groups[1].Value));
                else Assert.True(expected == 0, $"{record.Name}.{field.Name} has the default {value}; kernels.h does not say so.");
            }
        }
    }

    private static readonly Dictionary<string, Lazy<Dictionary<string, string>?>> Descriptions =
        Languages.ToDictionary(language => (string)language, language => new Lazy<Dictionary<string, string>?>(() => CHeader.Describe(language)));

    internal static Dictionary<string, string> Describe(string language)
    {
        Dictionary<string, string>? description = Descriptions[language].Value;
        if (description is null) Assert.Skip($"no '{(language == "c" ? "cc" : "c++")}' compiler on this machine");
        return description;
    }

    private static int SizeOf(Type type) => type.IsEnum ? sizeof(int) : Marshal.SizeOf(type);

    private static void AssertSame(IEnumerable<string> contract, IEnumerable<string> header) =>
        Assert.Equal(contract.Order(StringComparer.Ordinal), header.Order(StringComparer.Ordinal));

    [GeneratedRegex(@"^MM1_API [\w* ]*?(mm1_\w+)\(", RegexOptions.Multiline)]
    private static partial Regex Function();

    [GeneratedRegex(@"^typedef struct (mm1_\w+) \{", RegexOptions.Multiline)]
    private static partial Regex Record();

    [GeneratedRegex(@"^  (MM1_\w+) = -?\d+", RegexOptions.Multiline)]
    private static partial Regex Enumerator();
}
