using System.Buffers.Binary;
using System.Formats.Tar;
using System.Text;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Data.Tests;

/// <summary>WebDataset shards of every form, good, strange and damaged.</summary>
public sealed class WebDatasetTests : IDisposable
{
    private readonly ReaderFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static (string, byte[]) Png(string key) => (key + ".png", ReaderFolder.Picture);

    private static (string, byte[]) Txt(string key, string text) => (key + ".txt", ReaderFolder.Bytes(text));

    private IDocumentSource Shard(byte[] tar, string name = "a.tar")
    {
        _folder.Write(name, tar);
        return _folder.Open("webdataset", name);
    }

    private string Refused(byte[] tar, string name = "a.tar") => Assert.Throws<InvalidDataException>(() => Shard(tar, name)).Message;

    [Theory, InlineData(TarEntryFormat.V7), InlineData(TarEntryFormat.Ustar), InlineData(TarEntryFormat.Gnu), InlineData(TarEntryFormat.Pax)]
    public void EveryFormOfTarGivesTheSamples(TarEntryFormat form)
    {
        byte[] tar = ReaderFolder.Tar(form, ("part/", []), Png("part/000"), Txt("part/000", " a cat\n"), ("part/000.json", "{}"u8.ToArray()), ("part/000.cls", "3"u8.ToArray()),
            ("README", "x"u8.ToArray()), ("__meta.json__", "{}"u8.ToArray()), Txt("part/001", "a dog"), Png("part/001"));
        IDocumentSource source = Shard(tar);
        Assert.Equal(2, source.DocumentsPerEpoch);
        Assert.Equal(["a.tar:part/000", "a.tar:part/001"], ReaderFolder.All(source).Select(static document => document.Id));
        Assert.Equal(["<image>a cat", "<image>a dog"], ReaderFolder.All(source).Select(ReaderFolder.Text));
        ImageData image = ((ImageSegment)source.Read(3, 1).Segments[0]).Image.Load();
        Assert.Equal((2, 2, 220), (image.Width, image.Height, image.Pixels[11]));
    }

    [Theory, InlineData(TarEntryFormat.Ustar, 150), InlineData(TarEntryFormat.Gnu, 300), InlineData(TarEntryFormat.Pax, 300)]
    public void LongNamesAndOtherScriptsAreRead(TarEntryFormat form, int length)
    {
        string key = new string('f', length / 2) + "/" + new string('n', length / 2 - 20) + (form == TarEntryFormat.Ustar ? "" : "-кот");
        IDocumentSource source = Shard(ReaderFolder.Tar(form, Png(key), Txt(key, "a cat")));
        Assert.Equal("a.tar:" + key, source.Read(0, 0).Id);
    }

    [Fact]
    public void TheKeyEndsAtTheFirstDotOfTheLastPart()
    {
        Assert.True(WebDatasetSource.Split("a.b/c.d.JPG", out string key, out string extension));
        Assert.Equal(("a.b/c", "d.jpg"), (key, extension));
        Assert.True(WebDatasetSource.Split("./x.png", out key, out extension));
        Assert.Equal(("./x", "png"), (key, extension));
        foreach (string name in (string[])["x", ".x", "a/.hidden.jpg", "a.b/c", "", "._x.jpg", "__a.b__"]) Assert.False(WebDatasetSource.Split(name, out _, out _));
        IDocumentSource source = Shard(ReaderFolder.Tar(TarEntryFormat.Pax, ("x.seg.png", [1]), Png("x"), Txt("x", "a cat")));
        Assert.Equal("<image>a cat", ReaderFolder.Text(Assert.Single(ReaderFolder.All(source))));
    }

    [Fact]
    public void OurHeadersAreThoseOfTheRuntime()
    {
        // Random names and sizes in all four forms, beside System.Formats.Tar.
        var random = new Random(5);
        for (int round = 0; round < 40; round++)
        {
            var form = (TarEntryFormat)(1 + round % 4);
            int longest = form is TarEntryFormat.V7 ? 60 : form is TarEntryFormat.Ustar ? 90 : 400;
            (string, byte[])[] members = [.. Enumerable.Range(0, random.Next(1, 30)).Select(i => ($"{new string((char)('a' + random.Next(26)), 1 + random.Next(longest))}{i}.bin", new byte[random.Next(4) == 0 ? random.Next(200_000) : random.Next(1500)]))];
            foreach ((_, byte[] content) in members) random.NextBytes(content);
            byte[] tar = ReaderFolder.Tar(form, members);
            string path = _folder.Write("x.tar", tar);
            TarShard shard = TarShard.Open(new FilePool(), path, "x.tar", _folder.Options("webdataset", "x.tar"), default);
            using var reader = new TarReader(new MemoryStream(tar));
            foreach (TarMember member in shard.Members())
            {
                TarEntry entry = reader.GetNextEntry()!;
                Assert.Equal((entry.Name, entry.Length), (member.Name, member.Size));
                using var content = new MemoryStream();
                entry.DataStream?.CopyTo(content);
                Assert.Equal(content.ToArray(), shard.Read(member.Offset, member.Size));
            }
            Assert.Null(reader.GetNextEntry());
        }
    }

    [Fact]
    public void SeveralShardsComeInOrdinalOrderAndCompressedOnesAreExpandedOnce()
    {
        for (int shard = 0; shard < 12; shard++)
        {
            byte[] tar = ReaderFolder.Tar(TarEntryFormat.Pax, [.. Enumerable.Range(0, 3).SelectMany(i => new[] { Png($"{shard}-{i}"), Txt($"{shard}-{i}", $"text {shard} {i}") })]);
            _folder.Write($"data/{shard:D2}{(shard % 2 == 0 ? ".tar" : shard % 4 == 1 ? ".tar.gz" : ".tgz")}", shard % 2 == 0 ? tar : ReaderFolder.Gzip(tar));
        }
        string[] expected = [.. Enumerable.Range(0, 36).Select(i => $"<image>text {i / 3} {i % 3}")];
        Assert.Equal(expected, ReaderFolder.All(_folder.Open("webdataset", "data/*")).Select(ReaderFolder.Text));
        string[] cached = Directory.GetFiles(_folder.Path(".cache"));
        Assert.Equal(6, cached.Length);
        DateTime[] times = Array.ConvertAll(cached, File.GetLastWriteTimeUtc);
        Assert.Equal(expected, ReaderFolder.All(_folder.Open("webdataset", "data/0*", "data/*")).Select(ReaderFolder.Text));
        Assert.Equal(times, Array.ConvertAll(cached, File.GetLastWriteTimeUtc));
        Assert.Contains("data/01.tar.gz:1-0", _folder.Open("webdataset", "da*/01*").Read(0, 0).Id, StringComparison.Ordinal);
    }

    [Fact]
    public void ManyShardsShareABoundedNumberOfHandlesAmongThreads()
    {
        var pool = new FilePool(limit: 3);
        PooledFile[] files = [.. Enumerable.Range(0, 20).Select(i => pool.Add(_folder.Write($"{i}.bin", [(byte)i, (byte)(i + 1)]), $"{i}.bin"))];
        Parallel.For(0, 4000, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            Span<byte> two = stackalloc byte[2];
            files[i * 7 % 20].Read(0, two);
            Assert.Equal((i * 7 % 20, i * 7 % 20 + 1), (two[0], two[1]));
        });
        Assert.InRange(pool.Open, 1, 3);
        foreach (int i in Enumerable.Range(0, 4)) files[i].Read(0, new byte[1]); // the last file's handle is closed by now
        _folder.Write("19.bin", [1, 2, 3]);
        Assert.Equal("19.bin: the file changed while it was in use: it had 2 bytes, now 3", Assert.Throws<IOException>(() => files[19].Read(0, new byte[1])).Message);
    }

    [Fact]
    public void OptionsChooseTheMembers()
    {
        _folder.Write("a.tar", ReaderFolder.Tar(TarEntryFormat.Pax, ("0.left.png", ReaderFolder.Picture), ("0.right.png", ReaderFolder.Picture), ("0.alt", "no"u8.ToArray()), ("0.json", """{"caption": " from json ", "title": "a title"}"""u8.ToArray())));
        SourceOptions options = _folder.Options("webdataset", "a.tar") with { ImageMember = "left.png", TextMember = ".JSON" };
        Assert.Equal("<image>from json", ReaderFolder.Text(DocumentFormats.BuiltIn.Open(options).Read(0, 0)));
        Assert.Equal("<image>a title", ReaderFolder.Text(DocumentFormats.BuiltIn.Open(options with { TextKey = "title" }).Read(0, 0)));
        Assert.Equal("<image>no", ReaderFolder.Text(DocumentFormats.BuiltIn.Open(options with { TextMember = "alt" }).Read(0, 0)));
        Assert.Equal("source 's': 'textKey' names a value of a JSON member, and 'textMember' is 'txt'; set textMember to json",
            Assert.Throws<ArgumentException>(() => DocumentFormats.BuiltIn.Open(_folder.Options("webdataset", "a.tar") with { TextKey = "title" })).Message);
        Assert.Equal("source 's': format 'webdataset' has no use for 'lines'; leave it out",
            Assert.Throws<ArgumentException>(() => DocumentFormats.BuiltIn.Open(options with { Lines = "0-3" })).Message);
        Assert.Equal("source 's': no sample of a.tar has an image (.jpg, .jpeg, .png, .webp, .gif); members there: .alt 1, .json 1, .left.png 1, .right.png 1. Say which with imageMember and textMember",
            Assert.Throws<InvalidDataException>(() => DocumentFormats.BuiltIn.Open(_folder.Options("webdataset", "a.tar") with { TextMember = "alt" })).Message);
    }

    [Fact]
    public void BadSamplesSayWhatIsWrongWithThem()
    {
        IDocumentSource source = Shard(ReaderFolder.Tar(TarEntryFormat.Pax, Png("good"), Txt("good", "fine"), Png("silent"), Txt("blind", "x"), Png("empty"), Txt("empty", " \n"),
            Png("latin"), ("latin.txt", [0x61, 0xE9]), Png("two"), ("two.jpg", [1]), Txt("two", "x"), ("broken.png", [1, 2, 3]), Txt("broken", "x")));
        Assert.Equal(7, source.DocumentsPerEpoch);
        Bad(1, "no caption", "a.tar:silent: the sample has no caption (.txt)");
        Bad(2, "no image", "a.tar:blind: the sample has no image (.jpg, .jpeg, .png, .webp, .gif)");
        Bad(3, "empty caption", "a.tar:empty: the caption is empty");
        Bad(4, "encoding", "a.tar:latin: byte 1 (0xE9) is no UTF-8");
        Bad(5, "ambiguous", "a.tar:two: the sample has more than one image or caption; say which with imageMember and textMember");
        var image = (ImageSegment)source.Read(0, 6).Segments[0];
        Assert.StartsWith("a.tar:broken: ", Assert.Throws<BadImageException>(() => image.Image.Load()).Message, StringComparison.Ordinal);

        void Bad(long index, string cause, string message)
        {
            BadDocumentException bad = Assert.Throws<BadDocumentException>(() => source.Read(0, index));
            Assert.Equal((cause, message), (bad.Cause, bad.Message));
            Assert.StartsWith("a.tar:", bad.Id, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void DamagedArchivesAreOneErrorWithThePlace()
    {
        byte[] good = ReaderFolder.Tar(TarEntryFormat.Ustar, Png("0"), Txt("0", "a cat"));
        int second = 512 + 512; // the picture takes one block
        Assert.Equal("a.tar: byte 0: the file is empty", Refused([]));
        Assert.Equal("a.tar: byte 0: the archive is cut off inside a header", Refused(good[..100]));
        Assert.Equal($"a.tar: byte 0: a member of {ReaderFolder.Picture.Length} bytes begins here, and 10 are left: the archive is cut off or its header is wrong", Refused(good[..522]));
        Assert.Equal($"a.tar: byte 0: the archive is cut off in the padding of its last member", Refused(good[..(512 + ReaderFolder.Picture.Length)]));
        Assert.Equal("a.tar: byte 2048: the archive is cut off: its end mark (blocks of zeros) is missing; it was never completed, or some of it is lost", Refused(good[..2048]));
        Assert.Equal("a.tar: byte 0: not a tar archive: the checksum of the first header is wrong", Refused(Enumerable.Repeat((byte)'x', 2000).ToArray()));
        Assert.Equal("a.tar: byte 1024: the checksum of a header is wrong: the archive is damaged", Refused(With(good, second + 3, [9])));
        Assert.Equal("a.tar: byte 1024: the size of a member is no octal number", Refused(Sealed(good, second, 124, "0000000009x\0"u8)));
        Assert.Equal("a.tar: byte 1024: the size of a member is negative (-5)", Refused(Sealed(good, second, 124, Base256(-5))));
        Assert.StartsWith("a.tar: byte 1024: a member of 9223372036854775807 bytes begins here", Refused(Sealed(good, second, 124, Base256(long.MaxValue))), StringComparison.Ordinal);
        Assert.Equal("a.tar: byte 1024: the size of a member is out of range", Refused(Sealed(good, second, 124, [0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 5])));
        Assert.Equal("a.tar: byte 1024: sparse members are not supported; make the archive without --sparse", Refused(Sealed(good, second, 156, "S"u8)));
        Assert.Equal("a.tar: byte 1024: archives of several volumes are not supported", Refused(Sealed(good, second, 156, "M"u8)));
        Assert.Equal("a.tar: byte 1024: a pax header is malformed", Refused(Sealed(good, second, 156, "x"u8)));
        Assert.Equal("a.tar: byte 3072: something follows the archive's end mark; archives are joined with tar --concatenate, not with cat", Refused([.. good, .. good]));
        byte[] zip = ReaderFolder.Gzip(good);
        Assert.Matches("^b.tar.gz: the gzip data are cut off after [0-9]+ expanded bytes, or several gzip files were joined; compress the shard again with gzip$", Refused(zip[..(zip.Length / 2)], "b.tar.gz"));
        zip[^8] ^= 1;
        Assert.StartsWith("b.tar.gz: the gzip data are damaged after ", Refused(zip, "b.tar.gz"), StringComparison.Ordinal); // its checksum
        Assert.Equal("b.tar.gz: the gzip data are damaged after 0 expanded bytes", Refused(good, "b.tar.gz"));
        Assert.Equal("b.tar.gz: the compressed shard is empty", Refused(ReaderFolder.Gzip([]), "b.tar.gz"));
        Assert.Equal("a.txt: not a WebDataset shard by its name (.tar, .tar.gz or .tgz)", Refused(good, "a.txt"));
        _folder.Write("bomb.tgz", ReaderFolder.Gzip(new byte[10 << 20]));
        Assert.Equal("bomb.tgz: the shard expands to more than 1000000 bytes; raise the source's expandedLimit if it is no trap",
            Assert.Throws<InvalidDataException>(() => DocumentFormats.BuiltIn.Open(_folder.Options("webdataset", "bomb.tgz") with { ExpandedLimit = 1_000_000 })).Message);
        Assert.Empty(Directory.GetFiles(_folder.Path(".cache"))); // nothing half done is left
    }

    [Fact]
    public void AGnuSizeInBinaryIsASize()
    {
        byte[] tar = ReaderFolder.Tar(TarEntryFormat.Gnu, Png("0"), Txt("0", "a cat"));
        Assert.Equal("<image>a cat", ReaderFolder.Text(Shard(Sealed(tar, 1024, 124, Base256(5))).Read(0, 0)));
    }

    [Fact, Trait("Tier", "nightly")]
    public void ManyFuzzedShardsGiveSamplesOrOneError() => Fuzz(100_000);

    [Fact]
    public void FuzzedShardsGiveSamplesOrOneError() => Fuzz(2000);

    private void Fuzz(int count)
    {
        byte[][] seeds =
        [
            ReaderFolder.Tar(TarEntryFormat.Pax, Png("0"), Txt("0", "a cat"), Png("1"), Txt("1", "a dog")),
            ReaderFolder.Tar(TarEntryFormat.Gnu, Png(new string('k', 200)), Txt(new string('k', 200), "a cat")),
            ReaderFolder.Tar(TarEntryFormat.Ustar, ("a/", []), Png("a/0"), Txt("a/0", "a cat")),
        ];
        int opened = 0, refused = 0;
        string path = _folder.Path("f.tar");
        for (int seed = 0; seed < seeds.Length; seed++)
        {
            // Half with checksums made right again, or the checksum would catch nearly everything.
            int number = 0;
            foreach (byte[] tar in Mutations.Of(seeds[seed], count / seeds.Length, (ulong)seed))
            {
                if (number++ % 2 == 0) SealAll(tar);
                File.WriteAllBytes(path, tar);
                try
                {
                    IDocumentSource source = _folder.Open("webdataset", "f.tar");
                    opened++;
                    for (long i = 0; i < source.DocumentsPerEpoch; i++) Load(source, i);
                }
                catch (InvalidDataException refusal)
                {
                    Assert.True(refusal.Message.StartsWith("f.tar: byte ", StringComparison.Ordinal) || refusal.Message.StartsWith("source 's': no sample", StringComparison.Ordinal), refusal.Message);
                    refused++;
                }
            }
        }
        Assert.True(opened > count / 20 && refused > count / 20, $"{opened} opened, {refused} refused");

        static void Load(IDocumentSource source, long index)
        {
            try
            {
                foreach (Segment segment in source.Read(0, index).Segments) (segment as ImageSegment)?.Image.Load();
            }
            catch (BadDocumentException)
            {
            }
            catch (BadImageException)
            {
            }
        }
    }

    [Fact]
    public void TheShardsOfTheCifarPhotosAreWhole()
    {
        string? folder = TestData.TryPath("images/cifar10_wds");
        Assert.SkipWhen(folder is null, TestData.Missing("images/cifar10_wds"));
        var options = new SourceOptions { Name = "photos", Format = "webdataset", Root = folder, Paths = ["cifar10-train-*"], CacheFolder = _folder.Path("cache") };
        IDocumentSource train = DocumentFormats.BuiltIn.Open(options), test = DocumentFormats.BuiltIn.Open(options with { Paths = ["cifar10-test-*.tar.gz"] });
        Assert.Equal((8000, 1000), (train.DocumentsPerEpoch, test.DocumentsPerEpoch));
        string[] classes = File.ReadAllLines(Path.Combine(folder, "classes.txt"));
        var counts = new Dictionary<string, int>();
        var ids = new HashSet<string>();
        foreach (Document document in ReaderFolder.All(train))
        {
            Assert.True(ids.Add(document.Id));
            string text = ReaderFolder.Text(document), name = classes.Single(name => text.EndsWith(" " + name, StringComparison.Ordinal));
            Assert.StartsWith("<image>a photo of a", text, StringComparison.Ordinal);
            counts[name] = counts.GetValueOrDefault(name) + 1;
            Assert.Contains(name, document.Id, StringComparison.Ordinal);
        }
        Assert.All(counts.Values, static count => Assert.Equal(800, count));
        Assert.Equal(10, counts.Count);
        ImageData image = ((ImageSegment)test.Read(0, 999).Segments[0]).Image.Load();
        Assert.Equal((32, 32), (image.Width, image.Height));
    }

    [Fact]
    public void TheShardsOfTheWebDatasetLibraryAreRead()
    {
        string? folder = TestData.TryPath("webdataset");
        Assert.SkipWhen(folder is null, TestData.Missing("webdataset"));
        var options = new SourceOptions { Name = "w", Format = "webdataset", Root = folder, Paths = ["sample.tgz"], TextMember = "cls", CacheFolder = _folder.Path("cache") };
        IDocumentSource digits = DocumentFormats.BuiltIn.Open(options);
        Assert.Equal(90, digits.DocumentsPerEpoch);
        foreach (Document document in ReaderFolder.All(digits))
        {
            Assert.Matches("^<image>[0-9]$", ReaderFolder.Text(document));
            Assert.Equal(28, ((ImageSegment)document.Segments[0]).Image.Load().Width);
        }
        Assert.Equal("source 'w': no sample of sample.tgz has a caption (.txt); members there: .cls 90, .png 90. Say which with imageMember and textMember", Message(options with { TextMember = "txt" }));
        Assert.Equal("source 'w': no sample of mpdata.tar has an image (.jpg, .jpeg, .png, .webp, .gif); members there: .mp 100. Say which with imageMember and textMember", Message(options with { Paths = ["mpdata.tar"] }));
        Assert.Equal("source 'w': no sample of compressed.tar has an image (.jpg, .jpeg, .png, .webp, .gif); members there: .txt.gz 3. Say which with imageMember and textMember", Message(options with { Paths = ["compressed.tar"] }));

        static string Message(SourceOptions options) => Assert.Throws<InvalidDataException>(() => DocumentFormats.BuiltIn.Open(options)).Message;
    }

    private static byte[] With(byte[] tar, int at, ReadOnlySpan<byte> bytes)
    {
        byte[] copy = [.. tar];
        bytes.CopyTo(copy.AsSpan(at));
        return copy;
    }

    /// <summary>A header with other bytes and the right checksum.</summary>
    private static byte[] Sealed(byte[] tar, int header, int at, ReadOnlySpan<byte> bytes)
    {
        byte[] copy = With(tar, header + at, bytes);
        Seal(copy.AsSpan(header, 512));
        return copy;
    }

    private static void Seal(Span<byte> header)
    {
        header.Slice(148, 8).Fill((byte)' ');
        int sum = 0;
        foreach (byte value in header) sum += value;
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(header[148..]);
    }

    private static void SealAll(byte[] tar)
    {
        for (int at = 0; at + 512 <= tar.Length; at += 512)
            if (tar.AsSpan(at + 257, 5).SequenceEqual("ustar"u8)) Seal(tar.AsSpan(at, 512));
    }

    private static byte[] Base256(long value)
    {
        var field = new byte[12];
        field.AsSpan(0, 4).Fill(value < 0 ? (byte)0xFF : (byte)0);
        if (value >= 0) field[0] = 0x80;
        BinaryPrimitives.WriteInt64BigEndian(field.AsSpan(4), value);
        return field;
    }
}
