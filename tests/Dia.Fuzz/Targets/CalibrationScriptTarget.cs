using System.Text;
using Dia.Quantization;

namespace Dia.Fuzz.Targets;

/// <summary>Lines of script that a calibration has spoken.</summary>
internal sealed class CalibrationScriptTarget() : FuzzTarget("calibration-script")
{
    private const int Positions = 256;

    private static readonly byte[][] Pieces =
        [.. new[] { "[S1]", "[s2]", "\uFEFF", "\r", "\r\n", "\n", "\n\n", " ", "\u200B", "...", "é", "\0", "(laughs)" }.Select(Encoding.UTF8.GetBytes), [0xFF, 0xFE]];

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [.. new[] { "[S1] Hello there.\r\n\r\n[S2] Hi. [S1] Yes.\n", "\uFEFF[s1] One two.\n" }.Select(Encoding.UTF8.GetBytes)];

    // The text as UTF-16, its lines in each of their steps, and their ids; an exception with its text.
    public override long AllocationLimit(byte[] input) => 128 * 1024 + 512L * input.Length;

    public override byte[] Mutate(Randomness random) => Mutations.OfText(random, Seeds, Pieces);

    public override bool Read(byte[] input)
    {
        CalibrationScript script = CalibrationScript.Parse(input, "script.txt", Positions);
        if (script.Lines.Any(l => l.Ids.Length == 0 || l.Ids.Length > Positions || l.Piece.Text.Contains('\n')))
            throw new InvalidOperationException("a line that the model cannot speak was accepted");
        return true;
    }
}
