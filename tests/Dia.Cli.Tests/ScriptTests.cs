using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

public sealed partial class ScriptTests : TestFolder
{
    private const int Rate = 16000;

    // 299 bytes in ten turns: more than the demo model's 256 positions.
    private const string Script =
        "[S1] The voice is blue now. [S2] You know the quiet voice. [S1] They want the blue river. [S2] The music is new today. " +
        "[S1] We love the happy model. [S2] Good night. [S1] Nine two eight nine. [S2] The picture is slow tomorrow. " +
        "[S1] They hear eight slow coffees on the table. [S2] Two three five ten one.";

    private const string Short = "[S1] The voice is blue now.";

    [Fact]
    public void A_text_longer_than_the_model_can_hold_is_split_and_a_note_says_so()
    {
        Outcome outcome = Succeeds(Dia.Run(Script, "--seed", "3", "-o", In("a.wav")));
        Assert.Matches(@"note: the text is 2\d\d bytes long .*256.* split into \d+ pieces", outcome.Error);
        Assert.Matches(@"\d+ pieces.*; seed 3", outcome.Error);
        // 240 spoken characters; the demo's voices say 15 to 22 in a second.
        Assert.InRange(Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples.Length / (double)Rate, 9, 24);
        Assert.Equal(["a.wav"], Names());
    }

    [Fact]
    public void No_split_leaves_it_an_error()
    {
        Fails(4, Dia.Run(Script, "--no-split", "-o", In("a.wav")), "256", "--truncate");
        Assert.Empty(Names());
    }

    [Fact]
    public void Split_splits_what_would_fit()
    {
        string text = Script[..Script.IndexOf("[S1] Nine", StringComparison.Ordinal)];
        Outcome whole = Succeeds(Dia.Run(text, "--seed", "3", "-o", In("a.wav")));
        Assert.DoesNotContain("pieces", whole.Error, StringComparison.Ordinal);
        Outcome split = Succeeds(Dia.Run(text, "--split", "--seed", "3", "-o", In("b.wav")));
        Assert.Matches(@"\d pieces", split.Error);
        Assert.NotEqual(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
    }

    [Fact]
    public void A_single_piece_sounds_as_it_does_without_split()
    {
        Succeeds(Dia.Run(Short, "--seed", "3", "-o", In("a.wav")));
        Succeeds(Dia.Run(Short, "--seed", "3", "--split", "-o", In("b.wav")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
        Succeeds(Dia.Run(Short, "--seed", "3", "--retries", "2", "-o", In("c.wav")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("c.wav")));
    }

    [Fact]
    public void Speed_1_changes_nothing_and_2_halves_the_duration()
    {
        byte[] plain = Succeeds(Dia.Run(Short, "--seed", "3", "-o", "-")).Output;
        Assert.Equal(plain, Succeeds(Dia.Run(Short, "--seed", "3", "--speed", "1", "-o", "-")).Output);
        int length = Wav.Parse(plain).Samples.Length;
        foreach (double speed in (double[])[0.5, 0.8, 1.5, 2])
        {
            byte[] output =
                Succeeds(Dia.Run([Short, "--seed", "3", "--speed", speed.ToString(System.Globalization.CultureInfo.InvariantCulture), "-o", "-"], [])).Output;
            Assert.InRange(Wav.Parse(output).Samples.Length, length / speed * 0.95, length / speed * 1.05);
        }
    }

    [Fact]
    public void A_pipe_gets_the_files_samples()
    {
        string[] options = [Script, "--split", "--speed", "1.3", "--seed", "5"];
        Succeeds(Dia.Run([.. options, "-o", In("a.wav")]));
        short[] expected = Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples;
        Assert.Equal(expected, Wav.Parse(Succeeds(Dia.Run(options)).Output).Samples);
        Assert.Equal(expected, Wav.Raw(Succeeds(Dia.Run([.. options, "--raw", "--threads", "1"])).Output));
    }

    [Fact]
    public void The_same_seed_speaks_the_same_script()
    {
        string[] options = [Script, "--seed", "9", "--retries", "2"];
        byte[] first = Succeeds(Dia.Run(options)).Output;
        Assert.Equal(first, Succeeds(Dia.Run(options)).Output);
        Assert.NotEqual(first, Succeeds(Dia.Run(Script, "--seed", "10", "--retries", "2")).Output);
    }

    [Fact]
    public void A_piece_that_ends_too_early_is_spoken_again()
    {
        // The demo model says nothing for 79 full stops, whatever the seed, and ends after a second: so every attempt is made.
        string text = "[S1] a" + new string('.', 79);
        Outcome outcome = Succeeds(Dia.Run(text, "--seed", "3", "--retries", "2", "-o", In("a.wav")));
        Assert.Equal(2, Retry().Count(outcome.Error));
        Assert.Contains("seed 4", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("seed 5", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(0, Retry().Count(Succeeds(Dia.Run(text, "--seed", "3", "-o", In("a.wav"))).Error));
        Assert.Equal(0, Retry().Count(Succeeds(Dia.Run(Short, "--seed", "3", "--retries", "2", "-o", In("a.wav"))).Error));
    }

    [Fact]
    public void A_voice_of_codes_is_gone_on_from_at_another_speed()
    {
        Succeeds(Dia.Run(Short, "--seed", "3", "--codes", In("v")));
        string[] options = [Short + " [S2] You know the quiet voice.", "--prompt-codes", In("v"), "--seed", "3"];
        byte[] plain = Succeeds(Dia.Run(options)).Output, fast = Succeeds(Dia.Run([.. options, "--speed", "2"])).Output;
        Assert.Equal((int)Math.Round(Wav.Parse(plain).Samples.Length / 2.0), Wav.Parse(fast).Samples.Length);
        Fails(2, Dia.Run([.. options, "--split"]), "--prompt-codes", "--clone");
    }

    [Fact]
    public void The_help_says_how()
    {
        string help = Succeeds(Dia.Run("--help")).Text;
        foreach (string part in (string[])["--split", "--no-split", "--speed", "--retries", "speaker turns and sentence ends", "less than half"])
            Assert.Contains(part, help, StringComparison.Ordinal);
    }

    [Fact]
    public void The_codes_of_the_pieces_follow_each_other()
    {
        Succeeds(Dia.Run(Script, "--seed", "3", "--codes", In("c")));
        int frames = TensorFile.Open(In("c")).Ints("codes").Length / 9;
        Assert.InRange(frames / 31.25, 9, 24);
        byte[] alone = File.ReadAllBytes(In("c"));
        Succeeds(Dia.Run(Script, "--seed", "3", "--codes", In("c"), "-o", In("a.wav")));
        Assert.Equal(alone, File.ReadAllBytes(In("c")));
        // What the joints leave out is silence: a part of a second for each of the pieces.
        Assert.InRange(Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples.Length / 512.0, frames * 0.8, frames);
    }

    [Fact]
    public void The_model_s_own_rows_are_those_of_one_piece()
    {
        Succeeds(Dia.Run(Short, "--seed", "3", "--codes", In("plain")));
        Succeeds(Dia.Run(Short, "--seed", "3", "--split", "--speed", "1.5", "--codes", In("one")));
        Assert.Equal(File.ReadAllBytes(In("plain")), File.ReadAllBytes(In("one")));
        Assert.Equal(["codes", "rows"], TensorFile.Open(In("one")).Names);
        Succeeds(Dia.Run(Script, "--seed", "3", "--codes", In("many")));
        Assert.Equal(["codes"], TensorFile.Open(In("many")).Names);
        string help = Regex.Replace(Succeeds(Dia.Run("--help")).Text, @"\s+", " ");
        Assert.Contains("of a text in pieces codes only", help, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_piece_is_spoken_in_the_given_voice()
    {
        string recording = Fixtures.Path("demo/voice.wav"), transcript = File.ReadAllText(Fixtures.Path("demo/voice.txt")).Trim();
        const int frames = 46; // 23,495 samples in frames of 512
        string[] options = [Script, "--seed", "3", "--clone", recording, "--clone-text", transcript];
        Outcome outcome = Succeeds(Dia.Run([.. options, "-v", "-o", In("a.wav"), "--codes", In("a")]));
        string[] pieces = [.. outcome.Error.Split('\n').Where(l => l.StartsWith("piece ", StringComparison.Ordinal))];
        Assert.True(pieces.Length > 2, outcome.Error);
        // No piece goes on from another, and none repeats the transcript.
        Assert.All(pieces, p => Assert.Contains($"after {frames} frames of a voice", p, StringComparison.Ordinal));
        Assert.All(pieces, p => Assert.DoesNotContain(transcript, p, StringComparison.Ordinal));
        Assert.Equal(Script, string.Join(' ', pieces.Select(p => p[p.IndexOf("[S", StringComparison.Ordinal)..])));
        Assert.InRange(Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples.Length / (double)Rate, 9, 24);

        Succeeds(Dia.Run("voice", recording, "--text", transcript, "-o", In("v")));
        Succeeds(Dia.Run(Script, "--seed", "3", "--voice", In("v"), "-o", In("b.wav"), "--codes", In("b")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
        Assert.Equal(File.ReadAllBytes(In("a")), File.ReadAllBytes(In("b")));

        // Kept, it is heard once, before the first piece.
        Succeeds(Dia.Run([.. options, "--keep-prompt", "-o", In("c.wav"), "--codes", In("c")]));
        Assert.Equal([.. TensorFile.Open(In("v")).Ints("codes"), .. TensorFile.Open(In("a")).Ints("codes")], TensorFile.Open(In("c")).Ints("codes"));
    }

    [Fact]
    public void A_line_that_is_too_long_is_spoken_as_the_same_script_is_whatever_is_spoken_beside_it()
    {
        string[] options = ["--max-tokens", "40", "--seed", "3"];
        byte[] lines = System.Text.Encoding.UTF8.GetBytes($"{Short}\n{Script}\n{Short}\n{Script.Replace("blue", "new", StringComparison.Ordinal)}\n");
        Outcome outcome = Succeeds(Dia.Run(["--lines", "-o", In("{n}.wav"), "--codes", In("{n}.codes"), "--batch", "3", .. options], lines));
        Assert.Matches(@"note: line 2 is 2\d\d bytes long .*256.* split into \d+ pieces", outcome.Error);
        Assert.Matches(@"warning: line 2: piece 1 of \d+ was cut", outcome.Error); // by so few rows
        Succeeds(Dia.Run([Script, "-o", In("alone.wav"), "--codes", In("alone.codes"), .. options]));
        Assert.Equal(File.ReadAllBytes(In("alone.wav")), File.ReadAllBytes(In("2.wav")));
        Assert.Equal(File.ReadAllBytes(In("alone.codes")), File.ReadAllBytes(In("2.codes")));
        Assert.Equal(File.ReadAllBytes(In("1.wav")), File.ReadAllBytes(In("3.wav")));

        Outcome one = Dia.Run(["--lines", "--no-split", "-o", In("whole-{n}.wav"), .. options], lines);
        Assert.Equal(1, one.ExitCode);
        Assert.Contains("line 2: the text is", one.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(In("whole-2.wav")));
    }

    [Theory]
    [InlineData("--retries", "1", "--greedy")]
    [InlineData("--split", "--no-split")]
    [InlineData("--split", "--truncate")]
    [InlineData("--speed", "0.4")]
    [InlineData("--speed", "2.1")]
    [InlineData("--retries", "-1")]
    public void Contradictions_are_refused(params string[] options)
    {
        Fails(2, Dia.Run([Short, .. options, "-o", In("a.wav")]), options[0]);
        Assert.Empty(Names());
    }

    [Fact]
    public void Truncate_still_cuts()
    {
        Outcome outcome = Succeeds(Dia.Run(Script, "--truncate", "--seed", "3", "--max-tokens", "40", "-o", In("a.wav")));
        Assert.Contains("was cut", outcome.Error, StringComparison.Ordinal);
    }

    [GeneratedRegex("spoken again")]
    private static partial Regex Retry();
}
