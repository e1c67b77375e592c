using System.Runtime.InteropServices;

namespace MM1.Native.Data;

/// <summary>
/// The tokens of words seen lately. One table for all threads without a lock: an entry never changes, a newer word takes the place
/// of an older one of the same slot, and a thread that reads the older one finds it whole. At most 65,536 words of 48 UTF-16 units.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rare, and their tokens are found by merging every time.</summary>
    public const int LongestWord = 48;

    private const int SlotBits = 16;
    private readonly Entry?[] _entries = new Entry?[1 << SlotBits];

    /// <summary>Appends the tokens of a word if it is there.</summary>
    public bool TryAppend(ReadOnlySpan<char> word, List<int> tokens, out uint slot)
    {
        slot = Slot(word);
        Entry? entry = Volatile.Read(ref _entries[slot]);
        if (entry is null || !word.SequenceEqual(entry.Word)) return false;
        if (entry.Rest is null) tokens.Add(entry.First);
        else AppendAll(entry, tokens);
        return true;
    }

    /// <summary>Keeps the tokens of a word, at least one, in the slot that <see cref="TryAppend"/> told.</summary>
    public void Add(uint slot, ReadOnlySpan<char> word, ReadOnlySpan<int> tokens) =>
        Volatile.Write(ref _entries[slot], new Entry(word.ToString(), tokens[0], tokens.Length > 1 ? tokens[1..].ToArray() : null));

    private static void AppendAll(Entry entry, List<int> tokens)
    {
        tokens.Add(entry.First);
        tokens.AddRange(entry.Rest.AsSpan());
    }

    private static uint Slot(ReadOnlySpan<char> word)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(word);
        ulong hash = (uint)bytes.Length;
        while (bytes.Length >= 8)
        {
            hash = (hash ^ MemoryMarshal.Read<ulong>(bytes)) * 0x9E3779B97F4A7C15;
            hash ^= hash >> 32;
            bytes = bytes[8..];
        }
        ulong tail = 0;
        if (bytes.Length >= 4)
        {
            tail = MemoryMarshal.Read<uint>(bytes);
            bytes = bytes[4..];
        }
        if (bytes.Length >= 2) tail = (tail << 16) | MemoryMarshal.Read<ushort>(bytes);
        hash = (hash ^ tail) * 0x9E3779B97F4A7C15;
        return (uint)(hash >> (64 - SlotBits));
    }

    private sealed class Entry(string word, int first, int[]? rest)
    {
        public readonly string Word = word;
        public readonly int First = first;
        public readonly int[]? Rest = rest;
    }
}
