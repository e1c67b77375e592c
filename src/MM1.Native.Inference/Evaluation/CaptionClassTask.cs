using MM1.Native.Data;

namespace MM1.Native.Inference;

/// <summary>
/// Images whose captions are few and repeat, so that they are classes: the answer is the caption with the highest log-likelihood after the image (the sum over its tokens, not divided by their
/// number), and beside it what the model writes by itself. Items stand in a random order that the seed decides, so that the first few are of all classes, and examples come from data of their
/// own. Nothing of a document is used but its first image and the text from there to the next.
/// </summary>
internal sealed class CaptionClassTask(CaptionClassConfig config) : IEvaluationTask
{
    public static readonly string[] MetricNames = ["accuracy", "accuracy_greedy", "accuracy_by_class"];

    /// <summary>More different captions than these are no classes.</summary>
    private const int MostClasses = 1000;

    private Loaded? _data, _demonstrations;
    private IReadOnlyDictionary<string, string>? _names; // of all classes, those without an item too

    private sealed record Captioned(string Id, IImageSource Image, string Caption);

    /// <summary>Documents of a source that were read, so that evaluation during a run reads them once.</summary>
    private sealed record Loaded(IDocumentSource Source, Captioned[] Items);

    public string Name => config.Name;

    public string Kind => "captionClass";

    public TaskMaterial Material => TaskMaterial.Captions;

    public int DefaultShots => config.Shots;

    public int MaxNewTokens => config.MaxNewTokens;

    public bool WritesBesideChoosing => config.Greedy;

    public IReadOnlyList<string> Candidates(EvaluationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (config.Classes is { } given) return Choosable(given);
        string[] classes = [.. Data(options).Select(static item => item.Caption).Distinct().Order(StringComparer.Ordinal)];
        if (classes.Length is < 2 or > MostClasses)
            throw new ConfigurationException($"the data of task '{Name}' have {classes.Length} different captions; classes are from 2 to {MostClasses}: name them in 'classes' of a task file, or choose other data");
        return Choosable(classes);
    }

    /// <summary>A class that begins another one is at least as probable whatever the image: the other could never be chosen.</summary>
    private IReadOnlyList<string> Choosable(IReadOnlyList<string> classes)
    {
        foreach (string begin in classes)
        {
            foreach (string whole in classes)
            {
                // A part of a word ("car" of "carpet") is another token.
                bool isNested = whole.Length > begin.Length && whole.StartsWith(begin, StringComparison.Ordinal) && !char.IsLetterOrDigit(whole[begin.Length]);
                if (isNested)
                    throw new ConfigurationException($"the class '{begin}' of task '{Name}' begins the class '{whole}', which could never be chosen: the sum of log-likelihoods only falls with every token; use other captions");
            }
        }
        return classes;
    }

    public IReadOnlyList<EvaluationItem> Items(EvaluationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        int shots = options.Shots ?? config.Shots, limit = options.Limit ?? config.Limit ?? int.MaxValue;
        if (shots < 0) throw new ConfigurationException($"the number of examples is 0 or more, not {shots}");
        if (limit < 1) throw new ConfigurationException($"the limit of items is 1 or more, not {limit}");
        if (options.WrongFormat) throw new ConfigurationException($"the task '{Name}' is of kind '{Kind}'; only tasks of kind 'format' can show a wrong format");
        if (options.Split is { } split) throw new ConfigurationException($"the task '{Name}' has no split '{split}': its items are those of its data");
        ulong seed = options.Seed ?? config.Seed;
        Captioned[] all = Data(options), pool = shots > 0 ? Demonstrations(options, shots) : [];
        int[] order = [.. ItemDraws.Order(all.Length, seed, "items/" + Name).Take(limit)];
        HashSet<string> classes = [.. Candidates(options)];
        _names = ShortNames([.. classes.Order(StringComparer.Ordinal)]);
        int stranger = Array.FindIndex(order, i => !classes.Contains(all[i].Caption));
        if (stranger >= 0) throw new ConfigurationException($"'{all[order[stranger]].Id}' has the caption '{all[order[stranger]].Caption}', which is none of the {classes.Count} classes of task '{Name}'");
        Captioned[] items = [.. order.Select(i => all[i])];
        int[] imageOf = options.Blind ? ItemDraws.Exchange(Name, items, static _ => "", seed) : [.. Enumerable.Range(0, items.Length)];
        return [.. items.Select((item, i) =>
        {
            string truth = Postprocess(item.Caption); // as the outputs it is compared with
            Captioned[] examples = shots == 0 ? [] : [.. ItemDraws.Order(pool.Length, seed, "demonstrations/" + Name, order[i]).Take(shots).Select(k => pool[k])];
            return new EvaluationItem
            {
                Id = item.Id,
                Group = item.Caption,
                Prompt = config.Prompt.Apply(item.Id, items[imageOf[i]].Image, "", [.. examples.Select(static example => new Demonstration(example.Image, "", example.Caption))]),
                Truth = item.Caption,
                ImageNames = [.. examples.Select(static example => example.Id), items[imageOf[i]].Id],
                Score = output => Judge(output == truth),
            };
        })];
    }

    public string Postprocess(string output)
    {
        ArgumentNullException.ThrowIfNull(output);
        return config.Postprocess.Apply(output);
    }

    public IReadOnlyDictionary<string, double> Metrics(IReadOnlyList<ScoredItem> items)
    {
        var metrics = new Dictionary<string, double>();
        if (Wants("accuracy")) metrics["accuracy"] = items.Average(static item => item.Score.Values["accuracy"]);
        if (config.Greedy && Wants("accuracy_greedy")) metrics["accuracy_greedy"] = items.Average(static item => (item.Written ?? item.Score).Values["accuracy"]);
        if (!Wants("accuracy_by_class")) return metrics;
        IReadOnlyDictionary<string, string> names = _names ?? ShortNames([.. items.Select(static item => item.Item.Group).Distinct()]);
        foreach (IGrouping<string, ScoredItem> group in items.GroupBy(static item => item.Item.Group))
            metrics["accuracy_" + names[group.Key]] = group.Average(static item => item.Score.Values["accuracy"]);
        return metrics;
    }

    /// <summary>
    /// Names of classes for metrics: what the captions do not have in common, without an article, words joined by <c>_</c> ("a photo of an airplane", "a photo of a cat": airplane, cat).
    /// </summary>
    internal static IReadOnlyDictionary<string, string> ShortNames(IReadOnlyList<string> captions)
    {
        string[][] words = [.. captions.Select(static caption => caption.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        int common = 0;
        while (captions.Count > 1 && words.All(all => common + 1 < all.Length && all[common] == words[0][common])) common++;
        string[] names = [.. words.Select(all =>
        {
            string[] rest = all[common..];
            if (rest.Length > 1 && rest[0] is "a" or "an" or "the") rest = rest[1..];
            return string.Join('_', rest);
        })];
        bool differ = names.Distinct().Count() == names.Length && !names.Contains("greedy");
        return captions.Select((caption, i) => (caption, name: differ ? names[i] : string.Join('_', words[i]))).ToDictionary(static pair => pair.caption, static pair => pair.name);
    }

    private static ItemScore Judge(bool right) => new(right, new Dictionary<string, double> { ["accuracy"] = right ? 1 : 0 });

    private bool Wants(string metric) => config.Metrics is null || config.Metrics.Contains(metric);

    private Captioned[] Data(EvaluationOptions options)
    {
        IDocumentSource source = options.Data ?? throw new ConfigurationException($"the task '{Name}' needs data: images with captions (mm1 eval: --data FILE; a run's configuration: data of the task's entry)");
        if (_data?.Source != source) _data = Read(source);
        return _data.Items;
    }

    private Captioned[] Demonstrations(EvaluationOptions options, int shots)
    {
        IDocumentSource source = options.DemonstrationData
            ?? throw new ConfigurationException($"the task '{Name}' needs data for its {shots} examples, other than those that are scored (mm1 eval: --demonstrations FILE; a run's configuration: demonstrations of the task's entry)");
        if (_demonstrations?.Source != source) _demonstrations = Read(source);
        return shots <= _demonstrations.Items.Length ? _demonstrations.Items
            : throw new ConfigurationException($"{shots} examples were asked for; the data for them of task '{Name}' have {_demonstrations.Items.Length}");
    }

    private Loaded Read(IDocumentSource source)
    {
        var items = new Captioned[checked((int)source.DocumentsPerEpoch)];
        for (int i = 0; i < items.Length; i++)
        {
            // Every document counts in a figure that is compared: one that cannot be used is an error here, not a smaller number of items.
            try
            {
                Document document = source.Read(0, i);
                items[i] = Take(document) ?? throw new ConfigurationException($"'{document.Id}' of the data of task '{Name}' is no image with a caption after it; other data are needed");
            }
            catch (BadDocumentException bad)
            {
                throw new ConfigurationException($"a document of the data of task '{Name}' cannot be used: {bad.Message}", bad);
            }
        }
        return new Loaded(source, items);
    }

    private static Captioned? Take(Document document)
    {
        int image = 0;
        while (image < document.Segments.Count && document.Segments[image] is not ImageSegment) image++;
        if (image == document.Segments.Count) return null;
        string caption = string.Concat(document.Segments.Skip(image + 1).TakeWhile(static segment => segment is TextSegment).Select(static segment => ((TextSegment)segment).Text)).Trim();
        return caption.Length == 0 ? null : new Captioned(document.Id, ((ImageSegment)document.Segments[image]).Image, caption);
    }
}
