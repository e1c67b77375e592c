namespace MM1.Native.Models;

/// <summary>What is wrong with a safetensors file; the names are those of the format's own reader (huggingface/safetensors).</summary>
public enum SafeTensorsError
{
    /// <summary>Fewer than the eight bytes of the header's length.</summary>
    HeaderTooSmall,
    /// <summary>The header claims more than 100 MB.</summary>
    HeaderTooLarge,
    /// <summary>The header is longer than the file.</summary>
    InvalidHeaderLength,
    /// <summary>The header is not UTF-8.</summary>
    InvalidHeader,
    /// <summary>The header is not the JSON that the format asks for.</summary>
    InvalidHeaderDeserialization,
    /// <summary>Tensors overlap, leave holes or end before they begin.</summary>
    InvalidOffset,
    /// <summary>Shape and dtype ask for another number of bytes than the offsets give.</summary>
    TensorInvalidInfo,
    /// <summary>The number of elements or bytes overflows.</summary>
    ValidationOverflow,
    /// <summary>The tensors end elsewhere than the file.</summary>
    MetadataIncompleteBuffer,
    /// <summary>A dtype or rank that this engine has no tensors for.</summary>
    UnsupportedTensor,
    /// <summary>A pickle, which can run code when it is read.</summary>
    Pickle,
}

/// <summary>A file is no valid safetensors file; the message names the file and the fault.</summary>
public sealed class SafeTensorsException : IOException
{
    internal SafeTensorsException(string path, SafeTensorsError error, string message) : base($"{path}: {message}") => (Path, Error) = (path, error);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The fault.</summary>
    public SafeTensorsError Error { get; }
}
