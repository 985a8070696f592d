using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

public sealed class UsageTests : TestFolder
{
    [Theory]
    [InlineData("--temperature", "0", "greater than 0")]
    [InlineData("--temperature", "-1", "greater than 0")]
    [InlineData("--temperature", "1e-300", "greater than 0")]
    [InlineData("--temperature", "nan", "greater than 0")]
    [InlineData("--temperature", "inf", "greater than 0")]
    [InlineData("--temperature", "1,5", "greater than 0")]
    [InlineData("--top-p", "0", "greater than 0 and at most 1")]
    [InlineData("--top-p", "1.01", "greater than 0 and at most 1")]
    [InlineData("--top-k", "-1", "from 0 (off) to 2147483647")]
    [InlineData("--top-k", "2147483648", "from 0 (off) to 2147483647")]
    [InlineData("--top-k", "4.5", "from 0 (off) to 2147483647")]
    [InlineData("--cfg-scale", "0.99", "at least 1")]
    [InlineData("--cfg-scale", "1e39", "at least 1 (off) and at most 3.4e38")]
    [InlineData("--max-tokens", "0", "largest delay plus 2")]
    [InlineData("--max-tokens", "16", "from 17 (the largest delay plus 2) to 782")]
    [InlineData("--max-tokens", "783", "from 17 (the largest delay plus 2) to 782")]
    [InlineData("--seed", "-2", "from 0 to 18446744073709551615")]
    [InlineData("--seed", "18446744073709551616", "from 0 to 18446744073709551615")]
    [InlineData("--device", "gpu", "auto, cpu, cuda, cuda:N or scalar")]
    [InlineData("--threads", "0", "from 1 to 1024")]
    [InlineData("--threads", "1025", "from 1 to 1024")]
    [InlineData("--weights", "ram", "map, copy or auto")]
    [InlineData("--codes", "-", "the name of a file")]
    public void A_value_out_of_range_is_refused_with_the_range(string option, string value, string range)
    {
        Fails(2, Dia.Run("[S1] Hi.", "-o", In("x.wav"), option, value), option, "must be", range);
        Assert.Empty(Names());
    }

    [Theory]
    [InlineData("DIA_TEMPERATURE", "0", "greater than 0")]
    [InlineData("DIA_GREEDY", "maybe", "1 or 0")]
    [InlineData("DIA_SEED", "x", "-1 (random)")]
    public void A_variable_out_of_range_is_refused_by_its_name(string variable, string value, string range) =>
        Fails(2, Dia.Run(["[S1] Hi."], [], (variable, value)), variable, range);

    [Fact]
    public void A_variable_that_is_none_is_told()
    {
        Outcome outcome = Succeeds(Dia.Run(["info"], [], ("DIA_SEDD", "1"), ("DIA_SEED", "1"), ("DIA_SOFTGPU_SMS", "1")));
        Assert.Equal("DIA_SEDD", outcome.Error.Split("warning: ")[1].Split(' ')[0]);
        Assert.DoesNotContain("DIA_SEED ", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("SOFTGPU", outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--bogus", "[S1] Hi.")]
    [InlineData("[S1] Hi.", "-z")]
    [InlineData("[S1] Hi.", "--clone=x.wav")]
    [InlineData("[S1] Hi.", "--seed")]
    [InlineData("[S1] Hi.", "--seed", "1", "--seed", "2")]
    [InlineData("forward", "one.safetensors")]
    [InlineData("forward", "a", "b", "--gradients")]
    [InlineData("info", "more")]
    [InlineData("decode")]
    [InlineData("encode", "a", "b")]
    [InlineData("convert", "a", "-o", "b")]
    [InlineData("convert", "a", "--dtype", "f32")]
    [InlineData("convert", "a", "--dtype", "f64", "-o", "b")]
    [InlineData("synth", "--config", "dia-demo")]
    [InlineData("synth", "--config", "nothing-like-it", "-o", "b")]
    [InlineData("synth", "--config", "dia-demo", "-o", "b", "--dtype", "f16")]
    [InlineData("bundle", "a")]
    [InlineData("info", "--seed", "1")]
    public void A_wrong_call_is_refused(params string[] args) => Fails(2, Dia.Run(args), "See dia --help.");

    [Fact]
    public void Two_texts_are_refused() => Fails(2, Dia.Run("[S1] Hi.", "-f", "x.txt"), "twice");

    [Fact]
    public void One_file_for_audio_and_codes_is_refused() => Fails(2, Dia.Run("[S1] Hi.", "-o", In("x"), "--codes", Folder + "/./x"), "same file");

    [Fact]
    public void Without_text_a_terminal_is_told_how_to_give_some()
    {
        using var terminal = new Terminal();
        Fails(2, Dia.Shell("exec $DIA -o \"$2\" < $1", terminal.Path, In("x.wav")), "no text");
    }

    [Fact]
    public void A_wav_does_not_go_to_a_terminal()
    {
        using var terminal = new Terminal();
        Fails(2, Dia.Shell("exec $DIA '[S1] Hi.' > $1", terminal.Path), "-o FILE");
        Fails(2, Dia.Shell("exec $DIA '[S1] Hi.' --raw > $1", terminal.Path), "-o FILE");
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    [InlineData("[S1] Hi.", "--help", "--seed", "x")]
    public void Help_goes_to_standard_output(params string[] args)
    {
        Outcome outcome = Succeeds(Dia.Run(args));
        Assert.Empty(outcome.Error);
        foreach (string part in new[] { "dia \"[S1] Hello there.", "--temperature X", "Default: 1.2.", "[DIA_TEMPERATURE]", "--top-p", "0.95", "45", "3.0",
            "prepare", "forward", "generate", "encode", "decode", "synth", "convert", "bundle", "info" })
            Assert.Contains(part, outcome.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("prepare", "--text TEXT")]
    [InlineData("forward", "input_ids")]
    [InlineData("generate", "--bad-words-ids JSON")]
    [InlineData("encode", "IN is a WAV")]
    [InlineData("decode", "CODES.safetensors")]
    [InlineData("synth", "--config NAME")]
    [InlineData("convert", "--dtype TYPE")]
    [InlineData("bundle", "MODEL")]
    [InlineData("info", "SHA-256")]
    public void Every_command_has_its_help(string command, string part) =>
        Assert.Contains(part, Succeeds(Dia.Run(command, "--help")).Text, StringComparison.Ordinal);

    /// <summary>Defaults of speaking are none of the reference's generate.</summary>
    [Fact]
    public void Defaults_are_shown_where_they_hold()
    {
        Assert.DoesNotContain("Default: 1.2", Succeeds(Dia.Run("generate", "--help")).Text, StringComparison.Ordinal);
        Assert.DoesNotContain("Default: 0.95", Succeeds(Dia.Run("generate", "--help")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_version_is_a_line() => Assert.Matches(@"^dia \d+\.\d+\.\d+\n$", Succeeds(Dia.Run("--version")).Text);
}
