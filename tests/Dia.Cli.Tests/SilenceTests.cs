using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Silence in front of voices and at the end of speech.</summary>
public sealed class SilenceTests : TestFolder
{
    private const int Rate = 16000;
    private static readonly string[] Say = ["[S1] Hello world.", "--seed", "3"];
    private static readonly string Transcript = File.ReadAllText(Fixtures.Path("demo/voice.txt")).Trim();
    private static readonly float[] Recording = [.. Wav.Parse(File.ReadAllBytes(Fixtures.Path("demo/voice.wav"))).Samples.Select(s => s / 32768f)];

    [Fact]
    public void Silence_in_front_of_a_voice_is_cut_unless_it_is_to_stay()
    {
        WriteVoice("late.wav", 3);
        string[] clone = [.. Say, "--clone", In("late.wav"), "--clone-text", Transcript];
        Outcome cut = Succeeds(Dia.Run([.. clone, "--keep-prompt", "--codes", In("cut")]));
        Assert.Matches(@"note: .*late\.wav: 2\.7\d s of silence in front of the voice were left out \(--keep-silence", cut.Error);
        Outcome kept = Succeeds(Dia.Run([.. clone, "--keep-prompt", "--keep-silence", "--codes", In("kept")]));
        Assert.DoesNotContain("silence", kept.Error, StringComparison.Ordinal);
        Succeeds(Dia.Run("voice", In("late.wav"), "--text", Transcript, "-o", In("v")));
        Succeeds(Dia.Run("voice", In("late.wav"), "--text", Transcript, "--keep-silence", "-o", In("w")));
        Succeeds(Dia.Run("encode", In("late.wav"), "-o", In("e")));
        int[] frames = [.. new[] { "v", "w", "e" }.Select(n => TensorFile.Open(In(n)).Shape("codes")[0])];
        // `encode` never cuts.
        Assert.Equal(frames[1], frames[2]);
        Assert.InRange((frames[1] - frames[0]) * 512.0 / Rate, 2.65, 2.8);
        Assert.Equal(TensorFile.Open(In("v")).Ints("codes"), TensorFile.Open(In("cut")).Ints("codes")[..(frames[0] * 9)]);
        Assert.Equal(TensorFile.Open(In("w")).Ints("codes"), TensorFile.Open(In("kept")).Ints("codes")[..(frames[1] * 9)]);
    }

    [Fact]
    public void A_voice_that_starts_at_once_stays_as_it_is()
    {
        WriteVoice("now.wav", 0.1);
        Succeeds(Dia.Run("voice", In("now.wav"), "--text", Transcript, "-o", In("v")));
        Succeeds(Dia.Run("voice", In("now.wav"), "--text", Transcript, "--keep-silence", "-o", In("w")));
        Assert.Equal(File.ReadAllBytes(In("v")), File.ReadAllBytes(In("w")));
    }

    [Fact]
    public void Voices_of_json_lines_are_cut_too_and_one_note_says_so()
    {
        WriteVoice("late.wav", 3);
        string line = $$"""{"text":"[S1] Hello world.","clone":"late.wav","clone_text":"{{Transcript}}","output":"a.wav"}""" + "\n";
        string[] args = ["--jsonl", "--seed", "3", "--input-dir", Folder, "--output-dir", Folder];
        Outcome outcome = Succeeds(Dia.Run(args, Encoding.UTF8.GetBytes(line + line.Replace("a.wav", "b.wav", StringComparison.Ordinal))));
        Assert.Equal(1, outcome.Error.Split("of silence in front").Length - 1);
        Succeeds(Dia.Run([.. Say, "--clone", In("late.wav"), "--clone-text", Transcript, "-o", In("c.wav")]));
        Assert.Equal(File.ReadAllBytes(In("c.wav")), File.ReadAllBytes(In("a.wav")));
        Assert.Equal(File.ReadAllBytes(In("c.wav")), File.ReadAllBytes(In("b.wav")));
    }

    [Fact]
    public void Trim_cuts_the_silence_at_the_end()
    {
        // The limit ends it in the pause between two turns: the demo model makes no longer silence at an end.
        short[] whole = Speak(), trimmed = Speak("--trim");
        int end = LastSound(whole);
        Assert.True(whole.Length - end > 0.12 * Rate, "nothing to cut: take another place");
        Assert.Equal(whole[..trimmed.Length], trimmed);
        Assert.InRange((trimmed.Length - end) / (double)Rate, 0.09, 0.12);

        // Streamed, in pieces and by lines it is the same.
        Assert.Equal(trimmed, Wav.Raw(Succeeds(Dia.Run([.. Quiet, "--trim", "--raw"])).Output));
        Assert.Equal(trimmed, Speak("--trim", "--retries", "1"));
        byte[] lines = Encoding.UTF8.GetBytes(Quiet[0] + "\n");
        Assert.Equal(trimmed, Wav.Raw(Succeeds(Dia.Run(["--lines", .. Quiet[1..], "--trim", "--raw"], lines)).Output));
        // The codes stay whole.
        Succeeds(Dia.Run([.. Quiet, "--codes", In("a")]));
        Succeeds(Dia.Run([.. Quiet, "--trim", "-o", In("x.wav"), "--codes", In("b")]));
        Assert.Equal(File.ReadAllBytes(In("a")), File.ReadAllBytes(In("b")));
    }

    private static string[] Quiet =>
        ["[S1] The voice is blue now. [S2] You know the quiet voice. [S1] They want the blue river.", "--seed", "3", "--max-tokens", "103", "--exact"];

    private short[] Speak(params string[] options)
    {
        Succeeds(Dia.Run([.. Quiet, .. options, "-o", In("a.wav")]));
        return Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples;
    }

    private static int LastSound(short[] samples) => Array.FindLastIndex(samples, s => Math.Abs((int)s) > 131) + 1;

    private void WriteVoice(string name, double silence) =>
        File.WriteAllBytes(In(name), Wav.OfFloats(Rate, 1, [.. new float[(int)(silence * Rate)], .. Recording]));
}
