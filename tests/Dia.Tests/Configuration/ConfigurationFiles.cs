namespace Dia.Tests.Configuration;

/// <summary>The configurations of the repository: those that are compiled in and those of the fixtures.</summary>
internal static class ConfigurationFiles
{
    public static string Root { get; } = FindRoot();

    public static IEnumerable<string> All(string fileName) =>
        new[] { "configs", "tests/fixtures" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), fileName, SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Order(StringComparer.Ordinal);

    public static string Read(string relativePath) => File.ReadAllText(Path.Combine(Root, relativePath));

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Dia.Aot.sln")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the tests must run inside the repository");
    }
}
