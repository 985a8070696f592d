using Dia.Training;
using Xunit;

namespace Dia.Tests.Training;

public sealed class DataManifestTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_has_recordings_beside_their_transcripts()
    {
        _folder.Write("b.wav", "");
        _folder.Write("b.txt", "[S2] Hi.\r\n");
        _folder.Write("c.opus", "");
        _folder.Write("c.txt", "[S1] Opus.");
        _folder.Write("anna/a.WAV", "");
        _folder.Write("anna/a.txt", "\uFEFF Hello. ");
        _folder.Write("notes.md", "not read");
        _folder.Write(".hidden/c.wav", "");
        _folder.Write("model/config.json", "{}");
        _folder.Write("model/samples/step-1.wav", "");
        DataManifest read = DataManifest.Read(_folder.Path);
        Assert.Empty(read.Problems);
        Assert.Equal([new(_folder["anna/a.WAV"], _folder["anna/a.WAV"], "[S1] Hello."), new(_folder["b.wav"], _folder["b.wav"], "[S2] Hi."),
            new(_folder["c.opus"], _folder["c.opus"], "[S1] Opus.")], read.Entries);
        Assert.Equal(1, read.Untagged);
    }

    [Fact]
    public void What_is_alone_in_a_folder_is_named()
    {
        _folder.Write("a.wav", "");
        _folder.Write("b.txt", "Hi.");
        _folder.Write("c.wav", "");
        _folder.Write("c.txt", " [S1] ... ");
        _folder.Write("d.wav", "");
        _folder.Write("d.txt", [0x48, 0xE9]);
        _folder.Write("e.wav", "");
        _folder.Write("e.txt", new string('a', 70_000));
        DataManifest read = DataManifest.Read(_folder.Path);
        Assert.Empty(read.Entries);
        Assert.Equal(["a.wav", "b.txt", "c.wav", "d.wav", "e.wav"], read.Problems.Select(p => Path.GetFileName(p.Place)));
        string[] says = ["no a.txt beside it", "no recording of this name", "nothing to say", "not valid UTF-8", "longer than 65536 bytes"];
        Assert.All(read.Problems.Zip(says), p => Assert.Contains(p.Second, p.First.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"audio":"x/a.wav","text":"[S1] Hello.","speaker":3}""", "x/a.wav", "[S1] Hello.")]
    [InlineData("""{"file_name":"a.wav","transcription":"Oh \u00e9\n[s2] yes"}""", "a.wav", "[S1] Oh é\n[S2] yes")]
    [InlineData("""{"audio_filepath":"a.wav","duration":1.5,"text":"Hi."}""", "a.wav", "[S1] Hi.")]
    public void Lines_of_JSON_are_read(string line, string audio, string text)
    {
        DataManifest read = DataManifest.Read(_folder.Write("data.jsonl", $"\uFEFF\n{line}\r\n"));
        Assert.Empty(read.Problems);
        Assert.Equal(new DataEntry($"{_folder["data.jsonl"]}, line 2", _folder[audio], text), Assert.Single(read.Entries));
    }

    [Theory]
    [InlineData("{\"audio\":\"a.wav\"}", "the key text is missing")]
    [InlineData("{\"text\":\"a\"}", "the key audio is missing")]
    [InlineData("{\"audio\":\"a.wav\",\"text\":\"a\",\"transcription\":\"b\"}", "the keys text and transcription say the same")]
    [InlineData("{\"audio\":\"a.wav\",\"text\":\"a\",\"text\":\"b\"}", "the keys text and text")]
    [InlineData("{\"audio\":{\"path\":\"a.wav\"},\"text\":\"a\"}", "audio must be a string")]
    [InlineData("{\"audio\":\"a.wav\",\"text\":null}", "text must be a string")]
    [InlineData("{\"audio\":\"a.wav\",\"text\":\" \"}", "the transcript is empty")]
    [InlineData("{\"audio\":\"a.wav\",\"text\":\"\\ud800\"}", "half of a surrogate pair")]
    [InlineData("{\"audio\":\"a.wav\",", "not valid JSON at byte 16")]
    [InlineData("[1]", "no object")]
    public void A_bad_line_of_JSON_is_named_and_the_others_are_read(string line, string says)
    {
        DataManifest read = DataManifest.Read(_folder.Write("data.jsonl", $"{{\"audio\":\"1.wav\",\"text\":\"One.\"}}\n{line}\n{{\"audio\":\"3.wav\",\"text\":\"Three.\"}}"));
        Assert.Equal(["[S1] One.", "[S1] Three."], read.Entries.Select(e => e.Text));
        DataProblem problem = Assert.Single(read.Problems);
        Assert.Equal($"{_folder["data.jsonl"]}, line 2", problem.Place);
        Assert.Contains(says, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Columns_are_read_as_Hugging_Face_writes_them()
    {
        _folder.Write("metadata.csv", "speaker,file_name,transcription\r\nx,train/a.wav,\"Hello, \"\"you\"\".\"\r\n\r\ny,b.wav,\"Two\nlines.\"\r\nz,c.wav,Plain.\r\nz,d.wav,a,b\r\ne.wav\r\n");
        DataManifest read = DataManifest.Read(_folder.Path);
        Assert.Equal(["[S1] Hello, \"you\".", "[S1] Two\nlines.", "[S1] Plain."], read.Entries.Select(e => e.Text));
        Assert.Equal([_folder["train/a.wav"], _folder["b.wav"], _folder["c.wav"]], read.Entries.Select(e => e.AudioPath));
        Assert.Equal(["line 2", "line 4", "line 6"], read.Entries.Select(e => e.Place.Split(", ")[1]));
        Assert.Equal(["line 7", "line 8"], read.Problems.Select(p => p.Place.Split(", ")[1]));
        Assert.Contains("4 columns, the first line 3", read.Problems[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LJSpeech_is_read_with_its_numbers_spelled_out()
    {
        _folder.Write("metadata.csv", "LJ001-0001|In 1455, \"so|In fourteen fifty-five, \"so\nx/b.wav|Yes.\nLJ001-0003|Yes.|\nLJ001-0004||\nLJ001-0005\n");
        DataManifest read = DataManifest.Read(_folder.Path);
        Assert.Equal(["[S1] In fourteen fifty-five, \"so", "[S1] Yes.", "[S1] Yes."], read.Entries.Select(e => e.Text));
        Assert.Equal([_folder["wavs/LJ001-0001.wav"], _folder["x/b.wav"], _folder["wavs/LJ001-0003.wav"]], read.Entries.Select(e => e.AudioPath));
        Assert.Equal(["line 4", "line 5"], read.Problems.Select(p => p.Place.Split(", ")[1]));
    }

    [Theory]
    [InlineData("m.csv", "name,text\na.wav,Hi.\n", "none is called audio or file_name")]
    [InlineData("m.csv", "file_name,text,transcription\n", "two columns of the first line say the same")]
    [InlineData("m.csv", "file_name,text\na.wav,\"Hi.\nb.wav,Ho.\n", "a quotation mark is opened and not closed")]
    [InlineData("m.csv", "file_name,text\n", "names no recording")]
    [InlineData("m.jsonl", "\n\n", "names no recording")]
    [InlineData("m.jsonl", "", "is empty")]
    [InlineData("m.jsonl", "RIFF....WAVEfmt \0\0\0\0", "is a recording")]
    public void What_is_no_manifest_is_refused(string name, string text, string says) =>
        Assert.Contains(says, Assert.Throws<DiaException>(() => DataManifest.Read(_folder.Write(name, text))).Message, StringComparison.Ordinal);

    [Fact]
    public void What_is_not_there_or_empty_is_refused()
    {
        Assert.Contains("no such file", Assert.Throws<DiaException>(() => DataManifest.Read(_folder["none.jsonl"])).Message, StringComparison.Ordinal);
        Assert.Contains("holds no recordings", Assert.Throws<DiaException>(() => DataManifest.Read(_folder.Path)).Message, StringComparison.Ordinal);
        DiaException utf16 = Assert.Throws<DiaException>(() => DataManifest.Read(_folder.Write("m.csv", System.Text.Encoding.Unicode.GetBytes("file_name,text\n"))));
        Assert.Contains("UTF-16", utf16.Message, StringComparison.Ordinal);
    }
}
