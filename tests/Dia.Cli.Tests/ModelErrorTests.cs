using System.Buffers.Binary;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Broken checkpoints: the right code, the file's name, and no output.</summary>
public sealed class ModelErrorTests : TestFolder
{
    [Theory]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    [InlineData("model.safetensors")]
    [InlineData("dac/config.json")]
    [InlineData("dac/model.safetensors")]
    public void A_broken_file_is_named(string file)
    {
        string model = CopyOf(Fixtures.Demo), path = Path.Combine(model, file);
        byte[] good = File.ReadAllBytes(path), noise = new byte[Math.Min(good.Length, 5000)];
        new Random(1).NextBytes(noise);
        foreach (byte[] bad in new[] { [], good[..(good.Length / 2)], noise, [.. noise, .. good[noise.Length..]] })
        {
            File.WriteAllBytes(path, bad);
            Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")), file);
            Assert.False(File.Exists(In("a.wav")));
        }

        File.Delete(path);
        Outcome missing = Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav"), "--max-tokens", "20");
        if (file == "generation_config.json")
            Succeeds(missing); // optional
        else
            Fails(3, missing, file switch { "dac/config.json" => "--codec", "dac/model.safetensors" => "dac/ holds neither model.safetensors", _ => file });
    }

    [Fact]
    public void What_is_no_model_is_refused()
    {
        Fails(3, Dia.Run("[S1] Hi.", "--model", In("nothing"), "-o", In("a.wav")), In("nothing"));
        Fails(3, Dia.Run("[S1] Hi.", "--model", Folder, "-o", In("a.wav")), "config.json");
        File.WriteAllText(In("text"), "no model");
        Fails(3, Dia.Run("[S1] Hi.", "--model", In("text"), "-o", In("a.wav")), In("text"));
        Fails(3, Dia.Run("[S1] Hi.", "--codec", In("nothing"), "-o", In("a.wav")), In("nothing"), "Name the codec's folder");
        Assert.Equal(["text"], Names());
    }

    [Fact]
    public void A_configuration_that_is_not_compiled_in_is_shown_field_by_field()
    {
        string model = CopyOf(Fixtures.Demo), path = Path.Combine(model, "config.json");
        string text = File.ReadAllText(path), changed = text.Replace("\"rope_theta\": 10000", "\"rope_theta\": 20000", StringComparison.Ordinal);
        Assert.NotEqual(text, changed);
        File.WriteAllText(path, changed);
        Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")), "rope_theta", "20000", "-p:DiaConfigs=");
    }

    [Fact]
    public void A_tensor_of_another_shape_or_type_is_named()
    {
        string model = CopyOf(Fixtures.Demo), path = Path.Combine(model, "model.safetensors");
        byte[] good = File.ReadAllBytes(path);
        const string name = "model.decoder.norm.weight";
        int header = (int)BinaryPrimitives.ReadInt64LittleEndian(good);
        string text = System.Text.Encoding.UTF8.GetString(good, 8, header);
        foreach (var (from, to) in new[] { ("\"shape\":[256]", "\"shape\":[128]"), ("\"dtype\":\"BF16\"", "\"dtype\":\"I16\" ") })
        {
            int at = text.IndexOf('"' + name + '"', StringComparison.Ordinal), field = text.IndexOf(from, at, StringComparison.Ordinal);
            Assert.True(at >= 0 && field >= 0);
            byte[] bad = (byte[])good.Clone();
            System.Text.Encoding.UTF8.GetBytes(to).CopyTo(bad, 8 + System.Text.Encoding.UTF8.GetByteCount(text[..field]));
            File.WriteAllBytes(path, bad);
            Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")), name, "model.safetensors");
        }
    }

    [Fact]
    public void A_codec_cannot_speak()
    {
        string codec = Path.Combine(Fixtures.Demo, "dac");
        Fails(3, Dia.Run("[S1] Hi.", "--model", codec, "-o", In("a.wav")), "codec", "--model");
        Succeeds(Dia.Run("encode", Fixtures.Path("demo/voice.wav"), "--model", codec, "-o", In("c")));
        Succeeds(Dia.Run("decode", In("c"), "--model", codec, "-o", In("a.wav")));
        Succeeds(Dia.Run("decode", In("c"), "--codec", codec, "-o", In("b.wav")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
    }

    [Fact]
    public void An_executable_without_a_model_says_what_to_do()
    {
        // A bundle's footer is the last 48 bytes; at 32 stands the length of the executable itself.
        byte[] all = File.ReadAllBytes(Dia.Path);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(all.AsSpan(all.Length - 48 + 32));
        // Made by the shell: a file that this process holds open for writing while another test starts a process cannot be executed.
        Succeeds(Dia.Shell($"cp $1 $2 && truncate -s {length} $2", Dia.Path, In("dia")));
        Outcome outcome = Dia.Shell("exec $1 '[S1] Hi.' -o $2", In("dia"), In("a.wav"));
        Fails(3, outcome, "--model");
        Assert.Contains("none", Succeeds(Dia.Shell("exec $1 info", In("dia"))).Text, StringComparison.Ordinal);

        Succeeds(Dia.Shell($"cp $1 $2 && printf '\\{Convert.ToString(all[^60] ^ 1, 8)}' | dd of=$2 bs=1 seek={all.Length - 60} conv=notrunc status=none",
            Dia.Path, In("damaged")));
        Fails(3, Dia.Shell("exec $1 '[S1] Hi.' -o $2", In("damaged"), In("a.wav")), "damaged");
    }
}
