namespace Dia.IO;

/// <summary>Small files in which a system says what it is: where there is none, or it may not be read, nothing is known.</summary>
internal static class SystemFile
{
    /// <summary>The text of a file; null: it cannot be read.</summary>
    public static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return null;
        }
    }
}
