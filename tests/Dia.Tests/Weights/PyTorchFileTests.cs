using System.Text;
using Dia.IO;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

/// <summary>Files of torch.save: what is read, against the same tensors as safetensors, and what is refused.</summary>
public sealed class PyTorchFileTests : IDisposable
{
    private const string Float = "ctorch\nFloatStorage\n", Rebuild = "ctorch._utils\n_rebuild_tensor_v2\n", Ordered = "ccollections\nOrderedDict\n)R";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tensors_of_every_type_and_view_are_those_of_the_same_safetensors()
    {
        using var file = PyTorchFile.Open(Fixtures.Path("old/pth/dict.pth"));
        using var expected = SafetensorsFile.Open(Fixtures.Path("old/pth/expected.safetensors"));
        Assert.Equal(expected.Tensors.Keys.Order(StringComparer.Ordinal), file.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (StoredTensor tensor in expected.Tensors.Values)
        {
            StoredTensor read = file[tensor.Name];
            Assert.Equal(tensor.DType, read.DType);
            Assert.Equal(tensor.Shape, read.Shape);
            Assert.Equal(Bytes(tensor), Bytes(read));
            Assert.Equal(tensor.ToSingle(), read.ToSingle());
        }

        string[] views = [.. file.Tensors.Values.Where(t => !t.IsContiguous).Select(t => t.Name).Order(StringComparer.Ordinal)];
        Assert.Equal(["column", "every_second", "expanded", "transposed"], views);
        Assert.Contains("do not lie in its order", Assert.Throws<DiaException>(() => Pointer(file["transposed"])).Message);
    }

    [Fact]
    public void The_tensors_of_a_training_programs_file_are_those_of_its_state_dictionary()
    {
        using var file = PyTorchFile.Open(Fixtures.Path("old/pth/nested.pth"));
        Assert.Equal(["bf16", "plain"], file.Tensors.Keys.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("legacy.pth", "before version 1.6", "torch.save(torch.load(")]
    [InlineData("whole-module.pth", "torch.nn.modules.linear.Linear", "nothing that a file names is executed")]
    public void Files_of_other_kinds_are_refused_by_name(string name, params string[] says)
    {
        string message = Assert.Throws<DiaException>(() => PyTorchFile.Open(Fixtures.Path("old/pth", name))).Message;
        Assert.All([name, .. says], part => Assert.Contains(part, message));
    }

    [Fact]
    public void A_file_that_is_cut_anywhere_is_refused()
    {
        byte[] whole = File.ReadAllBytes(Fixtures.Path("old/pth/nested.pth"));
        for (int length = 4; length < whole.Length; length += 3)
        {
            string path = _folder.Write("cut.pth", whole[..length]);
            Assert.Contains("cut.pth", Assert.Throws<DiaException>(() => PyTorchFile.Open(path)).Message);
        }
    }

    public static TheoryData<string, string> Pickles() => new()
    {
        { "cposix\nsystem\n(X\x02\0\0\0lstR", "posix.system" },
        { "cbuiltins\neval\n(X\x01\0\0\01tR", "builtins.eval" },
        { "ctorch.storage\n_load_from_bytes\n", "torch.storage._load_from_bytes" },
        { "cnumpy.core.multiarray\nscalar\n", "numpy.core.multiarray.scalar" },
        { "}(X\x01\0\0\0aK\x01\x81u", "makes objects of a class" },
        { "}K\x01R", "calls something without a tuple" },
        { "}(tR", "makes a value of something else" },
        { "h\x07", "recalls what it has not kept" },
        { "u", "takes a mark that is not there" },
        { "}(NNu", "neither text nor a whole number" },
        { "\xFF", "operation 0xff" },
        { "K\x01", "holds no dictionary of tensors" },
        { Tensor("0", 6, 0, "K\x03K\x02\x86", "K\x02K\x01\x86"), "holds one tensor without a name" },
        { Named(Tensor("0", 6, 1, "K\x03K\x02\x86", "K\x02K\x01\x86")), "reaches past its storage of 24 bytes" },
        { Named(Tensor("0", 5, 0, "K\x05\x85", "K\x01\x85")), "24 bytes for the storage of tensor a, which says 20" },
        { Named(Tensor("7", 6, 0, "K\x05\x85", "K\x01\x85")), "lacks the storage 7" },
        { Named(Tensor("0", 6, 0, "J\0\0\x10\0J\0\0\x10\0\x86", "K\0K\0\x86")), "repeats the 24 of its storage" },
        { Named(Tensor("0", 6, 0, "J\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFF\x86", "K\x01K\x01\x86")), "makes a value of something else" },
        { Named(Tensor("0", 6, 0, "J\0\0\0\x40J\0\0\0\x40J\0\0\0\x40\x87", "J\0\0\0\x40J\0\0\0\x40J\0\0\0\x40\x87")), "past 64 bits" },
        { "}q\0X\x01\0\0\0ah\0s", "dictionaries more than 32 deep" },
        { Laughs(), "more than 131072 values" },
    };

    [Theory]
    [MemberData(nameof(Pickles))]
    public void Pickles_that_are_no_tensors_are_refused_with_file_and_place(string pickle, string says)
    {
        string path = _folder.Write("evil.pth", Archive(("x/data.pkl", Latin("\x80\x02" + pickle + ".")), ("x/data/0", new byte[24])));
        string message = Assert.Throws<DiaException>(() => PyTorchFile.Open(path)).Message;
        Assert.Contains("evil.pth", message);
        Assert.Contains(says, message);
    }

    [Fact]
    public void Archives_that_mean_two_things_are_refused()
    {
        byte[] pickle = Latin("\x80\x02" + Named(Tensor("0", 6, 0, "K\x03K\x02\x86", "K\x02K\x01\x86")) + ".");
        byte[] good = Archive(("x/data.pkl", pickle), ("x/data/0", new byte[24]));
        using (var file = PyTorchFile.Open(_folder.Write("good.pth", good)))
            Assert.Equal([3L, 2L], file["a"].Shape);
        Refused([.. good, .. good], "two archives in one");
        Refused([.. good, 0], "does not end as a ZIP archive");
        Refused(Archive(("x/data.pkl", pickle), ("x/data/0", new byte[24]), ("x/data/0", new byte[24])), "holds x/data/0 twice");
        Refused(Archive(("x/data.pkl", pickle), ("y/data.pkl", pickle), ("x/data/0", new byte[24])), "more than one data.pkl");
        Refused(Archive(("x/data", pickle)), "no data.pkl");
        Refused(Archive(("x/data.pkl", pickle), ("x/data/0", new byte[24]), ("x/byteorder", "big"u8.ToArray())), "another order of bytes");
        Refused(Archive(("x/data.pkl", pickle), ("x/data/0", new byte[24]), ("x/constants.pkl", pickle)), "TorchScript");

        // In the directory's first entry: how it is packed, its size, and where it is.
        int directory = good.AsSpan().IndexOf("PK\x01\x02"u8);
        Refused(Changed(good, directory + 10, 8), "holds x/data.pkl compressed");
        Refused(Changed(good, directory + 8, 1), "encrypted");
        Refused(Changed(Changed(good, directory + 20, 0xFF), directory + 24, 0xFF), "holds x/data.pkl over x/data/0");
        Refused(Changed(good, directory + 42, 1), "something other than x/data.pkl");
        Refused(Changed(good, good.Length - 12, 3), "one part of an archive in several");

        void Refused(byte[] bytes, string says) =>
            Assert.Contains(says, Assert.Throws<DiaException>(() => PyTorchFile.Open(_folder.Write("bad.pth", bytes))).Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_changed_byte_of_a_tensor_or_of_the_pickle_is_told_with_its_file_in_the_archive(int changed)
    {
        byte[] pickle = Latin("\x80\x02" + Named(Tensor("0", 6, 0, "K\x03K\x02\x86", "K\x02K\x01\x86")) + ".");
        string[] names = ["x/data.pkl", "x/data/0"];
        byte[] whole = Archive((names[0], pickle), (names[1], new byte[24]));
        int directory = whole.AsSpan().IndexOf("PK\x01\x02"u8), second = directory + 4 + whole.AsSpan(directory + 4).IndexOf("PK\x01\x02"u8);
        BitConverter.TryWriteBytes(whole.AsSpan(directory + 16), Crc32.Of(pickle));
        BitConverter.TryWriteBytes(whole.AsSpan(second + 16), Crc32.Of(new byte[24]));
        _folder.Write("x.pth", whole);
        File.WriteAllText(_folder["config.json"], "{}");
        using (var file = PyTorchFile.Open(_folder["x.pth"]))
            file.CheckValues();

        byte[] data = changed == 0 ? pickle : new byte[24];
        whole[whole.AsSpan().IndexOf(Latin(names[changed])) + names[changed].Length + data.Length - 2] ^= 4;
        _folder.Write("x.pth", whole);
        string message = Assert.Throws<DiaException>(() =>
            CheckpointConverter.Convert(ModelFolder.Open(_folder.Path), null, new ConversionOptions(WeightFormat.Float32), _folder["out"])).Message;
        Assert.All(["x.pth is damaged", names[changed], "CRC-32"], part => Assert.Contains(part, message));
        Assert.False(File.Exists(_folder["out/model.safetensors"]));
    }

    [Fact]
    public void Shards_with_an_index_are_one_checkpoint_and_convert_to_safetensors()
    {
        byte[] first = Latin("\x80\x02" + Named(Tensor("0", 6, 0, "K\x03K\x02\x86", "K\x01K\x03\x86")) + ".");
        byte[] second = Latin("\x80\x02" + Ordered + "(X\x01\0\0\0b" + Tensor("0", 6, 2, "K\x02\x85", "K\x01\x85") + "u.");
        byte[] values = [.. Enumerable.Range(0, 6).SelectMany(i => BitConverter.GetBytes((float)i))];
        _folder.Write("pytorch_model-00001-of-00002.bin", Archive(("x/data.pkl", first), ("x/data/0", values)));
        _folder.Write("pytorch_model-00002-of-00002.bin", Archive(("x/data.pkl", second), ("x/data/0", values)));
        File.WriteAllText(_folder["config.json"], "{}");
        File.WriteAllText(_folder["pytorch_model.bin.index.json"],
            """{"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}}""");
        CheckpointConverter.Convert(ModelFolder.Open(_folder.Path), null, new ConversionOptions(WeightFormat.Float32), _folder["out"]);
        using var written = SafetensorsFile.Open(_folder["out/model.safetensors"]);
        Assert.Equal([0, 3, 1, 4, 2, 5], written["a"].ToSingle());
        Assert.Equal([2, 3], written["b"].ToSingle());
    }

    /// <summary>A tensor of float32 in a pickle.</summary>
    private static string Tensor(string key, byte count, byte first, string shape, string strides) =>
        $"{Rebuild}((X\x07\0\0\0storage{Float}X\x01\0\0\0{key}X\x03\0\0\0cpuK{(char)count}tQK{(char)first}{shape}{strides}\x89{Ordered}tR";

    private static string Named(string tensor) => "}(X\x01\0\0\0a" + tensor + "u";

    /// <summary>Each dictionary holds the one before it twice.</summary>
    private static string Laughs()
    {
        var pickle = new StringBuilder(Named(Tensor("0", 6, 0, "K\x03K\x02\x86", "K\x02K\x01\x86")) + "q\0");
        for (int i = 1; i < 25; i++)
            pickle.Append("}(K\x01h").Append((char)(i - 1)).Append("K\x02h").Append((char)(i - 1)).Append('u').Append('q').Append((char)i);
        return pickle.ToString();
    }

    private static byte[] Latin(string text) => Encoding.Latin1.GetBytes(text);

    private static byte[] Changed(byte[] bytes, int at, byte value)
    {
        byte[] changed = [.. bytes];
        changed[at] = value;
        return changed;
    }

    /// <summary>A ZIP archive of stored files, without checks of them.</summary>
    private static byte[] Archive(params (string Name, byte[] Bytes)[] files)
    {
        var all = new MemoryStream();
        var directory = new MemoryStream();
        using var data = new BinaryWriter(all);
        using var entries = new BinaryWriter(directory);
        foreach ((string name, byte[] bytes) in files)
        {
            int at = (int)all.Position;
            data.Write([.. "PK\x03\x04"u8, .. new byte[22]]);
            data.Write((short)name.Length);
            data.Write((short)0);
            data.Write([.. Latin(name), .. bytes]);
            entries.Write([.. "PK\x01\x02"u8, .. new byte[16]]);
            entries.Write(bytes.Length);
            entries.Write(bytes.Length);
            entries.Write((short)name.Length);
            entries.Write(new byte[12]);
            entries.Write(at);
            entries.Write(Latin(name));
        }

        int start = (int)all.Position;
        data.Write(directory.ToArray());
        data.Write([.. "PK\x05\x06"u8, .. new byte[4]]);
        data.Write((short)files.Length);
        data.Write((short)files.Length);
        data.Write((int)directory.Length);
        data.Write(start);
        data.Write((short)0);
        return all.ToArray();
    }

    private static unsafe byte[] Bytes(StoredTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        fixed (byte* to = bytes)
            tensor.CopyTo(to);
        return bytes;
    }

    private static unsafe nint Pointer(StoredTensor tensor) => (nint)tensor.Data;
}
