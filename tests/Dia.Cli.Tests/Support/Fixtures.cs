namespace Dia.Cli.Tests.Support;

/// <summary>Where the repository and its fixtures are.</summary>
public static class Fixtures
{
    /// <summary>The repository's root.</summary>
    public static string Root { get; } = FindRoot(AppContext.BaseDirectory);

    /// <summary>Every folder under tests/fixtures whose config.json is compiled in, relative to the root, '/' between parts; see tests/publish.</summary>
    public static IEnumerable<string> ConfigurationFolders => Directory
        .EnumerateFiles(System.IO.Path.Combine(Root, "tests/fixtures"), "config.json", SearchOption.AllDirectories)
        .Select(f => System.IO.Path.GetRelativePath(Root, System.IO.Path.GetDirectoryName(f)!))
        .Where(f => !f.StartsWith("tests/fixtures/newer/", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal);

    /// <summary>A fixture.</summary>
    public static string Path(string name) => System.IO.Path.Combine(Root, "tests/fixtures", name);

    /// <summary>More than the demo model speaks well: with seed 5 it goes on for 700 frames, which plain loops take minutes for.</summary>
    public const string LongText = "[S1] The letter is fast again. [S2] Hello world. [S1] The letter is fast again. [S2] You know the quiet voice. [S1] They want the blue river.";

    /// <summary>The demo model's checkpoint.</summary>
    public static string Demo { get; } = System.IO.Path.Combine(Root, "configs/dia-demo");

    private static string FindRoot(string folder)
    {
        for (string? at = folder; at is not null; at = System.IO.Path.GetDirectoryName(at))
            if (File.Exists(System.IO.Path.Combine(at, "Dia.Aot.sln")))
                return at;
        throw new DirectoryNotFoundException($"Dia.Aot.sln is not above {folder}");
    }
}
