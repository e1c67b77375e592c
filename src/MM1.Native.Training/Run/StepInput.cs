using System.Runtime.InteropServices;
using MM1.Native.Data;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>
/// What the model is given of a packed batch: its documents one after another, and the images that they name. The padding that brings batches to a fixed capacity is left
/// out unless shapes have to stay the same from step to step: on a CPU it would cost as much as real tokens do and change nothing.
/// </summary>
internal sealed class StepInput(PackingOptions packing, bool keepsPadding)
{
    private readonly int[] _tokenIds = new int[keepsPadding ? 0 : packing.Sequences * packing.Length];
    private readonly int[] _positions = new int[keepsPadding ? 0 : packing.Sequences * packing.Length];
    private readonly int[] _targets = new int[packing.Sequences * packing.Length];
    private readonly int[] _placement = new int[keepsPadding ? 0 : packing.Sequences * packing.Length];
    private readonly int[] _sources = new int[packing.Sequences * packing.Length];
    private readonly List<int> _cuSeqlens = [];

    /// <summary>[rows]: the source of each row of the last batch, an index into the mixture.</summary>
    public ReadOnlySpan<int> Sources => _sources.AsSpan(0, Rows);

    /// <summary>[rows]: the targets of the last batch.</summary>
    public ReadOnlySpan<int> Targets => _targets.AsSpan(0, Rows);

    /// <summary>Rows of the last batch.</summary>
    public int Rows { get; private set; }

    /// <summary>Targets and sources of a batch that is taken with its padding.</summary>
    public void Describe(PackedBatch batch)
    {
        Rows = batch.TokenIds.Length;
        batch.Targets.Span.CopyTo(_targets);
        for (int sequence = 0; sequence < batch.Sequences; sequence++) _sources.AsSpan(sequence * batch.Length, batch.Length).Fill(batch.SourceOfSequence[sequence]);
    }

    /// <summary>Copies a batch into the current arena.</summary>
    public Mm1Batch Take(PackedBatch batch)
    {
        ReadOnlySpan<float> images = batch.Images.Span;
        if (keepsPadding)
        {
            Describe(batch);
            return Mm1Batch.From(batch.TokenIds.Span, batch.Positions.Span, batch.Targets.Span, batch.Placement.Span, batch.CuSeqlens.Span, batch.Length, images, batch.ImageSize);
        }
        int at = 0, longest = 0;
        _cuSeqlens.Clear();
        foreach (PackedDocument document in batch.Documents)
        {
            (int start, int length) = (document.Start, document.Length);
            batch.TokenIds.Span.Slice(start, length).CopyTo(_tokenIds.AsSpan(at));
            batch.Positions.Span.Slice(start, length).CopyTo(_positions.AsSpan(at));
            batch.Targets.Span.Slice(start, length).CopyTo(_targets.AsSpan(at));
            batch.Placement.Span.Slice(start, length).CopyTo(_placement.AsSpan(at));
            _sources.AsSpan(at, length).Fill(document.Source);
            _cuSeqlens.Add(at);
            at += length;
            longest = Math.Max(longest, length);
        }
        _cuSeqlens.Add(at);
        Rows = at;
        images = images[..(batch.ImageCount * 3 * batch.ImageSize * batch.ImageSize)];
        return Mm1Batch.From(_tokenIds.AsSpan(0, at), _positions.AsSpan(0, at), _targets.AsSpan(0, at), _placement.AsSpan(0, at), CollectionsMarshal.AsSpan(_cuSeqlens), longest, images, batch.ImageSize);
    }
}
