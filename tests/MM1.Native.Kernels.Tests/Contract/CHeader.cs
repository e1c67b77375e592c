using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using MM1.Native.Kernels.Cuda;

namespace MM1.Native.Kernels.Tests;

/// <summary><c>kernels.h</c> as a compiler sees it: a generated program includes it and prints what the tests compare.</summary>
internal static partial class CHeader
{
    public static string Folder { get; } = Path.Combine(Root(), "kernels", "include");

    public static string Text { get; } = File.ReadAllText(Path.Combine(Folder, "mm1", "kernels.h"));

    private static string RuntimeText { get; } = File.ReadAllText(Path.Combine(Folder, "mm1", "runtime.h"));

    /// <summary>The program's output as words of a line by "kind name"; null where there is no such compiler.</summary>
    public static Dictionary<string, string>? Describe(string language)
    {
        string folder = Directory.CreateTempSubdirectory("mm1-header-").FullName;
        try
        {
            string source = Path.Combine(folder, language == "c" ? "describe.c" : "describe.cpp"), program = Path.Combine(folder, "describe");
            File.WriteAllText(source, Program());
            string? compiled = language == "c"
                ? Run("cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I", Folder, source, "-o", program)
                : Run("c++", "-std=c++17", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I", Folder, source, "-o", program);
            if (compiled is null) return null;
            return Run(program)!.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Sizes, offsets, enumerators and defaults are printed; the types of fields and functions are checked by the compiler.</summary>
    private static string Program()
    {
        var text = new StringBuilder();
        text.Append("""
            #include <mm1/kernels.h>
            #include <stddef.h>
            #include <stdio.h>
            #include <string.h>
            #ifdef __cplusplus
            #include <type_traits>
            #define HAS_TYPE(record, field, type) static_assert(std::is_same<decltype(record::field), type>::value, #record "." #field);
            #define IS_POINTER(record, field) static_assert(std::is_pointer<decltype(record::field)>::value, #record "." #field);
            #define IN_TABLE(verb) static_assert(std::is_same<decltype(mm1_api::verb), decltype(&mm1_##verb)>::value, #verb);
            extern "C" {
            #else
            #define HAS_TYPE(record, field, type)
            #define IS_POINTER(record, field)
            #define IN_TABLE(verb)
            #endif
            #define SIZE(record) printf("size %s=%d\n", #record, (int)sizeof(record));
            #define FIELD(record, field) printf("field %s.%s=%d %d\n", #record, #field, (int)offsetof(record, field), (int)sizeof(((record*)0)->field));
            #define VALUE(enumerator) printf("value %s=%d\n", #enumerator, (int)enumerator);
            #define DECLARED(function) (void)sizeof(&function);

            """);
        // A second declaration that disagrees with the header's is an error.
        foreach (Type arguments in ContractNames.Verbs().Select(ContractNames.ArgumentsOf))
        {
            string record = ContractNames.C(arguments), verb = record[..^"_args".Length];
            text.AppendLine($"mm1_status {verb}(mm1_stream, const {record}*, void*, int64_t);");
        }
        foreach (string verb in ContractNames.WorkspaceVerbs().Select(ContractNames.Snake))
            text.AppendLine($"int64_t mm1_{verb}_workspace_bytes(const mm1_{verb}_args*);");
        text.AppendLine("#ifdef __cplusplus\n}\n#endif");
        foreach (Type record in ContractNames.Records)
        {
            foreach (var field in ContractNames.FieldsOf(record))
            {
                string place = $"{ContractNames.C(record)}, {ContractNames.Snake(field.Name)}";
                text.AppendLine(field.FieldType == typeof(nint) ? $"IS_POINTER({place})" : $"HAS_TYPE({place}, {FieldType(field.FieldType)})");
            }
        }
        foreach (string entry in TableEntries()) text.AppendLine($"IN_TABLE({entry})");
        text.AppendLine("int main(void) {");
        text.AppendLine("SIZE(mm1_api) FIELD(mm1_api, get_last_error_message)");
        foreach (string entry in TableEntries()) text.AppendLine($"FIELD(mm1_api, {entry}) DECLARED(mm1_{entry})");
        foreach (Type record in ContractNames.Records)
        {
            text.AppendLine($"SIZE({ContractNames.C(record)})");
            foreach (var field in ContractNames.FieldsOf(record)) text.AppendLine($"FIELD({ContractNames.C(record)}, {ContractNames.Snake(field.Name)})");
            if (!record.Name.EndsWith("Args", StringComparison.Ordinal)) continue;
            text.AppendLine($"{{ {ContractNames.C(record)} args = {ContractNames.C(record)}_default(); unsigned char bytes[sizeof args]; memcpy(bytes, &args, sizeof args);");
            text.AppendLine($"printf(\"default {ContractNames.C(record)}=\"); for (size_t i = 0; i < sizeof args; i++) printf(\"%02X\", bytes[i]); printf(\"\\n\"); }}");
        }
        foreach (Type record in RuntimeRecords)
        {
            text.AppendLine($"SIZE({RuntimeRecord(record)})");
            foreach (string field in RuntimeFields(RuntimeRecord(record))) text.AppendLine($"FIELD({RuntimeRecord(record)}, {field})");
        }
        foreach (NativeStatus status in Enum.GetValues<NativeStatus>()) text.AppendLine($"VALUE(MM1_STATUS_{ContractNames.Snake(status.ToString()).ToUpperInvariant()})");
        foreach (Type enumeration in ContractNames.Enumerations)
            foreach (string member in Enum.GetNames(enumeration)) text.AppendLine($"VALUE({ContractNames.C(enumeration, member)})");
        return text.AppendLine("return 0;\n}").ToString();
    }

    /// <summary>The functions of the table after the error text, in any order.</summary>
    public static string[] TableEntries() => [.. VerbEntries(), .. RuntimeEntries()];

    /// <summary>The functions of <c>runtime.h</c>, which the interface does not have: a device has them in C#.</summary>
    public static string[] RuntimeEntries() =>
        [.. RuntimeFunction().Matches(RuntimeText).Select(match => match.Groups[1].Value)];

    /// <summary>The records of <c>runtime.h</c> that cross the border.</summary>
    public static Type[] RuntimeRecords => [typeof(NativeDeviceProperties), typeof(NativeModuleLaunchArgs)];

    public static string RuntimeRecord(Type record) => ContractNames.C(record).Replace("mm1_native_", "mm1_", StringComparison.Ordinal);

    /// <summary>The fields of a record in the text of <c>runtime.h</c>.</summary>
    public static string[] RuntimeFields(string record) =>
        [.. RuntimeField().Matches(Regex.Match(RuntimeText, $@"typedef struct {record} \{{(.*?)\n\}}", RegexOptions.Singleline).Groups[1].Value).Select(match => match.Groups[1].Value)];

    /// <summary>The functions of the table that the interface has: verbs and their workspaces.</summary>
    public static string[] VerbEntries() =>
        [.. ContractNames.Verbs().Select(verb => ContractNames.Snake(verb.Name)), .. ContractNames.WorkspaceVerbs().Select(verb => ContractNames.Snake(verb) + "_workspace_bytes")];

    private static string FieldType(Type type) =>
        type == typeof(long) ? "int64_t" : type == typeof(ulong) ? "uint64_t" : type == typeof(int) ? "int32_t" : type == typeof(float) ? "float"
        : type == typeof(double) ? "double" : ContractNames.C(type);

    /// <summary>Standard output, or null if there is no such command. A failure throws with what it said.</summary>
    public static string? Run(string command, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{command} failed: {errors.Result}");
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "MM1.Native.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException("The tests run outside of the repository; kernels.h cannot be found.");
    }

    [GeneratedRegex(@"^MM1_API mm1_status mm1_(\w+)\(", RegexOptions.Multiline)]
    private static partial Regex RuntimeFunction();

    [GeneratedRegex(@"^  \w[\w ]*[ *]+(\w+)(?:\[\d+\])?;", RegexOptions.Multiline)]
    private static partial Regex RuntimeField();
}
