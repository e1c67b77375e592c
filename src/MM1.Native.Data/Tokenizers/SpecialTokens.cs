namespace MM1.Native.Data;

/// <summary>The three tokens that MM1 needs: which ids they have, and which of them stand after the file's vocabulary.</summary>
/// <param name="DocumentEnd">Id of the document end.</param>
/// <param name="Padding">Id of padding.</param>
/// <param name="Image">Id of the image placeholder.</param>
/// <param name="Names">Their names, in that order.</param>
/// <param name="Appended">Names of those that the file does not have; their ids follow the vocabulary in this order.</param>
internal sealed record SpecialTokens(int DocumentEnd, int Padding, int Image, string[] Names, IReadOnlyList<string> Appended)
{
    /// <summary>Whether an id is one of the three.</summary>
    public bool Contains(int id) => id == DocumentEnd || id == Padding || id == Image;

    /// <summary>Finds the tokens in a vocabulary, or gives them ids after it.</summary>
    /// <param name="path">Named in messages.</param>
    /// <param name="options">The names.</param>
    /// <param name="count">Ids of the vocabulary are in [0, count).</param>
    /// <param name="find">The id of a token of the file that can be a special one, by its name; -1 where there is none.</param>
    /// <param name="isTaken">Whether a name is that of another token of the file.</param>
    public static SpecialTokens Resolve(string path, TokenizerOptions options, int count, Func<string, int> find, Func<string, bool> isTaken)
    {
        var used = new List<int>();
        var names = new List<string>();
        var appended = new List<string>();
        Take(options.DocumentEnd, "document end");
        Take(options.Padding, "padding");
        Take(options.Image, "image placeholder");
        return new SpecialTokens(used[0], used[1], used[2], [.. names], appended);

        void Take(IReadOnlyList<string> candidates, string what)
        {
            foreach (string name in candidates)
            {
                int id = find(name);
                if (id < 0 || used.Contains(id)) continue;
                used.Add(id);
                names.Add(name);
                return;
            }
            string? free = candidates.FirstOrDefault(name => !names.Contains(name) && find(name) < 0 && !isTaken(name));
            if (free is null)
                throw new InvalidDataException($"'{path}': no token can be the {what}: each of the names {string.Join(", ", candidates)} is another token's; name one that is free");
            used.Add(count + appended.Count);
            names.Add(free);
            appended.Add(free);
        }
    }
}
