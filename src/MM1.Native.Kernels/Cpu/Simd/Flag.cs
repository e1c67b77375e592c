namespace MM1.Native.Kernels.Cpu;

/// <summary>A choice made at compile time: one kernel source, and no test inside its loop.</summary>
internal interface IFlag
{
    static abstract bool IsOn { get; }
}

internal readonly struct On : IFlag
{
    public static bool IsOn => true;
}

internal readonly struct Off : IFlag
{
    public static bool IsOn => false;
}
