using System.Buffers.Binary;
using System.Text;

namespace MM1.Native.Data;

/// <summary>What a piece of a SentencePiece model is (<c>sentencepiece_model.proto</c>).</summary>
internal enum SentencePieceType
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>One piece: its text with <c>▁</c> for a space, log-probability or minus the order of its merge, and type.</summary>
internal readonly record struct SentencePiece(string Text, float Score, SentencePieceType Type);

/// <summary>
/// The protocol buffer of a SentencePiece <c>.model</c> file, read strictly: BPE with byte fallback and without a normalisation of
/// its own is taken, anything that would change ids in another way is refused by its name.
/// </summary>
internal sealed class SentencePieceModel
{
    private const int LongestPiece = 512;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly string _path;

    private SentencePieceModel(string path) => _path = path;

    /// <summary>The pieces by id.</summary>
    public List<SentencePiece> Pieces { get; } = [];

    /// <summary>Whether a space is put before every text.</summary>
    public bool HasPrefix { get; private set; } = true;

    /// <summary>Whether spaces are <c>▁</c>.</summary>
    public bool EscapesSpaces { get; private set; } = true;

    private int _kind = 1;
    private bool _hasByteFallback;
    private bool _removesSpaces = true;

    /// <summary>Reads and checks a model.</summary>
    /// <exception cref="InvalidDataException">It is damaged or of another kind.</exception>
    public static SentencePieceModel Parse(string path, ReadOnlySpan<byte> content)
    {
        var model = new SentencePieceModel(path);
        var fields = new Fields(path, content);
        bool hasTrainer = false;
        while (fields.Next(out int field))
        {
            switch (field)
            {
                case 1: model.ReadPiece(fields.Bytes()); break;
                case 2: model.ReadTrainer(fields.Bytes()); hasTrainer = true; break;
                case 3: model.ReadNormalizer(fields.Bytes()); break;
                case 4: fields.Bytes(); break; // the model's own test samples
                case 5: model.ReadDenormalizer(fields.Bytes()); break;
                default: throw new InvalidDataException($"'{path}' is no SentencePiece model, or is damaged: it has an unknown field {field}");
            }
        }
        if (!hasTrainer || model.Pieces.Count == 0) throw new InvalidDataException($"'{path}' is no SentencePiece model, or is cut off: it has {model.Pieces.Count} pieces and {(hasTrainer ? "" : "no ")}trainer specification");
        model.Check();
        return model;
    }

    private void Check()
    {
        if (_kind != 2)
            throw new InvalidDataException($"'{_path}' is a SentencePiece model of type {(_kind is 1 ? "unigram" : _kind is 3 ? "word" : _kind is 4 ? "char" : $"{_kind}")}; only BPE models can be read");
        if (!_hasByteFallback)
            throw new InvalidDataException($"'{_path}' is a SentencePiece model without byte fallback: characters that it does not know would be lost. Train one with --byte_fallback=true");
        if (_removesSpaces) throw new InvalidDataException($"'{_path}' removes extra white space (normalizer_spec.remove_extra_whitespaces): texts would not decode to themselves. Train one with --remove_extra_whitespaces=false");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int id = 0; id < Pieces.Count; id++)
        {
            SentencePiece piece = Pieces[id];
            if (piece.Text.Length == 0) throw new InvalidDataException($"'{_path}': piece {id} is empty");
            if (piece.Text.Length > LongestPiece) throw new InvalidDataException($"'{_path}': piece {id} has {piece.Text.Length} characters; at most {LongestPiece} can be read");
            if (!seen.Add(piece.Text)) throw new InvalidDataException($"'{_path}': piece {id}, '{piece.Text}', is there twice");
            if (!float.IsFinite(piece.Score)) throw new InvalidDataException($"'{_path}': the score of piece {id}, '{piece.Text}', is {piece.Score}");
            if (piece.Type == SentencePieceType.Unused) throw new InvalidDataException($"'{_path}': piece {id}, '{piece.Text}', is of type UNUSED; models of a restricted vocabulary cannot be read");
            if (!Enum.IsDefined(piece.Type)) throw new InvalidDataException($"'{_path}': piece {id}, '{piece.Text}', is of unknown type {(int)piece.Type}");
        }
    }

    private void ReadPiece(ReadOnlySpan<byte> message)
    {
        var fields = new Fields(_path, message);
        string text = "";
        float score = 0;
        var type = SentencePieceType.Normal;
        while (fields.Next(out int field))
        {
            switch (field)
            {
                case 1: text = Text(fields.Bytes()); break;
                case 2: score = fields.Single(); break;
                case 3: type = (SentencePieceType)fields.Int32(); break;
                default: throw new InvalidDataException($"'{_path}': piece {Pieces.Count} has an unknown field {field}");
            }
        }
        Pieces.Add(new SentencePiece(text, score, type));
    }

    /// <summary>How the model was trained; of this, only three fields change how it is used.</summary>
    private void ReadTrainer(ReadOnlySpan<byte> message)
    {
        var fields = new Fields(_path, message);
        while (fields.Next(out int field))
        {
            switch (field)
            {
                case 3: _kind = fields.Int32(); break;
                case 24:
                    if (fields.Int32() != 0) throw new InvalidDataException($"'{_path}' writes spaces after words (trainer_spec.treat_whitespace_as_suffix); such models cannot be read");
                    break;
                case 35: _hasByteFallback = fields.Int32() != 0; break;
                default: fields.Skip(); break;
            }
        }
    }

    private void ReadNormalizer(ReadOnlySpan<byte> message)
    {
        var fields = new Fields(_path, message);
        string name = "";
        bool changes = false;
        while (fields.Next(out int field))
        {
            switch (field)
            {
                case 1: name = Text(fields.Bytes()); break;
                case 2: changes = fields.Bytes().Length > 0; break;
                case 3: HasPrefix = fields.Int32() != 0; break;
                case 4: _removesSpaces = fields.Int32() != 0; break;
                case 5: EscapesSpaces = fields.Int32() != 0; break;
                case 6: fields.Bytes(); break; // the rules' source; what is used is the compiled table of field 2
                default: throw new InvalidDataException($"'{_path}': the normalizer specification has an unknown field {field}");
            }
        }
        if (changes) throw new InvalidDataException($"'{_path}' normalises text by the rule '{name}': texts would not decode to themselves. Train one with --normalization_rule_name=identity");
    }

    private void ReadDenormalizer(ReadOnlySpan<byte> message)
    {
        var fields = new Fields(_path, message);
        while (fields.Next(out int field))
        {
            if (field != 2) fields.Skip();
            else if (fields.Bytes().Length > 0) throw new InvalidDataException($"'{_path}' has a denormalizer; such models cannot be read");
        }
    }

    private string Text(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException($"'{_path}': a text of the SentencePiece model is not UTF-8 (piece {Pieces.Count})");
        }
    }

    /// <summary>The fields of a protocol buffer message, each with its length checked.</summary>
    private ref struct Fields(string path, ReadOnlySpan<byte> message)
    {
        private ReadOnlySpan<byte> _left = message;
        private int _wire;

        public bool Next(out int field)
        {
            field = 0;
            if (_left.IsEmpty) return false;
            ulong key = Varint();
            _wire = (int)(key & 7);
            field = (int)Math.Min(key >> 3, int.MaxValue);
            return field != 0 ? true : throw Damaged();
        }

        public ReadOnlySpan<byte> Bytes()
        {
            if (_wire != 2) throw Damaged();
            ulong length = Varint();
            if (length > (ulong)_left.Length) throw Damaged();
            return Take((int)length);
        }

        public int Int32() => _wire == 0 ? unchecked((int)Varint()) : throw Damaged();

        public float Single() => _wire == 5 ? BinaryPrimitives.ReadSingleLittleEndian(Take(4)) : throw Damaged();

        public void Skip()
        {
            switch (_wire)
            {
                case 0: Varint(); break;
                case 1: Take(8); break;
                case 2: Bytes(); break;
                case 5: Take(4); break;
                default: throw Damaged();
            }
        }

        private ReadOnlySpan<byte> Take(int length)
        {
            if (length > _left.Length) throw Damaged();
            ReadOnlySpan<byte> taken = _left[..length];
            _left = _left[length..];
            return taken;
        }

        private ulong Varint()
        {
            ulong value = 0;
            for (int i = 0; i < 10; i++)
            {
                byte one = Take(1)[0];
                value |= (ulong)(one & 0x7F) << (7 * i);
                if (one < 0x80) return value;
            }
            throw Damaged();
        }

        private readonly InvalidDataException Damaged() => new($"'{path}' is no SentencePiece model, or is cut off or damaged");
    }
}
