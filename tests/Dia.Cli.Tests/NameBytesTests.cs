using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Names that are not UTF-8: the right name, or a refusal. $BAD is caf\xE9 in Latin-1.</summary>
public sealed class NameBytesTests : TestFolder
{
    // .NET could not remove such files either.
    private const string Bad = "BAD=$(printf 'caf\\351'); trap 'rm -rf \"$1\"/caf*' EXIT; cd \"$1\"; ";
    private const string Say = "$DIA '[S1] Hi.' --max-tokens 17 ";

    [Theory]
    [InlineData(Say + "-o $BAD.wav", "--output")]
    [InlineData(Say + "-o$BAD.wav", "--output")]
    [InlineData(Say + "--output=$BAD.wav", "--output")]
    [InlineData(Say + "--codes $PWD/$BAD", "--codes")]
    [InlineData(Say + "--plot $BAD.png", "--plot")]
    [InlineData(Say + "-o a.wav --clone $BAD.wav --clone-text x", "--clone")]
    [InlineData(Say + "-o a.wav --voice $BAD", "--voice")]
    [InlineData(Say + "-o a.wav --prompt-codes $BAD", "--prompt-codes")]
    [InlineData(Say + "-o a.wav --model $BAD", "--model")]
    [InlineData(Say + "-o a.wav --codec $BAD", "--codec")]
    [InlineData("$DIA -f $BAD.txt -o a.wav", "--file")]
    [InlineData("$DIA --lines -f text -o $BAD", "--output")]
    [InlineData("$DIA --jsonl -f text --output-dir $BAD", "--output-dir")]
    [InlineData("$DIA --jsonl -f text --input-dir $BAD", "--input-dir")]
    [InlineData("DIA_OUTPUT=$BAD.wav " + Say, "DIA_OUTPUT")]
    [InlineData("DIA_MODEL=$BAD " + Say + "-o a.wav", "DIA_MODEL")]
    [InlineData("$DIA encode $BAD.wav -o c", "dia encode")]
    [InlineData("$DIA voice $BAD.wav --text x -o v", "dia voice")]
    [InlineData("$DIA decode $BAD -o a.wav", "dia decode")]
    [InlineData("$DIA forward in $BAD", "dia forward")]
    [InlineData("$DIA bundle $BAD -o b", "dia bundle")]
    [InlineData("$DIA convert $BAD --dtype f32 -o b", "dia convert")]
    [InlineData("$DIA convert . --dtype f32 -o $BAD", "--output")]
    public void A_name_that_is_not_UTF8_is_refused(string command, string source)
    {
        File.WriteAllText(In("text"), "[S1] Hi.\n");
        Fails(2, Dia.Shell(Bad + command, Folder), source + ": ", "(0xE9)", "not UTF-8", "ln -s");
        Assert.Equal(["text"], Names());
    }

    [Theory]
    [InlineData(Say + "--clone a.wav --clone-text $BAD", "--clone-text", "byte 3")]
    [InlineData(Say + "--clone a.wav --clone-text=$BAD", "--clone-text", "byte 3")]
    [InlineData("DIA_CLONE_TEXT=$BAD " + Say + "--clone a.wav", "DIA_CLONE_TEXT", "byte 3")]
    [InlineData("$DIA voice a.wav --text $BAD -o v", "--text", "byte 3")]
    public void A_text_that_is_not_UTF8_is_refused(string command, string source, string where)
    {
        Fails(4, Dia.Shell(Bad + command, Folder), source + " is not UTF-8", where, "0xE9");
        Assert.Empty(Names());
    }

    [Fact]
    public void A_name_that_holds_the_replacement_character_is_a_name()
    {
        string name = "a\uFFFDb";
        Succeeds(Dia.Run("[S1] Hi.", "--max-tokens", "17", "-o", In(name + ".wav"), "--codes", In(name)));
        Succeeds(Dia.Run("decode", In(name), "-o", In("c.wav")));
        File.CreateSymbolicLink(In("link.wav"), In(name + ".wav"));
        Succeeds(Dia.Run("[S1] Hi.", "--max-tokens", "17", "-o", In("link.wav")));
        Succeeds(Dia.Run(["[S1] Hi.", "--max-tokens", "17"], [], ("DIA_OUTPUT", In(name + "2"))));
        Outcome lines = Succeeds(Dia.Run(["--jsonl", "--output-dir", In(name + ".d")], Encoding.UTF8.GetBytes(
            $"{{\"text\":\"[S1] Hi.\",\"max_tokens\":17,\"output\":\"{name}\"}}\n{{\"text\":\"[S1] Hi.\",\"max_tokens\":17,\"output\":\"\\ufffd\"}}\n")));
        Assert.Equal(new[] { name, name + ".d", name + ".d/\uFFFD", name + ".d/" + name, name + ".wav", name + "2", "c.wav",
            "link.wav" }.Order(StringComparer.Ordinal), Names());
    }

    [Fact]
    public void A_link_to_a_name_that_is_not_UTF8_is_refused()
    {
        Outcome outcome =
            Dia.Shell(Bad + "ln -s $BAD.wav a.wav; " + Say + "-o a.wav; echo $?; touch $BAD.wav; " + Say + "-o a.wav; echo $?; ls -A | wc -l", Folder);
        Assert.Equal("6\n6\n2\n", outcome.Text);
        Assert.Contains("not UTF-8", outcome.Error, StringComparison.Ordinal);
        // What it reads is what is there.
        byte[] recording = File.ReadAllBytes(Fixtures.Path("demo/voice.wav"));
        File.WriteAllBytes(In("r.wav"), recording);
        Assert.Equal(Succeeds(Dia.Run("encode", In("r.wav"))).Output, Succeeds(Dia.Shell(Bad + "cp r.wav $BAD.wav; $DIA encode a.wav", Folder)).Output);
    }

    [Fact]
    public void A_current_folder_that_is_not_UTF8_is_named()
    {
        File.WriteAllText(In("text"), "[S1] Hi.\n");
        string bad = Bad + "mkdir $BAD; cd $BAD; ";
        Fails(2, Dia.Shell(bad + Say + "-o a.wav", Folder), "--output: 'a.wav'", "current folder", "not UTF-8");
        Fails(2, Dia.Shell(bad + "$DIA decode codes -o /dev/null", Folder), "current folder", "not UTF-8");
        Fails(2, Dia.Shell(bad + "$DIA --jsonl < ../text", Folder), "not UTF-8");
        // Without a relative name nothing is wrong.
        Succeeds(Dia.Shell(bad + Say + "--seed 1 > a.wav && " + Say + "--seed 1 -o \"$1/b.wav\" && cmp a.wav ../b.wav", Folder));
    }

    [Fact]
    public void An_executable_in_such_a_folder_finds_its_model() =>
        Succeeds(
            Dia.Shell(Bad
            + "mkdir $BAD; cp $DIA $BAD/dia; $BAD/dia '[S1] Hi.' --seed 3 --max-tokens 17 -o a.wav; $DIA '[S1] Hi.' --seed 3 --max-tokens 17 -o b.wav; cmp a.wav b.wav", Folder));

    [Fact]
    public void Half_a_surrogate_pair_is_no_name()
    {
        Outcome outcome = Dia.Run(["--jsonl", "--output-dir", Folder],
            "{\"text\":\"[S1] Hi.\",\"output\":\"a\\ud800.wav\"}\n{\"text\":\"[S1] Hi.\",\"clone\":\"\\udc00\",\"clone_text\":\"x\"}\n"u8.ToArray());
        Assert.Equal(1, outcome.ExitCode);
        Assert.Equal(3, outcome.Text.Split("surrogate").Length);
        Assert.Empty(Names());
    }

    [Fact]
    public void A_shard_of_such_a_name_is_not_found_under_another()
    {
        string model = CopyOf(Fixtures.Demo);
        File.WriteAllBytes(Path.Combine(model, "model.safetensors.index.json"), [.. "{\"weight_map\":{\"a\":\"caf"u8, 0xE9, .. ".safetensors\"}}"u8]);
        File.Move(Path.Combine(model, "model.safetensors"), Path.Combine(model, "caf\uFFFD.safetensors"));
        Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")), "not UTF-8");
    }
}
