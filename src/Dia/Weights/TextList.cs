namespace Dia.Weights;

/// <summary>Lists in messages.</summary>
internal static class TextList
{
    private const int Shown = 8;

    /// <summary>"a, b, c", long lists cut: "a, b, ... and 12 more".</summary>
    public static string Shorten(IEnumerable<string> items)
    {
        var all = items as IReadOnlyCollection<string> ?? items.ToList();
        string text = string.Join(", ", all.Take(Shown));
        return all.Count <= Shown ? text : string.Create(CultureInfo.InvariantCulture, $"{text}, ... and {all.Count - Shown} more");
    }
}
