using System.Text;
using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>JSON lines that name a voice of their own.</summary>
public sealed class LineVoicesTests : LinesTest
{
    private const string Text = "[S1] Hello world.";
    private static readonly string Recording = Fixtures.Path("demo/voice.wav");
    private static readonly string Transcript = File.ReadAllText(Fixtures.Path("demo/voice.txt")).Trim();
    private static readonly string[] Short = ["--seed", "3", "--max-tokens", "40"];

    private string[] Args => ["--jsonl", .. Short, "--input-dir", In("in"), "--output-dir", In("out")];

    [Fact]
    public void A_voice_on_a_line_speaks_as_the_commands()
    {
        Make();
        Succeeds(Dia.Run([Text, .. Short, "--clone", Recording, "--clone-text", Transcript, "-o", In("clone.wav")]));
        Succeeds(Dia.Run([Text, .. Short, "-o", In("plain.wav")]));
        Succeeds(Run(Dia, Args, $$"""
            {"text":"{{Text}}","output":"clone.wav","clone":"me.wav","clone_text":"{{Transcript}}"}
            {"text":"{{Text}}","output":"plain.wav"}
            {"text":"{{Text}}","output":"voice.wav","voice":"sub/me.voice"}
            {"text":"{{Text}}","output":"none.wav","voice":null,"clone":null,"clone_text":null}

            """));
        Assert.NotEqual(File.ReadAllBytes(In("clone.wav")), File.ReadAllBytes(In("plain.wav")));
        foreach (var (line, command) in new[] { ("clone", "clone"), ("plain", "plain"), ("voice", "clone"), ("none", "plain") })
            Assert.True(File.ReadAllBytes(In($"{command}.wav")).AsSpan().SequenceEqual(File.ReadAllBytes(In($"out/{line}.wav"))), $"{line} is not {command}");
    }

    [Fact]
    public void It_takes_the_place_of_the_commands_voice()
    {
        Make();
        // The other voice is the recording's first half.
        short[] samples = Wav.Parse(File.ReadAllBytes(Recording)).Samples;
        File.WriteAllBytes(In("other.wav"), Wav.OfFloats(16000, 1, [.. samples.Take(samples.Length / 2).Select(s => s / 32768f)]));
        string[] other = ["--clone", In("other.wav"), "--clone-text", "[S1] Something else."];
        Succeeds(Dia.Run([Text, .. Short, "--voice", In("in/sub/me.voice"), "--keep-prompt", "-o", In("mine.wav")]));
        Succeeds(Dia.Run([Text, .. Short, .. other, "--keep-prompt", "-o", In("other-out.wav")]));
        Outcome outcome = Run(Dia, [.. Args, .. other, "--keep-prompt"], $$"""
            {"text":"{{Text}}","output":"clone.wav","clone":"me.wav","clone_text":"{{Transcript}}"}
            {"text":"{{Text}}","output":"voice.wav","voice":"sub/me.voice"}
            {"text":"{{Text}}","output":"other.wav"}
            {"text":"{{Text}}","output":"half.wav","clone_text":"{{Transcript}}"}

            """);
        Assert.Equal([null, null, null, "usage"], Answers(outcome).Select(Error));
        Assert.Equal(File.ReadAllBytes(In("mine.wav")), File.ReadAllBytes(In("out/clone.wav")));
        Assert.Equal(File.ReadAllBytes(In("mine.wav")), File.ReadAllBytes(In("out/voice.wav")));
        Assert.Equal(File.ReadAllBytes(In("other-out.wav")), File.ReadAllBytes(In("out/other.wav")));
    }

    /// <summary>What lines ask for, the code of the answer, and what its message says.</summary>
    public static TheoryData<string, string, string> BadVoices() => new()
    {
        { "\"clone\":\"../me.wav\",\"clone_text\":\"x\"", "usage", "`..`" },
        { "\"clone\":\"sub/../../me.wav\",\"clone_text\":\"x\"", "usage", "`..`" },
        { "\"clone\":\"ABSOLUTE\",\"clone_text\":\"x\"", "usage", "absolute" },
        { "\"clone\":\"linked/me.wav\",\"clone_text\":\"x\"", "usage", "link that leads out" },
        { "\"clone\":\"file\",\"clone_text\":\"x\"", "usage", "link that leads out" },
        { "\"voice\":\"../me.voice\"", "usage", "`..`" },
        { "\"voice\":\"VOICE\"", "usage", "absolute" },
        { "\"voice\":\"linked/me.voice\"", "usage", "link that leads out" },
        { "\"clone\":\"-\",\"clone_text\":\"x\"", "usage", "standard input holds the lines" },
        { "\"voice\":\"-\"", "usage", "standard input holds the lines" },
        { "\"clone\":\"\",\"clone_text\":\"x\"", "usage", "clone" },
        { "\"clone\":\"me.wav\"", "usage", "clone_text" },
        { "\"clone_text\":\"x\"", "usage", "clone_text" },
        { "\"clone\":\"me.wav\",\"clone_text\":\"x\",\"voice\":\"sub/me.voice\"", "usage", "give one of them" },
        { "\"clone\":7,\"clone_text\":\"x\"", "usage", "clone must be a string" },
        { "\"clone\":\"none.wav\",\"clone_text\":\"x\"", "input", "none.wav" },
        { "\"clone\":\"sub\",\"clone_text\":\"x\"", "input", "sub" },
        { "\"clone\":\"text.wav\",\"clone_text\":\"x\"", "input", "text.wav" },
        { "\"clone\":\"silent.wav\",\"clone_text\":\"x\"", "input", "silent.wav is silent" },
        { "\"clone\":\"empty.wav\",\"clone_text\":\"x\"", "input", "empty.wav holds no samples" },
        { "\"clone\":\"long.wav\",\"clone_text\":\"x\"", "input", "Cut it" },
        { "\"voice\":\"me.wav\"", "input", "me.wav" },
        { "\"voice\":\"codes\"", "input", "not a voice file" },
    };

    [Fact]
    public void A_bad_voice_is_answered_and_the_rest_goes_on()
    {
        Make();
        File.WriteAllText(In("in/text.wav"), "This is no sound at all, but it is long enough to have a header.");
        File.WriteAllBytes(In("in/silent.wav"), Wav.OfFloats(16000, 1, new float[16000]));
        File.WriteAllBytes(In("in/empty.wav"), Wav.OfFloats(16000, 1, []));
        File.WriteAllBytes(In("in/long.wav"),
            Wav.OfFloats(16000, 1, [.. Enumerable.Range(0, 25 * 16000).Select(i => 0.1f * (i % 7))])); // the demo holds 24.5 s
        Succeeds(Dia.Run("encode", Recording, "-o", In("in/codes")));
        var cases = BadVoices().Select(row => ((string)row[0], (string)row[1], (string)row[2])).ToList();
        var input = new StringBuilder();
        foreach (var (keys, _, _) in cases)
            input.Append("{\"text\":\"[S1] Hi.\",\"max_tokens\":17}\n{\"text\":\"[S1] Hi.\",\"max_tokens\":17,").Append(keys.Replace("ABSOLUTE",
                In("in/me.wav"), StringComparison.Ordinal).Replace("VOICE", In("in/sub/me.voice"), StringComparison.Ordinal)).Append("}\n");
        Outcome outcome = Run(Dia, Args, input.ToString());
        Assert.Equal(1, outcome.ExitCode);
        JsonElement[] answers = Answers(outcome);
        Assert.Equal(Enumerable.Range(1, 2 * cases.Count), answers.Select(Line));
        for (int i = 0; i < cases.Count; i++)
        {
            Assert.Null(Error(answers[2 * i]));
            JsonElement bad = answers[2 * i + 1];
            Assert.True(cases[i].Item2 == Error(bad), $"{cases[i].Item1}: {bad}");
            Assert.Contains(cases[i].Item3, bad.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Any_path_lets_them_in()
    {
        Make();
        JsonElement[] answers = Answers(Succeeds(Run(Dia, [.. Args, "--any-path"], $$"""
            {"text":"{{Text}}","clone":"me.wav","clone_text":"{{Transcript}}"}
            {"text":"{{Text}}","clone":"{{Recording}}","clone_text":"{{Transcript}}"}
            {"text":"{{Text}}","voice":"../outside/me.voice"}
            {"text":"{{Text}}","voice":"linked/me.voice"}

            """)));
        Assert.Single(answers.Select(a => a.GetProperty("audio").GetString()).Distinct());
    }

    [Fact]
    public void Codes_alone_need_a_codec_for_a_recording_and_none_for_a_voice_file()
    {
        Make();
        string model = CopyOf(Fixtures.Demo);
        Directory.Delete(Path.Combine(model, "dac"), recursive: true);
        Outcome outcome = Run(Dia, [.. Args, "--model", model, "--codes", In("codes")], $$"""
            {"text":"{{Text}}","voice":"sub/me.voice"}
            {"text":"{{Text}}","clone":"me.wav","clone_text":"{{Transcript}}"}

            """);
        Assert.Equal([null, "model"], Answers(outcome).Select(Error));
        Assert.Contains("--codec", outcome.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_help_names_every_key()
    {
        Make();
        string help = Succeeds(Dia.Run("--help")).Text;
        string keys = help[help.IndexOf("Keys of a request", StringComparison.Ordinal)..help.IndexOf("Keys of an answer", StringComparison.Ordinal)];
        // The error of an unknown key lists those that there are.
        string message = Answers(Run(Dia, Args, "{\"text\":\"x\",\"bogus\":1}\n"))[0].GetProperty("error").GetProperty("message").GetString()!;
        string[] known = message[(message.IndexOf("are: ", StringComparison.Ordinal) + 5)..^1].Split(", ");
        Assert.True(known.Length > 10);
        Assert.All(known, key => Assert.Matches($@"\b{key}\b", keys));
        string answer = help[help.IndexOf("Keys of an answer", StringComparison.Ordinal)..];
        Assert.All(["line", "id", "output", "codes", "seconds", "frames", "stop", "seed", "rtf", "audio", "error"], key =>
            Assert.Matches($@"\b{key}\b", answer[..700]));
    }

    private void Make()
    {
        Directory.CreateDirectory(In("in/sub"));
        Directory.CreateDirectory(In("outside"));
        File.Copy(Recording, In("in/me.wav"));
        File.Copy(Recording, In("me.wav"));
        File.Copy(Recording, In("outside/me.wav"));
        Succeeds(Dia.Run("voice", Recording, "--text", Transcript, "-o", In("in/sub/me.voice")));
        File.Copy(In("in/sub/me.voice"), In("outside/me.voice"));
        File.Copy(In("in/sub/me.voice"), In("me.voice"));
        Directory.CreateSymbolicLink(In("in/linked"), In("outside"));
        File.CreateSymbolicLink(In("in/file"), In("me.wav"));
    }
}
