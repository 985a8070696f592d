using System.Text;
using Dia.Configuration;
using Dia.Text;
using FsCheck;
using FsCheck.Xunit;
using Xunit;

namespace Dia.Tests.Text;

public sealed class ScriptTextTests
{
    [Theory]
    [InlineData("\uFEFF[S1] Hi.", "[S1] Hi.")]
    [InlineData("\uFEFF\r\n \t[S1] Hi.\r\n\r\n", "[S1] Hi.")]
    [InlineData("\n\uFEFF[S1] Hi.", "[S1] Hi.")]
    [InlineData("[S1] A.\n\uFEFF[S2] B.", "[S1] A.\n[S2] B.")] // two files put together
    [InlineData("[S1] A.\r\n[S2] B.\r[S1] C.\n\r\n[S2] D.", "[S1] A.\n[S2] B.\n[S1] C.\n\n[S2] D.")]
    [InlineData("\u00A0\u2003Hi.\u2028\u00A0", "Hi.")]
    [InlineData("[s1] A. [s2] B. [S3] C.", "[S1] A. [S2] B. [S3] C.")]
    [InlineData("\u0001 A.\u0002", "\u0001 A.\u0002")]
    [InlineData("[S1]  two  blanks\t stay", "[S1]  two  blanks\t stay")]
    [InlineData("\r", "")]
    public void A_text_means_the_same_on_every_system(string text, string expected) => Assert.Equal(expected, ScriptText.Normalize(text));

    [Property(MaxTest = 2000)]
    public void Doing_it_again_changes_nothing(string?[] parts, byte[] picks)
    {
        string text = Mixed(parts, picks), once = ScriptText.Normalize(text);
        Assert.Equal(once, ScriptText.Normalize(once));
        Assert.DoesNotContain('\r', once);
        Assert.Equal(once, ScriptText.Normalize("\uFEFF \r\n" + once.Replace("\n", "\r\n", StringComparison.Ordinal) + "\r"));
        Assert.Equal(once, ScriptText.Normalize(once.Replace('\n', '\r')));
    }

    [Property(MaxTest = 1000)]
    public void Raw_text_is_never_changed(string?[] parts, byte[] picks)
    {
        string text = Mixed(parts, picks);
        if (ScriptText.HasSpeech(text))
            Assert.Same(text, ScriptText.Prepare(text, "x", raw: true));
        else
            Assert.Throws<DiaException>(() => ScriptText.Prepare(text, "x", raw: true));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \t\r\n")]
    [InlineData("[S1] ")]
    [InlineData("[S1][S2]<pad>\u0001\u0002\0")]
    [InlineData("[S1] ... ?! (…) — *")]
    [InlineData("\u00A0\u200B\u200C\u200D\u2060\uFEFF\u00AD\u2800")]
    [InlineData("\u3164\u115F\u1160\uFFA0")] // letters that show nothing
    [InlineData("[S1] \U0001F600 \uFE0F")]
    public void Nothing_to_say(string text)
    {
        Assert.False(ScriptText.HasSpeech(text));
        foreach (bool raw in (bool[])[false, true])
        {
            var e = Assert.Throws<DiaException>(() => ScriptText.Prepare(text, "list.txt", raw));
            Assert.Equal(DiaErrorKind.Input, e.Kind);
            Assert.StartsWith("list.txt ", e.Message, StringComparison.Ordinal);
            Assert.Contains("nothing to say", e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("a")]
    [InlineData("[S1] 7")]
    [InlineData("[S1] (laughs)")]
    [InlineData("[S3]")]
    [InlineData("語")]
    [InlineData("नमस्ते")]
    [InlineData("\U00010400")] // Deseret
    [InlineData("\U00020000")] // a rare Han character
    [InlineData("\U0001D7D8")] // a mathematical digit
    [InlineData("½")]
    [InlineData("٣")]
    [InlineData("… \u0E01")]
    public void Something_to_say(string text)
    {
        Assert.True(ScriptText.HasSpeech(text));
        Assert.Equal(text, ScriptText.Prepare(text, "x", raw: false));
    }

    [Fact]
    public void Lower_case_tags_alone_are_tags_unless_raw()
    {
        Assert.Throws<DiaException>(() => ScriptText.Prepare("[s1]", "x", raw: false));
        Assert.Equal("[s1]", ScriptText.Prepare("[s1]", "x", raw: true));
    }

    [Theory]
    [InlineData(new byte[] { 0xFF, 0xFE, 0x61, 0 }, "UTF-16", "FF FE")]
    [InlineData(new byte[] { 0xFE, 0xFF, 0, 0x61 }, "UTF-16", "FE FF")]
    [InlineData(new byte[] { 0xFF, 0xFE, 0, 0, 0x61, 0, 0, 0 }, "UTF-32", "FF FE 00 00")]
    [InlineData(new byte[] { 0, 0, 0xFE, 0xFF, 0, 0, 0, 0x61 }, "UTF-32", "00 00 FE FF")]
    public void Other_encodings_are_named(byte[] bytes, string encoding, string mark)
    {
        var e = Assert.Throws<DiaException>(() => ScriptText.Decode(bytes, "a.txt"));
        Assert.Equal(DiaErrorKind.Input, e.Kind);
        Assert.Contains($"a.txt is not UTF-8 but {encoding}", e.Message, StringComparison.Ordinal);
        Assert.Contains(mark, e.Message, StringComparison.Ordinal);
        Assert.Contains($"iconv -f {encoding} -t UTF-8", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_byte_that_is_wrong_is_named() =>
        Assert.Contains("a.txt is not valid UTF-8 at byte 2 (0xFF)", Assert.Throws<DiaException>(() => ScriptText.Decode([0x61, 0x62, 0xFF], "a.txt")).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Only_the_released_size_is_short_of_text()
    {
        string hello = "[S1] Hello there.", longer = "[S1] " + new string('a', ScriptText.FewCharacters);
        var released = new DiaConfig();
        Assert.True(ScriptText.IsShortFor(released, hello));
        Assert.False(ScriptText.IsShortFor(released, longer));
        Assert.False(ScriptText.IsShortFor(released with { EncoderConfig = released.EncoderConfig with { NumHiddenLayers = 2 } }, hello));
    }

    private static string Mixed(string?[] parts, byte[] picks)
    {
        string[] known = ["\uFEFF", "\r", "\n", "\r\n", " ", "\u00A0", "[s1]", "[S2]", "[s", "1]", "<pad>", "\u0001", ".", "a", "語", "😀"];
        var text = new StringBuilder();
        for (int i = 0; i < Math.Max(parts.Length, picks.Length); i++)
        {
            text.Append(i < picks.Length ? known[picks[i] % known.Length] : "");
            text.Append(i < parts.Length && i % 3 == 0 ? parts[i] : "");
        }

        return text.ToString();
    }
}
