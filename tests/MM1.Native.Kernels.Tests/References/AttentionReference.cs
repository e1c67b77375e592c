using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>Shape and mask of an attention call; document d has queries [QueryOffsets[d], QueryOffsets[d + 1]), likewise keys.</summary>
public sealed record AttentionShape(AttentionMask Mask, float Scale, int Heads, int KeyValueHeads, int HeadSize,
    int[] QueryOffsets, int[] KeyOffsets, int[]? Prefixes, int QueryTokens, int KeyTokens)
{
    public int Documents => QueryOffsets.Length - 1;

    public bool Sees(int document, int query, int key)
    {
        int offset = KeyOffsets[document + 1] - KeyOffsets[document] - (QueryOffsets[document + 1] - QueryOffsets[document]);
        return Mask == AttentionMask.Full || key <= query + offset || (Mask == AttentionMask.Prefix && key < Prefixes![document]);
    }
}

/// <summary>
/// Attention by its definition, with all probabilities of a row at once. <c>narrow</c> rounds what a device of a narrower type rounds before it multiplies:
/// probabilities and the gradients of scores.
/// </summary>
public static class AttentionReference
{
    /// <summary>Output [QueryTokens, Heads, HeadSize] and log-sum-exp [Heads, QueryTokens].</summary>
    public static (T[] Output, T[] LogSumExp) Forward<T>(AttentionShape shape, T[] query, T[] key, T[] value, Func<T, T>? narrow = null) where T : IFloatingPointIeee754<T>
    {
        var output = new T[query.Length];
        var logSumExp = new T[shape.Heads * shape.QueryTokens];
        Array.Fill(logSumExp, T.NegativeInfinity);
        ForEachRow(shape, query, key, (document, head, row, keyRows, scores) =>
        {
            T maximum = T.NegativeInfinity;
            foreach (T score in scores) maximum = T.Max(maximum, score);
            T sum = T.Zero;
            for (int j = 0; j < scores.Length; j++) sum += scores[j] = T.Exp(scores[j] - maximum);
            if (scores.Length > 0) logSumExp[head * shape.QueryTokens + row] = maximum + T.Log(sum);
            for (int j = 0; j < scores.Length; j++)
            {
                T probability = narrow is null ? scores[j] / sum : narrow(scores[j] / sum);
                for (int d = 0; d < shape.HeadSize; d++)
                    output[QueryAt(shape, row, head) + d] += probability * value[KeyAt(shape, keyRows[j], head) + d];
            }
        });
        return (output, logSumExp);
    }

    /// <summary>Gradients with respect to query, key and value.</summary>
    public static (T[] Query, T[] Key, T[] Value) Backward<T>(AttentionShape shape, T[] query, T[] key, T[] value, T[] output, T[] logSumExp, T[] outputGradient, Func<T, T>? narrow = null)
        where T : IFloatingPointIeee754<T>
    {
        T scale = T.CreateChecked(shape.Scale);
        T[] queryGradient = new T[query.Length], keyGradient = new T[key.Length], valueGradient = new T[value.Length];
        ForEachRow(shape, query, key, (document, head, row, keyRows, scores) =>
        {
            int at = QueryAt(shape, row, head);
            T delta = T.Zero;
            for (int d = 0; d < shape.HeadSize; d++) delta += outputGradient[at + d] * output[at + d];
            for (int j = 0; j < scores.Length; j++)
            {
                int keyAt = KeyAt(shape, keyRows[j], head);
                T probability = T.Exp(scores[j] - logSumExp[head * shape.QueryTokens + row]), probabilityGradient = T.Zero;
                for (int d = 0; d < shape.HeadSize; d++) probabilityGradient += outputGradient[at + d] * value[keyAt + d];
                T scoreGradient = probability * (probabilityGradient - delta) * scale;
                if (narrow is not null) (probability, scoreGradient) = (narrow(probability), narrow(scoreGradient));
                for (int d = 0; d < shape.HeadSize; d++)
                {
                    valueGradient[keyAt + d] += probability * outputGradient[at + d];
                    keyGradient[keyAt + d] += scoreGradient * query[at + d];
                    queryGradient[at + d] += scoreGradient * key[keyAt + d];
                }
            }
        });
        return (queryGradient, keyGradient, valueGradient);
    }

    private static void ForEachRow<T>(AttentionShape shape, T[] query, T[] key, Action<int, int, int, int[], T[]> visit) where T : IFloatingPointIeee754<T>
    {
        T scale = T.CreateChecked(shape.Scale);
        for (int document = 0; document < shape.Documents; document++)
        {
            int firstKey = shape.KeyOffsets[document], keys = shape.KeyOffsets[document + 1] - firstKey;
            for (int head = 0; head < shape.Heads; head++)
            {
                for (int row = shape.QueryOffsets[document]; row < shape.QueryOffsets[document + 1]; row++)
                {
                    int[] keyRows = [.. Enumerable.Range(0, keys).Where(j => shape.Sees(document, row - shape.QueryOffsets[document], j)).Select(j => firstKey + j)];
                    var scores = new T[keyRows.Length];
                    for (int j = 0; j < scores.Length; j++)
                    {
                        T sum = T.Zero;
                        for (int d = 0; d < shape.HeadSize; d++) sum += query[QueryAt(shape, row, head) + d] * key[KeyAt(shape, keyRows[j], head) + d];
                        scores[j] = sum * scale;
                    }
                    visit(document, head, row, keyRows, scores);
                }
            }
        }
    }

    private static int QueryAt(AttentionShape shape, int row, int head) => (row * shape.Heads + head) * shape.HeadSize;

    private static int KeyAt(AttentionShape shape, int row, int head) =>
        (row * shape.KeyValueHeads + head / (shape.Heads / shape.KeyValueHeads)) * shape.HeadSize;
}
