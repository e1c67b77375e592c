namespace MM1.Native.TestSupport;

/// <summary>Real data outside the repository: <c>MM1_TEST_DATA</c>, or <c>../shared/data</c> beside the checkout.</summary>
public static class TestData
{
    private static readonly string? Root = Find();

    /// <summary>The path of a file or folder of the test data, or null where the data is not on this machine.</summary>
    public static string? TryPath(string relative)
    {
        if (Root is null) return null;
        string path = Path.Combine(Root, relative);
        return File.Exists(path) || Directory.Exists(path) ? path : null;
    }

    /// <summary>What a test says when it is skipped.</summary>
    public static string Missing(string relative) => $"test data '{relative}' is not here; set MM1_TEST_DATA to the folder that holds it";

    private static string? Find()
    {
        string? named = Environment.GetEnvironmentVariable("MM1_TEST_DATA");
        if (named is not null) return Directory.Exists(named) ? named : throw new DirectoryNotFoundException($"MM1_TEST_DATA names '{named}', which is no folder.");
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "MM1.Native.sln"))) continue;
            string beside = Path.Combine(folder.FullName, "..", "shared", "data");
            return Directory.Exists(beside) ? Path.GetFullPath(beside) : null;
        }
        return null;
    }
}
