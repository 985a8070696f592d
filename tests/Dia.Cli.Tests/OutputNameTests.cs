using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Names that promise another format than the one that is written.</summary>
public sealed class OutputNameTests : TestFolder
{
    private static readonly string Recording = Fixtures.Path("demo/voice.wav");
    private static readonly string[] Say = ["[S1] Hi.", "--max-tokens", "17"];

    [Theory]
    [InlineData("speech.mp3")]
    [InlineData("SPEECH.MP3")]
    [InlineData("speech.aiff")]
    [InlineData("speech.ogg")]
    [InlineData("speech.w64")]
    [InlineData("speech.mp4")]
    [InlineData("speech.png")]
    [InlineData("speech.safetensors")]
    public void Audio_is_no_other_format(string name)
    {
        string pipe = "| ffmpeg -i - " + name;
        Fails(2, Dia.Run([.. Say, "-o", In(name)]), In(name), Path.GetFileNameWithoutExtension(name) + ".wav", pipe, "--raw");
        Fails(2, Dia.Run([.. Say, "--split", "-o", In(name)]), pipe);
        Fails(2, Dia.Run(Say, [], ("DIA_OUTPUT", In(name))), pipe);
        Fails(2, Dia.Run(["--lines", "-o", In("{n}." + name)], "[S1] Hi.\n"u8.ToArray()), "ffmpeg");
        // Before anything else is looked at.
        Fails(2, Dia.Run("decode", In("missing"), "-o", In(name)), "dia decode ... | ffmpeg -i - " + name);
        Outcome lines = Dia.Run(["--jsonl", "--output-dir", Folder], System.Text.Encoding.UTF8.GetBytes(
            $"{{\"text\":\"[S1] Hi.\",\"output\":\"{name}\"}}\n{{\"text\":\"[S1] Hi.\",\"output\":\"a.wav\",\"max_tokens\":17}}\n"));
        Assert.Equal(1, lines.ExitCode);
        Assert.Contains("\"code\":\"usage\"", lines.Text, StringComparison.Ordinal);
        Assert.Contains($"output is '{name}', but audio is written as WAV", lines.Text, StringComparison.Ordinal);
        Assert.Equal(["a.wav"], Names());
    }

    [Fact]
    public void Pictures_are_PNG()
    {
        foreach (string name in new[] { "p.jpg", "p.JPEG", "p.svg", "p.wav" })
            Fails(2, Dia.Run([.. Say, "--plot", In(name)]), In(name), "p.png", "ffmpeg -i p.png " + name);
        Succeeds(Dia.Run([.. Say, "--plot", In("p.PNG"), "-o", In("p.WAV")]));
        Assert.Equal(["p.PNG", "p.WAV"], Names());
    }

    [Fact]
    public void Codes_and_voices_are_no_sound()
    {
        foreach (string name in new[] { "x.wav", "x.MP3", "x.png" })
        {
            Fails(2, Dia.Run([.. Say, "--codes", In(name)]), In(name), "x.safetensors");
            Fails(2, Dia.Run(["--lines", "--codes", In("{n}" + name)], "[S1] Hi.\n"u8.ToArray()), ".safetensors");
            Fails(2, Dia.Run("encode", Recording, "-o", In(name)), In(name), "x.safetensors");
            Fails(2, Dia.Run("forward", In("missing"), In(name)), In(name), "x.safetensors");
            Fails(2, Dia.Run("voice", Recording, "--text", "[S1] x", "-o", In(name)), In(name), "x.voice");
        }

        Assert.Empty(Names());
    }

    [Fact]
    public void Other_names_are_as_they_were()
    {
        foreach (string name in new[] { "a", "a.txt", "a.wave", "a.WAV", "mp3", ".hidden", "mp3.d" })
        {
            Succeeds(Dia.Run([.. Say, "-o", In(name)]));
            Wav.Parse(File.ReadAllBytes(In(name)));
        }

        Succeeds(Dia.Run([.. Say, "--raw", "-o", In("raw.mp3")])); // Whoever asks for samples gets samples.
        Succeeds(Dia.Run([.. Say, "--plot", In("plot")]));
        Directory.CreateDirectory(In("album.mp3"));
        Succeeds(Dia.Run(["--lines", "-o", In("album.mp3"), "--max-tokens", "17"], "[S1] Hi.\n"u8.ToArray()));
        Assert.True(File.Exists(In("album.mp3/1.wav")));
    }

    [Theory]
    [InlineData("a.wav", true, "-o ends in .wav, and --raw writes samples without a header")]
    [InlineData("a.MP3", true, "-o ends in .mp3, and --raw")]
    [InlineData("a.raw", true, null)]
    [InlineData("a.raw", false, "-o ends in .raw, and sound with a header is written")]
    [InlineData("a.wav", false, null)]
    public void Samples_under_the_name_of_a_WAV_and_the_opposite_are_written_as_asked_for_and_told(string name, bool raw, string? says)
    {
        string[] options = raw ? ["--raw"] : [];
        string error = Succeeds(Dia.Run([.. Say, "-o", In(name), .. options])).Error;
        Assert.Equal(says is not null, error.Contains("-o ends in", StringComparison.Ordinal));
        Assert.Contains(says ?? "", error, StringComparison.Ordinal);
        Assert.Equal(!raw, File.ReadAllBytes(In(name)).AsSpan().StartsWith("RIFF"u8));
        error = Succeeds(Dia.Run(["--lines", "-o", In("{n}" + name), .. Say[1..], .. options], "[S1] Hi.\n[S1] No.\n"u8.ToArray())).Error;
        Assert.Equal(says is null ? 0 : 1, error.Split("warning: -o ends").Length - 1);
    }

    [Fact]
    public void What_is_read_is_not_replaced()
    {
        File.Copy(Recording, In("a"));
        File.CreateSymbolicLink(In("link"), "a");
        byte[] before = File.ReadAllBytes(In("a"));
        File.WriteAllText(In("list"), "[S1] Hi.\n");
        string[] say = [.. Say, "--clone", In("a"), "--clone-text", "[S1] x"];
        foreach (string same in new[] { In("a"), In("./a"), In("link") })
        {
            Fails(2, Dia.Run([.. say, "-o", same]), $"-o is '{same}', and so is --clone");
            Fails(2, Dia.Run([.. say, "-o", In("out"), "--codes", same]), $"--codes is '{same}', and so is --clone");
            Fails(2, Dia.Run("encode", In("a"), "-o", same), "and so is IN");
            Fails(2, Dia.Run("decode", same, "-o", In("a")), "and so is CODES.safetensors");
            Fails(2, Dia.Run("voice", In("a"), "--text", "[S1] x", "-o", same), "and so is IN");
            Fails(2, Dia.Run("prepare", "--text", "[S1] x", "--audio", In("a"), "-o", same), "and so is --audio");
            Fails(2, Dia.Run("forward", In("a"), same), "and so is IN.safetensors");
            Fails(2, Dia.Run("generate", In("a"), same), "and so is IN.safetensors");
            Fails(2, Dia.Run("-f", same, "-o", In("a")), "and so is -f");
            Fails(2, Dia.Run("--lines", "-f", In("a"), "-o", In("out"), "--journal", same), $"--journal is '{same}', and so is -f");
        }

        string line = $"{{\"text\":\"[S1] Hi.\",\"clone\":\"a\",\"clone_text\":\"[S1] x\",\"output\":\"link\"}}\n";
        Outcome lines = Dia.Run(["--jsonl", "--input-dir", Folder, "--output-dir", Folder], System.Text.Encoding.UTF8.GetBytes(line));
        Assert.Contains("and so is clone: what is read would be replaced", lines.Text, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(In("a")));
        Succeeds(Dia.Run("encode", In("a"), "-o", In("b")));
    }

    [Fact]
    public void Devices_and_pipes_may_be_called_anything()
    {
        File.CreateSymbolicLink(In("null.mp3"), "/dev/null");
        Succeeds(Dia.Run([.. Say, "-o", In("null.mp3")]));
        Succeeds(Dia.Shell("mkfifo $1 && cat $1 > $2 & sleep 0.5; $DIA '[S1] Hi.' --max-tokens 17 -o $1; wait", In("pipe.mp3"), In("out")));
        Assert.NotEmpty(Wav.Parse(File.ReadAllBytes(In("out"))).Samples);
    }

    [Fact]
    public void A_link_is_called_what_it_leads_to()
    {
        File.CreateSymbolicLink(In("good.wav"), In("song.mp3"));
        File.CreateSymbolicLink(In("bad.mp3"), In("song.wav"));
        File.CreateSymbolicLink(In("fine.wav"), In("song.wav"));
        Fails(2, Dia.Run([.. Say, "-o", In("good.wav")]), "song.mp3", "WAV");
        Fails(2, Dia.Run([.. Say, "-o", In("bad.mp3")]), "bad.mp3", "WAV");
        Succeeds(Dia.Run([.. Say, "-o", In("fine.wav")]));
        Assert.Equal(["bad.mp3", "fine.wav", "good.wav", "song.wav"], Names());
    }

    [Fact]
    public void A_relative_link_leads_to_where_the_system_says()
    {
        Directory.CreateDirectory(In("sub/deep"));
        Directory.CreateDirectory(In("other"));
        File.CreateSymbolicLink(In("a.wav"), "target.wav");
        File.CreateSymbolicLink(In("sub/b.wav"), "../up.wav");
        File.CreateSymbolicLink(In("linked"), "sub/deep");
        File.CreateSymbolicLink(In("sub/deep/c.wav"), "../beside.wav");
        Succeeds(
            Dia.Shell(
            "cd $1; for f in a.wav ./sub/b.wav linked/c.wav linked/../d.wav linked/e.wav other/../f.wav; do $DIA '[S1] Hi.' --max-tokens 17 -o $f || exit; done", Folder));
        Assert.Equal(["a.wav", "f.wav", "linked", "linked/c.wav", "linked/e.wav", "other", "sub", "sub/b.wav", "sub/beside.wav", "sub/d.wav", "sub/deep",
            "sub/deep/c.wav", "sub/deep/e.wav", "target.wav", "up.wav"], Names());
        File.CreateSymbolicLink(In("circle.wav"), "circle.wav");
        Fails(6, Dia.Run([.. Say, "-o", In("circle.wav")]), "circle.wav");
    }
}
