namespace MM1.Native.Data;

/// <summary>Fills the arrays of a planned batch and loads its images. Free of state, so any worker may do any batch.</summary>
internal sealed class BatchAssembler(PackingOptions options, int paddingId, BatchPool pool)
{
    private readonly float[] _normalised = Normalisation(options);

    internal PackedBatch Assemble(PlannedBatch plan, CancellationToken cancellationToken)
    {
        PackedBatch batch = pool.Rent();
        var documents = new List<PackedDocument>();
        batch.TargetSpan.Fill(PackedBatch.IgnoreIndex);
        batch.PlacementSpan.Fill(-1);
        int images = 0, count = 0, tokens = 0, targets = 0, longest = 0;
        List<BadImage>? bad = null;
        for (int sequence = 0; sequence < plan.Sequences.Length; sequence++)
        {
            PlannedSequence planned = plan.Sequences[sequence];
            batch.SourceOfSequence[sequence] = planned.Source;
            int at = sequence * options.Length, end = at + options.Length;
            foreach (PlannedPiece piece in planned.Pieces)
            {
                batch.CuSeqlensSpan[count++] = at;
                longest = Math.Max(longest, piece.Length);
                (int first, int own) = piece.Document.ImagesIn(piece.Begin, piece.Begin + piece.Length);
                documents.Add(new PackedDocument(piece.Document.Id, planned.Source, at, piece.Length, piece.Begin, images, own));
                bool good = true;
                for (int i = first; i < first + own; i++)
                {
                    if (TryLoad(batch, piece.Document.Images[i], images, cancellationToken) is { } problem)
                    {
                        (bad ??= []).Add(new BadImage(piece.Document.Id, planned.Source, i, problem.Cause, problem.Message));
                        good = false;
                    }
                    int start = at + piece.Document.ImageStarts[i] - piece.Begin;
                    for (int row = 0; row < options.ImageTokens; row++) batch.PlacementSpan[start + row] = images * options.ImageTokens + row;
                    images++;
                }
                targets += WriteTokens(batch, piece, at, good);
                tokens += piece.Length;
                at += piece.Length;
            }
            if (at == end) continue;
            batch.CuSeqlensSpan[count++] = at;
            longest = Math.Max(longest, end - at);
            batch.TokenSpan[at..end].Fill(paddingId);
            for (int position = 0; at < end; at++, position++) batch.PositionSpan[at] = position;
        }
        batch.CuSeqlensSpan[count..].Fill(options.Sequences * options.Length);
        batch.PaddedImageCount = options.BucketFor(images);
        for (int image = images; image < batch.PaddedImageCount; image++) Clear(batch, image);
        (batch.Index, batch.CursorAfter, batch.Documents, batch.BadImageList) = (plan.Index, plan.CursorAfter, documents, bad ?? (IReadOnlyList<BadImage>)[]);
        (batch.DocumentCount, batch.ImageCount, batch.TokenCount, batch.TargetCount, batch.LongestDocument) = (count, images, tokens, targets, longest);
        return batch;
    }

    /// <summary>Writes ids, positions and targets of one document; returns how many targets count.</summary>
    private static int WriteTokens(PackedBatch batch, PlannedPiece piece, int at, bool hasTargets)
    {
        piece.Document.Tokens.AsSpan(piece.Begin, piece.Length).CopyTo(batch.TokenSpan[at..]);
        int targets = 0;
        for (int i = 0; i < piece.Length; i++)
        {
            batch.PositionSpan[at + i] = i;
            int next = piece.Begin + i + 1;
            if (i + 1 == piece.Length || !hasTargets || !piece.Document.IsTarget[next]) continue;
            batch.TargetSpan[at + i] = piece.Document.Tokens[next];
            targets++;
        }
        return targets;
    }

    /// <summary>Writes an image at its place; what is wrong with it, or null.</summary>
    private BadImageException? TryLoad(PackedBatch batch, IImageSource source, int at, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ImageData image;
        try
        {
            image = source.Load();
            if (options.Preparation is not null) image = options.Preparation.Prepare(image, options.ImageSize);
        }
        catch (BadImageException bad)
        {
            Clear(batch, at);
            return bad;
        }
        if (image.Width != options.ImageSize || image.Height != options.ImageSize)
            throw new InvalidOperationException($"an image has {image.Width} x {image.Height} pixels, batches have {options.ImageSize} x {options.ImageSize}: set PackingOptions.Preparation to bring images to size");
        if (options.ImageElement == ImageElement.UInt8)
        {
            image.Pixels.CopyTo(batch.ImageByteSpan(at));
            return null;
        }
        ReadOnlySpan<float> red = _normalised.AsSpan(0, 256), green = _normalised.AsSpan(256, 256), blue = _normalised.AsSpan(512, 256);
        Span<float> values = batch.ImageSpan(at);
        ReadOnlySpan<byte> pixels = image.Pixels.AsSpan(0, values.Length);
        for (int i = 0; i + 2 < pixels.Length; i += 3)
        {
            values[i] = red[pixels[i]];
            values[i + 1] = green[pixels[i + 1]];
            values[i + 2] = blue[pixels[i + 2]];
        }
        return null;
    }

    private void Clear(PackedBatch batch, int image)
    {
        if (options.ImageElement == ImageElement.UInt8) batch.ImageByteSpan(image).Clear();
        else batch.ImageSpan(image).Clear();
    }

    /// <summary>The float of every byte of every channel.</summary>
    internal static float[] Normalisation(PackingOptions options)
    {
        var table = new float[3 * 256];
        for (int channel = 0; channel < 3; channel++)
        {
            for (int value = 0; value < 256; value++)
                table[channel * 256 + value] = (value / 255f - options.Mean[channel]) / options.StandardDeviation[channel];
        }
        return table;
    }
}
