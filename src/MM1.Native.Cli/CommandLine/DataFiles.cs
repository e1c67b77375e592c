using MM1.Native.Data;

namespace MM1.Native.Cli;

/// <summary>Files of documents that are named on the command line.</summary>
internal static class DataFiles
{
    /// <summary>All formats that this program has.</summary>
    public static DocumentFormats Formats { get; } = DocumentFormats.BuiltIn.With([.. ParquetFormats.All]);

    /// <summary>Opens files as one source.</summary>
    /// <param name="name">The name of the source.</param>
    /// <param name="option">The option that names them, for errors.</param>
    /// <param name="files">Paths, from the working folder; the last part of one may be a pattern.</param>
    /// <param name="format">The format; null to tell it by the files' names.</param>
    /// <param name="lines">Lines of a text; null for all.</param>
    /// <param name="images">Folder or tar of images, from the working folder; null for beside the files.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static IDocumentSource Open(string name, string option, IReadOnlyList<string> files, string? format, string? lines, string? images, CancellationToken cancellationToken)
    {
        string[] full = [.. files.Select(Path.GetFullPath)];
        string root = CommonFolder(images is null ? full : [.. full, Path.GetFullPath(images)]);
        var options = new SourceOptions
        {
            Name = name,
            Format = format ?? FormatOf(option, files),
            Root = root,
            Paths = [.. full.Select(Relative)],
            Images = images is null ? null : Relative(Path.GetFullPath(images)),
            Lines = lines,
        };
        try
        {
            return Formats.Open(options, cancellationToken);
        }
        catch (ArgumentException exception)
        {
            throw new CommandException(ExitCode.Usage, $"{option}: {Failures.Describe(exception).Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Unreadable, $"{option}: {exception.Message}", exception);
        }

        string Relative(string path) => Path.GetRelativePath(root, path).Replace(Path.DirectorySeparatorChar, '/');
    }

    private static string FormatOf(string option, IReadOnlyList<string> files)
    {
        string[] formats = [.. files.Select(static file => File.Exists(file) ? SourceDetection.FormatOf(file) ?? "" : SourceDetection.FormatOfName(file) ?? "").Distinct()];
        return formats is [{ Length: > 0 } one] ? one
            : throw new CommandException(ExitCode.Usage, $"{option}: names and beginnings of {string.Join(", ", files)} do not tell one format; name it by --format: {string.Join(", ", Formats.All.Select(static format => format.Name))}");
    }

    /// <summary>The deepest folder that all paths lie in.</summary>
    private static string CommonFolder(string[] paths)
    {
        string folder = Path.GetDirectoryName(paths[0]) ?? paths[0];
        foreach (string path in paths)
            while (!path.StartsWith(Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar, StringComparison.Ordinal)) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
