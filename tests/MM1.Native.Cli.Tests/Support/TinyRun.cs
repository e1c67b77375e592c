using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary>A run of six steps of the smallest model, stopped after three and resumed, made once by the command as a process.</summary>
public sealed class TinyRun : IDisposable
{
    /// <summary>The configuration.</summary>
    public const string Yaml = """
        name: smallest
        seed: 3
        model:
          preset: tiny
          vision: { layers: 1, width: 32, heads: 2 }
          connector: { hidden: 16 }
          decoder: { layers: 1, width: 32, heads: 2, hidden: 48, maxPositions: 256 }
        data: { sequences: 2, length: 160 }
        optimizer: { learningRate: 3e-3 }
        schedule: { steps: 6, warmupSteps: 2 }
        checkpoints: { every: 2 }
        samples: { every: 4, count: 3 }
        log: { every: 1 }
        evaluation:
          finalLimit: 5
          final:
            - { task: shapes-qa, summary: { accuracy: qa_accuracy_unseen_seed } }
            - { task: shapes-caption, split: unseenCombination, summary: { exact: caption_exact_unseen_combination } }
        """;

    private readonly TemporaryFolder _folder = new();

    public TinyRun()
    {
        File.WriteAllText(ConfigFile, Yaml);
        First = Mm1.Start("train", ConfigFile, "--out", RunFolder, "--max-steps", "3", "--threads", "2");
        Second = Mm1.Start("train", ConfigFile, "--out", RunFolder, "--resume", "--threads", "1");
    }

    internal Mm1Run First { get; }

    internal Mm1Run Second { get; }

    internal string ConfigFile => _folder["smallest.yaml"];

    internal string RunFolder => _folder["run"];

    internal string Folder => _folder.Path;

    internal string At(params string[] parts) => Path.Combine([_folder.Path, .. parts]);

    public void Dispose() => _folder.Dispose();
}

/// <summary>Tests that look at the one run.</summary>
[CollectionDefinition("the run")]
public sealed class TinyRunCollection : ICollectionFixture<TinyRun>;
