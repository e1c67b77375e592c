using System.Buffers;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>What stands in a JSON file whose records are looked for.</summary>
internal enum JsonLayout
{
    /// <summary>An array of records.</summary>
    Array,
    /// <summary>An object with arrays of records under some of its keys: <c>{"info": {}, "images": [...], "annotations": [...]}</c>.</summary>
    Members,
    /// <summary>An object whose every member is a record: <c>{"201307251": {...}, ...}</c>.</summary>
    Map,
}

/// <summary>Sees a record as it passes by.</summary>
/// <param name="member">The place of its array among the members asked for; 0 for the other layouts.</param>
/// <param name="start">Where it begins in the file, in bytes. In a map it begins with its key.</param>
/// <param name="element">Its bytes, valid during the call.</param>
internal delegate void JsonElementVisitor(int member, long start, ReadOnlySpan<byte> element);

/// <summary>
/// Goes once through a JSON file of any size and shows its records one after the other. The memory it takes is a buffer of 1 MiB, more only where one
/// record is longer.
/// </summary>
internal sealed class JsonElements
{
    private const int FirstBuffer = 1 << 20;

    /// <summary>A record, or a single value anywhere in the file, may have so many bytes.</summary>
    internal const int MaximumElement = 1 << 28;

    private readonly PooledFile _file;
    private readonly JsonLayout _layout;
    private readonly string[] _members;
    private readonly JsonElementVisitor _visitor;
    private readonly List<string> _keys = [];
    private readonly Dictionary<string, string> _texts = [];
    private readonly bool[] _found;
    private JsonValueKind _root;
    private string _key = "";
    private int _inside = -1;

    private JsonElements(PooledFile file, JsonLayout layout, string[] members, JsonElementVisitor visitor)
    {
        (_file, _layout, _members, _visitor) = (file, layout, members, visitor);
        _found = new bool[members.Length];
    }

    /// <summary>Keys of the file's object, in order; empty for an array.</summary>
    internal IReadOnlyList<string> Keys => _keys;

    /// <summary>Those of the object's members that are strings, e.g. <c>data_subtype</c>.</summary>
    internal IReadOnlyDictionary<string, string> Texts => _texts;

    /// <summary>Whether an array asked for is there.</summary>
    internal bool Has(int member) => _found[member];

    /// <summary>Goes through a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="layout">What is expected in it.</param>
    /// <param name="members">For <see cref="JsonLayout.Members"/>: the keys of the arrays; none of them has to be there.</param>
    /// <param name="visitor">Sees each record.</param>
    /// <param name="cancellationToken">Ends the pass.</param>
    /// <exception cref="InvalidDataException">The file is not JSON, or not of this layout.</exception>
    internal static JsonElements Visit(PooledFile file, JsonLayout layout, string[] members, JsonElementVisitor visitor, CancellationToken cancellationToken)
    {
        var elements = new JsonElements(file, layout, members, visitor);
        try
        {
            elements.Run(cancellationToken);
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{file.Name}: not valid JSON: line {(error.LineNumber ?? 0) + 1}, byte {error.BytePositionInLine ?? 0}: {JsonRecord.Reason(error)}", error);
        }
        if (elements._root == (layout == JsonLayout.Array ? JsonValueKind.Array : JsonValueKind.Object)) return elements;
        throw new InvalidDataException($"{file.Name}: the file holds {JsonRecord.Kind(elements._root)}; {(layout == JsonLayout.Array ? "a list of records" : "an object")} is expected");
    }

    private void Run(CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(FirstBuffer);
        try
        {
            long position = 0;
            int filled = 0;
            bool last = false;
            var state = new JsonReaderState();
            while (!last)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (filled == buffer.Length) buffer = Grow(buffer, position);
                int wanted = buffer.Length - filled;
                filled += _file.ReadSome(position + filled, buffer.AsSpan(filled));
                last = wanted > 0 && filled < buffer.Length;
                int begin = position == 0 ? LineIndex.CheckStart(buffer.AsSpan(0, filled), _file.Name) : 0;
                ReadOnlySpan<byte> bytes = buffer.AsSpan(begin, filled - begin);
                var reader = new Utf8JsonReader(bytes, last, state);
                Scan(ref reader, bytes, position + begin);
                state = reader.CurrentState;
                int used = begin + (int)reader.BytesConsumed;
                buffer.AsSpan(used, filled - used).CopyTo(buffer);
                position += used;
                filled -= used;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private byte[] Grow(byte[] buffer, long position)
    {
        if (buffer.Length >= MaximumElement)
            throw new InvalidDataException($"{_file.Name}: what begins at byte {position} is longer than {MaximumElement >> 20} MiB; records of an annotation file are smaller");
        byte[] larger = ArrayPool<byte>.Shared.Rent(2 * buffer.Length);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }

    /// <summary>Reads what is whole in the buffer. A record that is not whole yet is left for the next call, which has more of it.</summary>
    private void Scan(ref Utf8JsonReader reader, ReadOnlySpan<byte> bytes, long position)
    {
        while (true)
        {
            Utf8JsonReader before = reader;
            if (!reader.Read()) return;
            int start = (int)reader.TokenStartIndex;
            switch (reader.CurrentDepth)
            {
                case 0:
                    if (_root == JsonValueKind.Undefined) _root = RootKind(reader.TokenType);
                    continue;
                case 1 when _root == JsonValueKind.Array:
                    if (_layout != JsonLayout.Array) continue;
                    break;
                case 1 when reader.TokenType == JsonTokenType.PropertyName:
                    if (_layout == JsonLayout.Map)
                    {
                        if (!reader.Read())
                        {
                            reader = before;
                            return;
                        }
                        break;
                    }
                    _key = Text(ref reader);
                    _keys.Add(_key);
                    continue;
                case 1:
                    _inside = -1; // the end of an array as well as the begin of any value
                    if (reader.TokenType == JsonTokenType.String) _texts[_key] = Text(ref reader);
                    if (_layout == JsonLayout.Members && reader.TokenType is not (JsonTokenType.EndArray or JsonTokenType.EndObject)) Enter(reader.TokenType);
                    continue;
                case 2 when _inside >= 0:
                    break;
                default:
                    continue;
            }
            if (!reader.TrySkip())
            {
                reader = before;
                return;
            }
            _visitor(Math.Max(_inside, 0), position + start, bytes[start..(int)reader.BytesConsumed]);
        }
    }

    private void Enter(JsonTokenType token)
    {
        int member = Array.IndexOf(_members, _key);
        if (member < 0) return;
        if (token != JsonTokenType.StartArray)
            throw new InvalidDataException($"{_file.Name}: key '{_key}' is {JsonRecord.Kind(RootKind(token))}; a list of records is expected");
        if (_found[member]) throw new InvalidDataException($"{_file.Name}: key '{_key}' stands there twice");
        _found[member] = true;
        _inside = member;
    }

    private string Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw new InvalidDataException($"{_file.Name}: a text among the keys and values of the outermost object is not valid Unicode", error);
        }
    }

    private static JsonValueKind RootKind(JsonTokenType token) => token switch
    {
        JsonTokenType.StartArray => JsonValueKind.Array,
        JsonTokenType.StartObject => JsonValueKind.Object,
        JsonTokenType.String => JsonValueKind.String,
        JsonTokenType.Number => JsonValueKind.Number,
        JsonTokenType.True => JsonValueKind.True,
        JsonTokenType.False => JsonValueKind.False,
        _ => JsonValueKind.Null,
    };
}
