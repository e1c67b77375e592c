using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using MM1.Native.Kernels.Cuda;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>The function table and the records of <c>runtime.h</c> are the same in C and C#.</summary>
public sealed class NativeLayoutTests
{
    private const int FirstEntry = 16;

    public static TheoryData<string> Languages => ["c", "c++"];

    [Theory, MemberData(nameof(Languages))]
    public void TheTableHasTheHeadersEntriesInItsOrder(string language)
    {
        Dictionary<string, string> header = CHeaderTests.Describe(language);
        string[] entries = [.. typeof(NativeApi).GetFields(BindingFlags.Instance | BindingFlags.Public).OrderBy(field => field.MetadataToken).Skip(3).Select(field => ContractNames.Snake(field.Name))];
        Assert.Equal(CHeader.TableEntries().Length + 1, entries.Length);
        for (int i = 0; i < entries.Length; i++) Assert.Equal($"{entries[i]} {FirstEntry + i * nint.Size} {nint.Size}", $"{entries[i]} {header["field mm1_api." + entries[i]]}");
        Assert.Equal($"{Unsafe.SizeOf<NativeApi>()}", header["size mm1_api"]);
        Assert.True(NativeApi.Required <= Unsafe.SizeOf<NativeApi>());
    }

    [Theory, MemberData(nameof(Languages))]
    public void RuntimeRecordsHaveTheSameLayout(string language)
    {
        Dictionary<string, string> header = CHeaderTests.Describe(language);
        foreach (Type record in CHeader.RuntimeRecords)
        {
            string name = CHeader.RuntimeRecord(record);
            foreach (FieldInfo field in ContractNames.FieldsOf(record))
            {
                string place = $"{name}.{ContractNames.Snake(field.Name)}";
                Assert.Equal($"{place} {Marshal.OffsetOf(record, field.Name)}", $"{place} {header["field " + place].Split(' ')[0]}");
            }
            Assert.Equal($"{name} {Marshal.SizeOf(record)}", $"{name} {header["size " + name]}");
            // As many fields as the header's record has: counted in its text.
            Assert.Equal(CHeader.RuntimeFields(name), ContractNames.FieldsOf(record).Select(field => ContractNames.Snake(field.Name)));
        }
    }

    [Theory, MemberData(nameof(Languages))]
    public void StatusesHaveTheSameValues(string language)
    {
        Dictionary<string, string> header = CHeaderTests.Describe(language);
        NativeStatus[] values = Enum.GetValues<NativeStatus>();
        foreach (NativeStatus status in values)
        {
            string name = $"MM1_STATUS_{ContractNames.Snake(status.ToString()).ToUpperInvariant()}";
            Assert.Equal($"{name} {(int)status}", $"{name} {header["value " + name]}");
        }
        Assert.Equal(values.Length, System.Text.RegularExpressions.Regex.Count(CHeader.Text, @"(?m)^  MM1_STATUS_\w+ = \d"));
        Assert.Contains($"#define MM1_ABI_VERSION {KernelLibrary.AbiVersion}\n", CHeader.Text, StringComparison.Ordinal);
    }
}
