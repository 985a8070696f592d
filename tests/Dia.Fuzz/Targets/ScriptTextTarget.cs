using System.Text;
using Dia.Text;

namespace Dia.Fuzz.Targets;

/// <summary>Scripts as files hold them: read, made the same for every system, looked through for markup, split.</summary>
internal sealed class ScriptTextTarget() : FuzzTarget("script-text")
{
    private static readonly byte[][] Pieces =
    [
        .. new[]
        {
            "[S1]", "[s1]", "[S2]", "[s2]", "[S3]", "<pad>", "\uFEFF", "\r", "\r\n", "\n", " ", "\u00A0", "\u200B", "S1: ", "<pause 1s>", "[pause:1s]", "**",
                "*a*", "`", "# ", "](http", "&amp;", "{", "}", "(laughs)",
            "No. 5", "Dr. ", "e.g. ", "J. R. ", "...", ". a", "語。", "😀", "\U00010400",
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF, 0xFE], [0xFE, 0xFF],
    ];

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. new[] { "\uFEFF[S1] Hello there.\r\n[S2] Hi. How are you today?\r\n",
            "[s1] We live at No. 5, approx. 3 miles away. [S3] <break time=\"1s\"/> **Oh** (laughs)\n" }.Select(Encoding.UTF8.GetBytes),
    ];

    // The text as UTF-16 in each of its steps; places for a cut, of which a short word has one, and their costs; the pieces.
    public override long AllocationLimit(byte[] input) => 128 * 1024 + 512L * input.Length;

    public override byte[] Mutate(Randomness random) => Mutations.OfText(random, Seeds, Pieces);

    public override bool Read(byte[] input)
    {
        string text = ScriptText.Decode(input, "the text");
        _ = ScriptMarkup.Find(text, 3);
        string prepared = ScriptText.Prepare(text, "the text", raw: false);
        Demand(prepared == ScriptText.Normalize(prepared), "normalising again changes the text");
        Demand(!prepared.Contains('\r') && !prepared.Contains('\uFEFF') && prepared.Trim() == prepared, "something was left that belongs to a system");
        Demand(ReferenceEquals(text, ScriptText.Prepare(text, "the text", raw: true)), "raw text was changed");
        Demand(ScriptSplitter.Split(new ScriptPiece(prepared), 64).Any(p => ScriptText.HasSpeech(p.Text)), "what there was to say was lost");
        return true;
    }

    private static void Demand(bool holds, string otherwise)
    {
        if (!holds)
            throw new InvalidOperationException(otherwise);
    }
}
