using Dia.Configuration;
using Dia.IO;
using Dia.Text;

namespace Dia.Quantization;

/// <summary>
/// The lines of script that a calibration has spoken: one text a line, as a model is given it; empty lines do not count. Every tenth is kept out, to measure
/// by.
/// </summary>
public sealed class CalibrationScript
{
    /// <summary>Most lines.</summary>
    public const int MaxLines = 1 << 14;

    private const long MaxBytes = 1 << 24;
    private const int KeptOutOf = 10;

    private static readonly string[] LineEnds = ["\r\n", "\n", "\r"]; // as ScriptText knows them

    private CalibrationScript(CalibrationLine[] lines) => Lines = lines;

    /// <summary>All lines.</summary>
    public IReadOnlyList<CalibrationLine> Lines { get; }

    /// <summary>Whether a line, by its index, is kept out of the calibration.</summary>
    public static bool IsKeptOut(int line) => line % KeptOutOf == KeptOutOf - 1;

    /// <summary>Reads a file of lines.</summary>
    /// <param name="path">The file, UTF-8.</param>
    /// <param name="config">The model that is to speak them.</param>
    /// <exception cref="DiaException">Input: it is missing or not UTF-8, or a line has nothing to say or is longer than the model holds.</exception>
    public static CalibrationScript Read(string path, DiaConfig config)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(config);
        FileContent.Refuse(path, "a script to calibrate with", DiaErrorKind.Input, FileContentKind.Text);
        FileRange file = FileRange.Whole(path, DiaErrorKind.Input);
        return file.Length <= MaxBytes ? Parse(file.ReadAll(DiaErrorKind.Input), path, config.EncoderConfig.MaxPositionEmbeddings)
            : throw new DiaException(DiaErrorKind.Input, $"{path} is longer than {MaxBytes >> 20} MiB: a few hundred lines are enough to calibrate with.");
    }

    /// <summary>Reads the bytes of such a file.</summary>
    /// <param name="bytes">All of it.</param>
    /// <param name="path">Its path, for messages.</param>
    /// <param name="positions">Most ids of a text.</param>
    /// <exception cref="DiaException">Input.</exception>
    internal static CalibrationScript Parse(byte[] bytes, string path, int positions)
    {
        ScriptText.CheckUtf8(bytes, path);
        int number = 0;
        var lines = new List<CalibrationLine>();
        foreach (string text in Encoding.UTF8.GetString(bytes).Split(LineEnds, StringSplitOptions.None))
        {
            number++;
            if (string.IsNullOrWhiteSpace(text.Trim('\uFEFF')))
                continue;
            if (IsRequest(text))
                throw new DiaException(DiaErrorKind.Input,
                    $"{path}, line {number}, is a JSON object among lines of plain text, and would be read aloud as it stands. Make all lines JSON, as in {{\"text\":\"[S1] Hello there.\"}}, or none.");
            Add(lines, new CalibrationLine(new ScriptPiece(ScriptText.Prepare(text, $"{path}, line {number},", raw: false))), path, number, positions);
        }

        return Of(lines, path);
    }

    /// <summary>Whether a line asks for a text as JSON lines do: then its file was meant to be one of them. Other braces are text.</summary>
    private static bool IsRequest(string line)
    {
        line = line.Trim();
        return line.StartsWith('{') && line.EndsWith('}') && line.Contains("\"text\"", StringComparison.Ordinal);
    }

    /// <summary>Lines that were read elsewhere.</summary>
    /// <param name="lines">The lines, by number.</param>
    /// <param name="path">Their file, for messages.</param>
    /// <param name="config">The model that is to speak them.</param>
    /// <exception cref="DiaException">Input: there is none, there are too many, or one leaves the model no room.</exception>
    public static CalibrationScript Of(IEnumerable<(int Number, CalibrationLine Line)> lines, string path, DiaConfig config)
    {
        ArgumentNullException.ThrowIfNull(lines);
        ArgumentNullException.ThrowIfNull(config);
        var all = new List<CalibrationLine>();
        foreach ((int number, CalibrationLine line) in lines)
            Add(all, line, path, number, config.EncoderConfig.MaxPositionEmbeddings);
        return Of(all, path);
    }

    private static void Add(List<CalibrationLine> lines, CalibrationLine line, string path, int number, int positions)
    {
        if (line.Ids.Length > positions)
            throw new DiaException(DiaErrorKind.Input, $"{path}, line {number}, is {line.Ids.Length} bytes long (a tag counts as one), the model takes {positions}. Shorten it.");
        if (lines.Count == MaxLines)
            throw new DiaException(DiaErrorKind.Input, $"{path} has more than {MaxLines} lines: a few hundred are enough to calibrate with.");
        lines.Add(line);
    }

    private static CalibrationScript Of(List<CalibrationLine> lines, string path) => lines.Count > 0 ? new CalibrationScript([.. lines])
        : throw new DiaException(DiaErrorKind.Input, $"{path} has no line to speak: write a script a line, \"[S1] Hello there.\"");
}
