using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Files in the wrong place: the message says what they are, and which option or command takes them.</summary>
public sealed class WrongKindTests : TestFolder
{
    private static readonly string Recording = Fixtures.Path("demo/voice.wav");

    private static readonly byte[] Mp3 = [.. "ID3\u0003\0\0\0\0\0\0"u8, 0xFF, 0xFB, 0x90, 0x64, .. new byte[500]];
    private static readonly byte[] M4a = [0, 0, 0, 32, .. "ftypM4A "u8, .. new byte[500]];
    private static readonly byte[] Utf16 = [0xFF, 0xFE, .. Encoding.Unicode.GetBytes("[S1] Hello.")];

    /// <summary>The file, how it is used (ARG is its name), the exit code, and what is said.</summary>
    public static TheoryData<string, string, int, string> Uses()
    {
        var uses = new TheoryData<string, string, int, string>();
        foreach (string taker in new[] { "[S1] Hi. --voice FILE", "[S1] Hi. --prompt-codes FILE", "decode FILE", "forward FILE out" })
        {
            uses.Add("me.wav", taker, 4, "a recording (WAV), not |--clone FILE|dia voice|dia encode");
            uses.Add("v.mp3", taker, 4, "a recording (MP3), not |--clone FILE");
            uses.Add("t.txt", taker, 4, "text, not |-f FILE");
            uses.Add("empty", taker, 4, "is empty");
        }

        foreach (string taker in new[] { "[S1] Hi. --clone FILE --clone-text x", "voice FILE --text x", "encode FILE" })
        {
            uses.Add("x.voice", taker, 4, "a voice file, not a WAV|--voice FILE");
            uses.Add("c.safetensors", taker, 4, "a file of audio codes, not a WAV|--prompt-codes FILE|dia decode");
            uses.Add("w.safetensors", taker, 4, "other tensors|--model DIR");
            uses.Add("v.mp3", taker, 4, "no frame of an MP3|ffmpeg -i "); // cut off
            uses.Add("v.m4a", taker, 4, "an M4A, not a WAV, FLAC, MP3, Opus or Vorbis|ffmpeg -i ");
            uses.Add("t.txt", taker, 4, "text, not a WAV|-f FILE");
            uses.Add("empty", taker, 4, "is empty");
            uses.Add("folder", taker, 4, "is a folder, not a WAV");
            uses.Add("model", taker, 4, "is a folder, not a WAV|--model");
        }

        foreach (string taker in new[] { "-f FILE", "-f FILE --lines", "-f FILE --jsonl" })
        {
            uses.Add("me.wav", taker, 4, "a recording (WAV), not a text|--clone FILE");
            uses.Add("v.mp3", taker, 4, "a recording (MP3), not a text|--clone FILE");
            uses.Add("x.voice", taker, 4, "a voice file, not a text|--voice FILE");
            uses.Add("utf16.txt", taker, 4, "text in UTF-16, not a text|iconv");
            uses.Add("folder", taker, 4, "is a folder, not a text");
        }

        foreach (string taker in new[] { "[S1] Hi. --model FILE", "convert FILE --dtype f32 -o out", "bundle FILE -o out" })
        {
            uses.Add("me.wav", taker, 3, "a recording (WAV), not a model|--clone FILE");
            uses.Add("c.safetensors", taker, 3, "a file of audio codes, not |--prompt-codes FILE");
            uses.Add("x.voice", taker, 3, "a voice file, not a model|--voice FILE");
            uses.Add("t.txt", taker, 3, "text, not a model|-f FILE");
            uses.Add("v.mp3", taker, 3, "a recording (MP3), not a model");
            uses.Add("empty", taker, 3, "is empty");
        }

        uses.Add("me.wav", "[S1] Hi. --codec FILE", 3, "a recording (WAV), not a codec");
        uses.Add("x.voice", "[S1] Hi. --prompt-codes FILE", 4, "a voice file, not a file of audio codes|--voice FILE");
        uses.Add("c.safetensors", "[S1] Hi. --voice FILE", 4, "a file of audio codes, not a voice file|--prompt-codes FILE");
        uses.Add("c.safetensors", "forward FILE out", 4, "a file of audio codes, not the inputs");
        uses.Add("in.safetensors", "decode FILE", 4, "inputs of a forward pass, not a file of audio codes|dia forward");
        uses.Add("folder", "[S1] Hi. --voice FILE", 4, "is a folder, not a voice file");
        uses.Add("folder", "decode FILE", 4, "is a folder, not a file of audio codes");
        return uses;
    }

    [Fact]
    public void It_is_said_what_a_file_is_and_what_takes_it()
    {
        Make();
        string[] before = Names();
        var wrong = new StringBuilder();
        foreach (var row in Uses())
        {
            var (file, use, exitCode, says) = ((string)row[0], (string)row[1], (int)row[2], (string)row[3]);
            string[] args = [.. use.Split(' ').Select(a => a switch { "FILE" => In(file), "out" => In("out"), _ => a })];
            if (args[0] is not ("convert" or "bundle" or "forward"))
                args = [.. args, "-o", In("out")];
            Outcome outcome = Dia.Run(args);
            if (outcome.ExitCode != exitCode || !outcome.Error.Contains(In(file), StringComparison.Ordinal)
                || says.Split('|').Any(s => !outcome.Error.Contains(s, StringComparison.Ordinal)))
                wrong.Append(file).Append(" as ").Append(use).Append(": ").Append(outcome.ExitCode).Append(' ').Append(outcome.Error);
        }

        Assert.Equal("", wrong.ToString());
        Assert.Equal(before, Names());
    }

    [Fact]
    public void It_is_said_of_a_pipe_too()
    {
        Make();
        byte[] wav = File.ReadAllBytes(Recording);
        Fails(4, Dia.Run(["-o", In("out")], wav), "standard input is a recording (WAV), not a text");
        Fails(4, Dia.Run(["--jsonl"], wav), "standard input is a recording (WAV), not a text");
        Fails(4, Dia.Run(["--lines", "-o", In("{n}.wav")], Mp3), "standard input is a recording (MP3), not a text");
        Fails(4, Dia.Run(["encode", "-"], M4a), "standard input is an M4A, not a WAV", "ffmpeg -i IN -ac 1 OUT.wav");
        Fails(4, Dia.Run(["encode", "-"], File.ReadAllBytes(In("x.voice"))), "standard input is a voice file, not a WAV");
    }

    [Fact]
    public void Json_lines_say_it_too()
    {
        Make();
        Outcome outcome = Dia.Run(["--jsonl", "--input-dir", Folder],
            "{\"text\":\"[S1] Hi.\",\"clone\":\"x.voice\",\"clone_text\":\"x\"}\n{\"text\":\"[S1] Hi.\",\"voice\":\"me.wav\"}\n"u8.ToArray());
        Assert.Equal(1, outcome.ExitCode);
        Assert.Contains("x.voice is a voice file, not a WAV, FLAC, MP3, Opus or Vorbis. --voice FILE", outcome.Text, StringComparison.Ordinal);
        Assert.Contains("me.wav is a recording (WAV), not a voice file ", outcome.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_voice_file_has_codes_to_decode()
    {
        Make();
        Succeeds(Dia.Run("decode", In("x.voice"), "-o", In("a.wav")));
        Succeeds(Dia.Run("decode", In("c.safetensors"), "-o", In("b.wav")));
        Assert.Equal(File.ReadAllBytes(In("a.wav")), File.ReadAllBytes(In("b.wav")));
    }

    private void Make()
    {
        File.Copy(Recording, In("me.wav"));
        File.WriteAllBytes(In("v.mp3"), Mp3);
        File.WriteAllBytes(In("v.m4a"), M4a);
        File.WriteAllBytes(In("utf16.txt"), Utf16);
        File.WriteAllBytes(In("empty"), []);
        File.WriteAllText(In("t.txt"), "[S1] Hello.\n");
        Directory.CreateDirectory(In("folder"));
        Directory.CreateDirectory(In("model"));
        File.WriteAllText(In("model/config.json"), "{}");
        Succeeds(Dia.Run("encode", Recording, "-o", In("c.safetensors")));
        Succeeds(Dia.Run("voice", Recording, "--text", "[S1] x", "-o", In("x.voice")));
        TensorFile.Write(In("w.safetensors"), ("model.weight", [2], new float[2]));
        TensorFile.Write(In("in.safetensors"), ("input_ids", [1, 2], new long[2]));
    }
}
