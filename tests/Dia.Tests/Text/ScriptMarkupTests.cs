using Dia.Text;
using Xunit;

namespace Dia.Tests.Text;

public sealed class ScriptMarkupTests
{
    [Theory]
    [InlineData("[S3] Hello.", "[S3]")]
    [InlineData("[S1] Hi. [ S2 ] Hello.", "[ S2 ]")]
    [InlineData("[S1] Hi. [Speaker 2] Hello.", "[Speaker 2]")]
    [InlineData("[S2:] Hello.", "[S2:]")]
    [InlineData("[s1] Hello.", "[s1]")] // as raw text has it
    [InlineData("S1: Hello.\nS2: Hi.", "S1:", "S2:")]
    [InlineData("Hello. speaker 2: Hi.", "speaker 2:")]
    [InlineData("[S1] Wait <pause 1s> now.", "<pause 1s>")]
    [InlineData("[S1] Wait [pause:1s] now [laughs softly].", "[pause:1s]", "[laughs softly]")]
    [InlineData("[S1] [emotion=happy] Hi.", "[emotion=happy]")]
    [InlineData("<speak>Hi <break time=\"1s\"/> there</speak>", "<speak>", "<break time=\"1s\"/>", "</speak>")]
    [InlineData("<?xml version=\"1.0\"?><!-- no -->", "<?xml version=\"1.0\"?>", "<!-- no -->")]
    [InlineData("[S1] **Very** *loud*, _so_ `loud`.", "**Very**", "*loud*", "_so_", "`loud`")]
    [InlineData("# Title\n[S1] Hello.", "# Title")]
    [InlineData("[S1] See [this](https://example.org).", "[this](https://example.org)")]
    [InlineData("[S1] Hello {name}, Tom &amp; Jerry.", "{name}", "&amp;")]
    [InlineData("[S3] A. [S3] B. [S4] C.", "[S3]", "[S4]")]
    public void What_other_programs_read_is_found(string text, params string[] markup) => Assert.Equal(markup, ScriptMarkup.Find(text, 10));

    [Theory]
    [InlineData("[S1] Hello there. [S2] Hi. (laughs) How are you? <pad>")]
    [InlineData("[S1] e.g. a [sic] in a text, and [he] said so [1]. [...]")]
    [InlineData("[S1] 1 < 2 and 3 > 2, a<b, I <3 you, x <= y, <- this >")]
    [InlineData("[S1] [Note: this is mine.] At [12:30] we read [John 3:16].")]
    [InlineData("[S1] 2 * 3 * 4 = 24, 5*3*2, snake_case_name, f**k, a_b")]
    [InlineData("[S1] We are #1 and #2.\n#1 fan")]
    [InlineData("[S1] Q&A; R&D; AT&T; this & that;")]
    [InlineData("[S1] Write to <me@example.org> or <https://example.org/a>.")]
    [InlineData("[S1] The ratio is 3:1, so: yes. It's: that's S: is:")]
    [InlineData("[S1] `` quoted '' and ``this'' too, don't, 'so', {}, []")]
    [InlineData("[S1] Stars ***\n--- * * *\n_ _ _")]
    public void Prose_is_left_in_peace(string text) => Assert.Empty(ScriptMarkup.Find(text, 10));

    [Fact]
    public void What_is_shown_is_short_and_does_nothing_to_a_terminal()
    {
        Assert.Equal(["<a \u0020[31m>"], ScriptMarkup.Find("<a \u001b[31m>", 1));
        string shown = Assert.Single(ScriptMarkup.Find("<a " + new string('x', 26) + "😀" + new string('x', 50) + ">", 1));
        Assert.Equal("<a " + new string('x', 26) + "…", shown);
        Assert.Equal(2, ScriptMarkup.Find("[S3][S4][S5]", 2).Count);
    }

    [Fact]
    public void A_huge_text_takes_seconds_at_most()
    {
        foreach (string part in (string[])["<a ", "[a", " *a", "\n# a", "&", "{a", " ", "a", " s1", "``` ", "[a]("])
            _ = ScriptMarkup.Find(string.Concat(Enumerable.Repeat(part, 1_000_000)), 3);
    }
}
