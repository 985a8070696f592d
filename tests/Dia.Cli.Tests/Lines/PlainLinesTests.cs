using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>Lines of plain text.</summary>
public sealed class PlainLinesTests : LinesTest
{
    private static readonly string[] Args = ["--lines", "--seed", "4", "--max-tokens", "40"];

    [Fact]
    public void Each_line_has_its_file()
    {
        const string text = "[S1] Hello world.\n\n[S2] Hi.\r\n";
        Outcome outcome = Succeeds(Run(Dia, [.. Args, "-o", In("out")], text));
        Assert.Empty(outcome.Output);
        Succeeds(Run(Dia, [.. Args, "-o", In("line-{n}.wav"), "--codes", In("codes-{n}")], text));
        Assert.Equal(["codes-1", "codes-3", "line-1.wav", "line-3.wav", "out", "out/1.wav", "out/3.wav"], Names());
        Succeeds(Dia.Run(["[S2] Hi.", .. Args[1..], "-o", In("alone.wav"), "--codes", In("alone")]));
        foreach (string name in new[] { "out/3.wav", "line-3.wav" })
            Assert.Equal(File.ReadAllBytes(In("alone.wav")), File.ReadAllBytes(In(name)));
        Assert.Equal(File.ReadAllBytes(In("alone")), File.ReadAllBytes(In("codes-3")));
    }

    [Fact]
    public void On_standard_output_they_follow_each_other()
    {
        string[] texts = ["[S1] Hello world.", "[S2] Hi.", "[S1] How are you?"];
        byte[] all = Succeeds(Run(Dia, Args, string.Join('\n', texts))).Output;
        Wav wav = Wav.Parse(all);
        Assert.Equal(0xFFFFFFFF, wav.DataSize);
        Assert.Equal(texts.SelectMany(t => Wav.Raw(Succeeds(Dia.Run([t, .. Args[1..], "--raw"])).Output)), wav.Samples);
        Assert.Equal(all[44..], Succeeds(Run(Dia, [.. Args, "--raw", "-o", "-"], string.Join('\n', texts))).Output);
        Succeeds(Dia.Shell("$DIA --lines --seed 4 --max-tokens 40 -f $1 > $2", Write(texts), In("a.wav")));
        Assert.Equal((uint)wav.Samples.Length * 2, Wav.Parse(File.ReadAllBytes(In("a.wav"))).DataSize);
    }

    [Fact]
    public void Lines_that_fail_are_named_and_the_rest_is_spoken()
    {
        byte[] input = [.. "[S1] Hi.\n"u8, 0xFF, .. "\n"u8, .. Encoding.UTF8.GetBytes(new string('a', 2_000_000)), .. "\nHi.\n"u8];
        Outcome outcome = Dia.Run([.. Args, "-o", In("out")], input);
        Assert.Equal(1, outcome.ExitCode);
        Assert.Equal(["out", "out/1.wav", "out/4.wav"], Names());
        Assert.Equal(File.ReadAllBytes(In("out/1.wav")), File.ReadAllBytes(In("out/4.wav"))); // [S1] was put in front
        foreach (string part in new[] { "line 2: ", "byte 0 (0xFF)", "line 3: ", "longer than 1048576 bytes", "note: line 4", "4 lines, 2 failed" })
            Assert.Contains(part, outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Codes_alone_make_no_audio()
    {
        Assert.Empty(Succeeds(Run(Dia, [.. Args, "--codes", In("codes")], "[S1] Hi.\n")).Output);
        Assert.Equal(["codes", "codes/1.safetensors"], Names());
    }

    private string Write(string[] texts)
    {
        File.WriteAllLines(In("texts"), texts);
        return In("texts");
    }
}
