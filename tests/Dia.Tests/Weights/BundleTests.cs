using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed unsafe class BundleTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _model = Fixtures.Demo;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_bundle_is_the_same_model_as_its_folder()
    {
        string program = Program();
        Bundle.Append(program, _model, _folder["out"]);
        var bundle = Bundle.TryOpen(_folder["out"])!;
        Assert.Equal(
            ["config.json", "dac/config.json", "dac/model.safetensors", "generation_config.json", "model.safetensors", "preprocessor_config.json",
                "special_tokens_map.json", "tokenizer_config.json"],
            bundle.Names);
        Assert.Equal(File.ReadAllBytes(program), File.ReadAllBytes(_folder["out"])[..(int)new FileInfo(program).Length]);
        Assert.Equal(File.GetUnixFileMode(program), File.GetUnixFileMode(_folder["out"]));

        var model = ModelFolder.Open(_folder["out"]);
        Assert.True(model.IsBundle);
        foreach (string name in bundle.Names)
        {
            Assert.Equal(0, bundle.Find(name)!.Value.Offset % 4096);
            Assert.Equal(File.ReadAllBytes(Path.Combine(_model, name)), bundle.Find(name)!.Value.ReadAll(DiaErrorKind.Model));
        }

        Assert.Equal(File.ReadAllText(Path.Combine(_model, "dac/config.json")), model.Sub("dac").ReadText("config.json"));
        Assert.False(model.Exists("README.md"));
        Assert.Contains($"{_folder["out"]}!dac/", model.Sub("dac").Describe("x"));
        var e = Assert.Throws<DiaException>(() => model.Sub("dac").ReadText("gone.json"));
        Assert.Contains("has no file dac/gone.json", e.Message);

        var specs = WeightFiles.SpecsOf(Path.Combine(_model, "dac/model.safetensors"));
        using var a = WeightFiles.Load(ModelFolder.Open(_model).Sub("dac"), specs);
        using var b = WeightFiles.Load(model.Sub("dac"), specs);
        for (int i = 0; i < specs.Length; i++)
            Assert.True(new ReadOnlySpan<ushort>(a.Weights[i].Data, (int)specs[i].Count)
                .SequenceEqual(new ReadOnlySpan<ushort>(b.Weights[i].Data, (int)specs[i].Count)));
    }

    [Fact]
    public void A_new_bundle_replaces_the_old_one_and_bytes_repeat()
    {
        string program = Program();
        Bundle.Append(program, Fixtures.Path("tiny/odd"), _folder["odd"]);
        Bundle.Append(program, Fixtures.Path("tiny/base"), _folder["base"]);
        Bundle.Append(_folder["odd"], Fixtures.Path("tiny/base"), _folder["again"]);
        Assert.Equal(File.ReadAllBytes(_folder["base"]), File.ReadAllBytes(_folder["again"]));

        // In place, and from a bundle as the model.
        Bundle.Append(_folder["odd"], _folder["base"], _folder["odd"]);
        Assert.Equal(File.ReadAllBytes(_folder["base"]), File.ReadAllBytes(_folder["odd"]));
    }

    [Fact]
    public void Files_without_a_bundle_have_none()
    {
        Assert.Null(Bundle.TryOpen(Program()));
        Assert.Null(Bundle.TryOpen(_folder.Write("short", "x")));
        Assert.Null(Bundle.TryOpen(_folder.Write("empty", "")));
        Assert.Contains("neither a safetensors file nor", Assert.Throws<DiaException>(() => ModelFolder.Open(Program())).Message);
        Assert.Throws<DiaException>(() => Bundle.TryOpen(_folder["gone"]));
    }

    [Fact]
    public void A_folder_without_a_checkpoint_is_not_bundled()
    {
        Assert.Contains("config.json is missing", Assert.Throws<DiaException>(() => Bundle.Append(Program(), _folder.Path, _folder["out"])).Message);
        _folder.Save("model.safetensors", new SafetensorsArray("a", [1], new float[1]));
        Assert.Contains("config.json is missing", Assert.Throws<DiaException>(() => Bundle.Append(Program(), _folder.Path, _folder["out"])).Message);
        Assert.False(File.Exists(_folder["out"]));
    }

    [Fact]
    public void Every_damaged_byte_of_index_and_footer_is_noticed()
    {
        Bundle.Append(Program(), Fixtures.Path("tiny/odd"), _folder["good"]);
        byte[] good = File.ReadAllBytes(_folder["good"]);
        int start = (int)BitConverter.ToInt64(good, good.Length - 24);
        for (int at = start; at < good.Length; at++)
        {
            byte[] bad = [.. good];
            bad[at] ^= 0x41;
            bool magic = at >= good.Length - 48 && at < good.Length - 32;
            string path = _folder.Write("bad", bad);
            if (magic)
                Assert.Null(Bundle.TryOpen(path));
            else
                Assert.Contains("is damaged", Assert.Throws<DiaException>(() => Bundle.TryOpen(path)).Message);
        }

        Assert.Null(Bundle.TryOpen(_folder.Write("cut", good[..^1])));
    }

    [Theory]
    [InlineData("../a", 4096, 1, 8192)]
    [InlineData("/a", 4096, 1, 8192)]
    [InlineData("a", 4097, 1, 8192)]
    [InlineData("a", 4096, 5000, 8192)]
    [InlineData("a", 4096, -1, 8192)]
    [InlineData("a", 0, 1, 8192)]
    [InlineData("a", -4096, 1, 8192)]
    [InlineData("a", 4096, 1, -1)]
    [InlineData("a", 4096, 1, 8193)]
    public void Forged_indexes_are_refused(string name, long offset, long length, long indexOffset)
    {
        byte[] index = [.. BitConverter.GetBytes((ushort)name.Length), .. System.Text.Encoding.UTF8.GetBytes(name), .. BitConverter.GetBytes(offset),
            .. BitConverter.GetBytes(length)];
        byte[] footer = [.. "DIA-MODEL-BUNDLE"u8, .. BitConverter.GetBytes(1), .. BitConverter.GetBytes(index.Length), .. BitConverter.GetBytes(indexOffset),
            .. BitConverter.GetBytes(100L)];
        byte[] sum = BitConverter.GetBytes(Fnv1A.Hash(footer, Fnv1A.Hash(index)));
        Assert.Contains("is damaged",
            Assert.Throws<DiaException>(() => Bundle.TryOpen(_folder.Write("f", [.. new byte[8192], .. index, .. footer, .. sum]))).Message);
    }

    [Fact]
    public void No_name_leads_out_of_a_folder()
    {
        var model = ModelFolder.Open(Fixtures.Path("tiny"));
        foreach (string name in new[] { "../README.md", "/etc/passwd", "", "a//b", "a/../../b", ".", "a\\b", "a\nb" })
            Assert.Contains("is not the name of a file inside", Assert.Throws<DiaException>(() => model.ReadText(name)).Message);
        Assert.NotEmpty(model.Sub("base").ReadText("config.json"));
        Assert.NotEmpty(model.ReadText("base/config.json"));
    }

    [Fact]
    public void Texts_must_be_Utf8_and_short()
    {
        var model = ModelFolder.Open(_folder.Path);
        _folder.Write("bom", "\uFEFF{}");
        Assert.Equal("{}", model.ReadText("bom"));
        _folder.Write("bad", [65, 0xFF]);
        Assert.Contains("not UTF-8 text at byte 1", Assert.Throws<DiaException>(() => model.ReadText("bad")).Message);
        using (var large = File.Create(_folder["large"]))
            large.SetLength((16 << 20) + 1);
        Assert.Contains("at most", Assert.Throws<DiaException>(() => model.ReadText("large")).Message);
        Assert.Contains("no such file", Assert.Throws<DiaException>(() => model.ReadText("gone")).Message);
    }

    private string Program()
    {
        string path = _folder.Write("program", Enumerable.Range(0, 5000).Select(i => (byte)(i * 7)).ToArray());
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead);
        return path;
    }
}
