using System.Reflection;
using System.Text.RegularExpressions;

namespace MM1.Native.Kernels.Tests;

/// <summary>What the C# contract consists of, and what each part is called in <c>kernels.h</c>.</summary>
internal static partial class ContractNames
{
    /// <summary>Argument records and the records that lie in them or in device memory.</summary>
    public static Type[] Records { get; } =
        [typeof(Operand), typeof(StepState), typeof(OptimizerTensor), .. Verbs().Select(ArgumentsOf).OrderBy(record => record.Name, StringComparer.Ordinal)];

    /// <summary>Every enumeration that a record uses.</summary>
    public static Type[] Enumerations { get; } =
        [.. Records.SelectMany(FieldsOf).Select(field => field.FieldType).Where(type => type.IsEnum).Distinct()];

    /// <summary>The kernels, without their workspace functions.</summary>
    public static MethodInfo[] Verbs() => [.. typeof(IKernels).GetMethods().Where(method => method.ReturnType == typeof(void))];

    public static string[] WorkspaceVerbs() =>
        [.. typeof(IKernels).GetMethods().Where(method => method.ReturnType == typeof(long)).Select(method => method.Name.Replace("WorkspaceBytes", "", StringComparison.Ordinal))];

    public static Type ArgumentsOf(MethodInfo verb) => verb.GetParameters()[1].ParameterType.GetElementType()!;

    public static FieldInfo[] FieldsOf(Type record) =>
        [.. record.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(field => field.MetadataToken)];

    public static string C(Type type) => "mm1_" + Snake(type.Name);

    public static string C(Type enumeration, string member) => $"MM1_{Snake(enumeration.Name)}_{Snake(member)}".ToUpperInvariant();

    /// <summary>PascalCase to snake_case; the names of dtypes are one word each.</summary>
    public static string Snake(string pascal)
    {
        string words = pascal.Replace("DType", "Dtype", StringComparison.Ordinal).Replace("BFloat", "Bfloat", StringComparison.Ordinal)
            .Replace("UInt", "Uint", StringComparison.Ordinal);
        return WordBoundary().Replace(words, "_").ToLowerInvariant();
    }

    [GeneratedRegex("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")]
    private static partial Regex WordBoundary();
}
