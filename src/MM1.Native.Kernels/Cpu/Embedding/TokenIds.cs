using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Ids of a vocabulary, stored as int32 or int64. They are checked before anything is written.</summary>
internal static unsafe class TokenIds
{
    public static void Check(in Operand ids, long tokens, long vocabulary, string verb)
    {
        if (tokens == 0) return;
        if (!ids.IsPresent) throw new KernelArgumentException(verb, $"Ids is missing; it holds [{tokens}] Int32 or Int64 values.");
        switch (ids.DType)
        {
            case DType.Int32: Check((int*)ids.Data, tokens, vocabulary, verb); break;
            case DType.Int64: Check((long*)ids.Data, tokens, vocabulary, verb); break;
            default: throw new KernelArgumentException(verb, $"Ids has dtype {ids.DType}; it must be Int32 or Int64.");
        }
    }

    private static void Check<TId>(TId* ids, long tokens, long vocabulary, string verb) where TId : unmanaged, IBinaryInteger<TId>
    {
        for (long token = 0; token < tokens; token++)
        {
            long id = long.CreateTruncating(ids[token]);
            if ((ulong)id >= (ulong)vocabulary) Outside(token, id, vocabulary, verb);
        }
    }

    [DoesNotReturn]
    private static void Outside(long token, long id, long vocabulary, string verb) => throw new KernelArgumentException(verb,
        $"Ids[{token}] is {id}, outside the table of {vocabulary} rows.");
}
