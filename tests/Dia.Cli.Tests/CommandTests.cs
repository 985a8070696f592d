using System.Security.Cryptography;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

public sealed class CommandTests : TestFolder
{
    [Fact]
    public void Info_lists_what_is_compiled_in()
    {
        string text = Succeeds(Dia.Run("info")).Text;
        foreach (
            string part in new[] { "dia-demo", "dia-1.6b", "model inside: dia-demo", "sha256", "bits wide", "arena", "self cache", "cross cache", "weights" })
            Assert.Contains(part, text, StringComparison.Ordinal);
    }

    [Fact]
    public void Info_shows_the_graph_and_the_plan_of_a_configuration()
    {
        string text = Succeeds(Dia.Run("info", "--graph", "dia-1.6b")).Text;
        foreach (string part in new[]
            {
                "Encode: ", "CrossKeyValues: ", "UnconditionalCross: ", "Decode: ", "Logits: ", "Loss: ", "CodecEncode: ", "CodecQuantize: ", "CodecDecode: ",
                    "104.5 KiB a row",
                "query [rows, 2048] = Linear(normed)", "model.decoder.layers.17.mlp.down_proj.weight [2048, 8192]", "16/4 heads of 128",
                    "[unconditional rows, 2048] = AddConstant", "kernel 7, stride 1, dilation 9, padding 27, through Snake",
                "kernel 1, stride 1, dilation 1, padding 0, and Snake of it", "decoder.block.0.res_unit1.snake2.alpha",
            })
            Assert.Contains(part, text, StringComparison.Ordinal);

        // A multiply-add of each of the decoder's parameters is two operations: norms and embeddings add less than a thousandth.
        long row = long.Parse(System.Text.RegularExpressions.Regex.Match(text, "Decode: ([0-9,]+) floating").Groups[1].Value.Replace(",", "",
            StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture);
        const long Layer = 2L * 2048 * 2048 + 2L * 512 * 2048 + 2L * 2048 * 2048 + 3L * 8192 * 2048;
        Assert.InRange(row, 2 * 18 * Layer, 2 * 18 * Layer * 1.002);
        Fails(2, Dia.Run("info", "--graph", "dia-2b"), "dia-1.6b");
    }

    [Fact]
    public void A_synthesised_checkpoint_runs_and_its_configuration_has_the_hash_that_info_shows()
    {
        Succeeds(Dia.Run("synth", "--config", "dia-demo", "-o", In("model")));
        Assert.Equal(["model", "model/config.json", "model/dac", "model/dac/config.json", "model/dac/model.safetensors", "model/model.safetensors"], Names());
        string info = Dia.Run("info").Text;
        foreach (string name in new[] { "model/config.json", "model/dac/config.json" })
            Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(In(name)))), info, StringComparison.Ordinal);
        Succeeds(Dia.Run("[S1] Hi.", "--model", In("model"), "--max-tokens", "20", "-o", In("a.wav")));

        // Beside weights in float32 no product is of bfloat16 values.
        Succeeds(Dia.Run("synth", "--config", "dia-demo", "-o", In("wide"), "--dtype", "f32"));
        Succeeds(Dia.Run("[S1] Hi.", "--model", In("wide"), "--max-tokens", "20", "--seed", "5", "--exact", "--codes", In("b")));
        Succeeds(Dia.Run("[S1] Hi.", "--model", In("model"), "--max-tokens", "20", "--seed", "5", "--exact", "--codes", In("a")));
        Assert.Equal(TensorFile.Open(In("a")).Ints("rows"), TensorFile.Open(In("b")).Ints("rows")); // the same values
    }

    [Fact]
    public void A_converted_checkpoint_speaks_the_same()
    {
        Succeeds(Dia.Run("convert", Fixtures.Demo, "--dtype", "f32", "-o", In("wide")));
        Succeeds(Dia.Run("convert", In("wide"), "--dtype", "bf16", "-o", In("narrow")));
        Assert.Equal(File.ReadAllBytes(Path.Combine(Fixtures.Demo, "model.safetensors")).Length, new FileInfo(In("narrow/model.safetensors")).Length);
        string[] hello = ["[S1] Hello world.", "--seed", "4"];
        byte[] usual = Succeeds(Dia.Run(hello)).Output;
        Assert.Equal(usual, Succeeds(Dia.Run([.. hello, "--model", In("narrow")])).Output);
        Assert.Equal(usual, Succeeds(Dia.Run([.. hello, "--model", Path.Combine(In("narrow"), "model.safetensors")])).Output);
        Succeeds(Dia.Run([.. hello, "--model", In("wide"), "-o", In("a.wav")]));
        Fails(3, Dia.Run("convert", In("nothing"), "--dtype", "f32", "-o", In("x")), "nothing");
        Fails(3, Dia.Run("convert", Fixtures.Demo, "--codec", In("nothing"), "--dtype", "f32", "-o", In("x")), "nothing");
    }

    [Fact]
    public void A_bundle_speaks_by_itself()
    {
        Succeeds(Dia.Run("bundle", Fixtures.Demo, "-o", In("dia")));
        Succeeds(Dia.Run("bundle", Fixtures.Demo, "-o", In("again")));
        Assert.Equal(SHA256.HashData(File.ReadAllBytes(In("dia"))), SHA256.HashData(File.ReadAllBytes(In("again"))));
        byte[] usual = Succeeds(Dia.Run("[S1] Hello world.", "--seed", "4", "--model", Fixtures.Demo)).Output;
        Assert.Equal(usual, Succeeds(Dia.Shell("cd / && exec $1 '[S1] Hello world.' --seed 4", In("dia"))).Output);
        Assert.Equal(usual, Succeeds(Dia.Run("[S1] Hello world.", "--seed", "4", "--model", In("dia"))).Output);
        Fails(3, Dia.Run("bundle", In("nothing"), "-o", In("x")), "nothing");
        // What could not be opened again is not put inside.
        Fails(3, Dia.Run("bundle", Fixtures.Path("tiny/odd"), "-o", In("x")), "compiled in");
        Assert.False(File.Exists(In("x")));
        Assert.Equal(["again", "dia"], Names());
    }
}
