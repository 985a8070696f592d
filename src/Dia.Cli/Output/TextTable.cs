namespace Dia.Cli.Output;

/// <summary>A table of plain text: columns as wide as their widest cell, two spaces between.</summary>
/// <param name="right">Which columns are numbers: they stand right.</param>
internal sealed class TextTable(params bool[] right)
{
    private readonly List<string[]> _rows = [];

    /// <summary>Adds a row, as many cells as columns.</summary>
    public void Add(params string[] cells) => _rows.Add(cells);

    /// <summary>The table; lines end in a line feed.</summary>
    public override string ToString()
    {
        int[] widths = [.. Enumerable.Range(0, right.Length).Select(c => _rows.Max(r => r[c].Length))];
        var text = new StringBuilder();
        foreach (string[] row in _rows)
        {
            string line = string.Join("  ", row.Select((cell, c) => right[c] ? cell.PadLeft(widths[c]) : cell.PadRight(widths[c])));
            text.Append(line.TrimEnd()).Append('\n');
        }

        return text.ToString();
    }
}
