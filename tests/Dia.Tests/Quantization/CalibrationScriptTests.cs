using System.Text;
using Dia.Compiled;
using Dia.Networks;
using Dia.Quantization;
using Xunit;

namespace Dia.Tests.Quantization;

public sealed class CalibrationScriptTests
{
    private static readonly Dia.Configuration.DiaConfig Config = CompiledModels.All.OfType<CompiledModel>().First(m => m.Name == "dia-demo").Config;

    [Fact]
    public void A_line_is_a_text_and_every_tenth_is_kept_out()
    {
        CalibrationScript script = Parse("\uFEFF[s1] Hello.\r\n\r\n  \n[S2] Yes. [S1] No.  \n[S1] Old\rMacs.");
        Assert.Equal(["[S1] Hello.", "[S2] Yes. [S1] No.", "[S1] Old", "Macs."], script.Lines.Select(l => l.Piece.Text));
        Assert.Equal(1, script.Lines[0].Ids[0]);
        Assert.Equal([9, 19], Enumerable.Range(0, 25).Where(CalibrationScript.IsKeptOut));
    }

    [Theory]
    [InlineData("", "no line")]
    [InlineData("\n \n", "no line")]
    [InlineData("[S1] Yes.\n\n[S1] ...\n", "script.txt, line 3, has no letter")]
    [InlineData("[S1] Yes.\n {\"text\": \"[S1] No.\"}\n", "script.txt, line 2, is a JSON object among lines of plain text")]
    public void What_is_not_to_be_spoken_is_refused(string text, string message) =>
        Assert.Contains(message, Assert.Throws<DiaException>(() => Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void What_is_too_long_or_no_text_is_refused()
    {
        Assert.Contains("script.txt, line 2, is 261 bytes long", Refused(Encoding.UTF8.GetBytes("[S1] Yes.\n" + new string('a', 261))), StringComparison.Ordinal);
        Assert.Contains("UTF-8", Refused([0x41, 0xFF, 0x0A]), StringComparison.Ordinal);
        Assert.Contains("more than", Refused(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("a\n", CalibrationScript.MaxLines + 1)))), StringComparison.Ordinal);
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => CalibrationScript.Read("/nowhere/script.txt", Config)).Kind);
    }

    private static CalibrationScript Parse(string text) => CalibrationScript.Parse(Encoding.UTF8.GetBytes(text), "script.txt", 256);

    private static string Refused(byte[] bytes) => Assert.Throws<DiaException>(() => CalibrationScript.Parse(bytes, "script.txt", 256)).Message;
}
