using System.Text.Json;

namespace Dia.Testing;

/// <summary>The reference's numbers in tests/fixtures, and the demo model.</summary>
public static class Fixtures
{
    /// <summary>More than the demo model speaks well: with seed 5 it goes on for 700 frames, which plain loops take minutes for.</summary>
    public const string LongText =
        "[S1] The letter is fast again. [S2] Hello world. [S1] The letter is fast again. [S2] You know the quiet voice. [S1] They want the blue river.";

    /// <summary>The demo model's checkpoint.</summary>
    public static string Demo { get; } = Repository.At("configs", "dia-demo");

    /// <summary>Every folder under tests/fixtures whose config.json is compiled in, relative to the root, '/' between parts; see tests/publish.</summary>
    public static IEnumerable<string> ConfigurationFolders => Repository.Configurations("config.json")
        .Select(f => System.IO.Path.GetDirectoryName(f)!).Where(f => f.StartsWith("tests/fixtures/", StringComparison.Ordinal) && !IsOtherSpelling(f));

    /// <summary>Whether a folder under the root has another's configuration in another spelling, which would give the same class.</summary>
    public static bool IsOtherSpelling(string folder) => folder.StartsWith("tests/fixtures/newer/", StringComparison.Ordinal)
        || (folder.StartsWith("tests/fixtures/quantized/", StringComparison.Ordinal) && !folder.EndsWith("/source", StringComparison.Ordinal));

    /// <summary>The path of a fixture.</summary>
    public static string Path(params string[] parts) => Repository.At(["tests", "fixtures", .. parts]);

    /// <summary>A fixture in JSON.</summary>
    public static JsonElement Json(params string[] parts) => JsonElement.Parse(File.ReadAllBytes(Path(parts)));

    /// <summary>A fixture's tensors.</summary>
    public static TensorFile Tensors(params string[] parts) => TensorFile.Open(Path(parts));
}
