using System.Text;
using Xunit;

namespace Dia.Generators.Tests.Emission;

/// <summary>The emitted source of two configurations, byte for byte: a change of it is seen in review.</summary>
public sealed class BaselineTests
{
    private static readonly string[] Folders = ["tests/fixtures/tiny/odd", "tests/fixtures/dac/odd"];

    [Fact]
    public void Emitted_source_is_the_baselines()
    {
        SortedDictionary<string, string> emitted = Drive.Emit(Folders.SelectMany(f => TestFile.Read(f)), training: true);
        string root = Repository.At("tests", "Dia.Generators.Tests", "Baselines");
        var expected = Directory.EnumerateFiles(root, "*.cs.txt", SearchOption.AllDirectories)
            .ToDictionary(p => Path.GetRelativePath(root, p).Replace('\\', '/'), File.ReadAllBytes);
        var actual = emitted.ToDictionary(e => BaselineName(e.Key), e => Encoding.UTF8.GetBytes(e.Value));
        if (Environment.GetEnvironmentVariable("DIA_UPDATE_BASELINES") == "1")
        {
            foreach (string old in expected.Keys.Except(actual.Keys))
                File.Delete(Path.Combine(root, old));
            foreach (var (name, bytes) in actual)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(root, name))!);
                File.WriteAllBytes(Path.Combine(root, name), bytes);
            }

            return;
        }

        string[] different = [.. expected.Keys.Union(actual.Keys).Order(StringComparer.Ordinal)
            .Where(name => !expected.TryGetValue(name, out byte[]? e) || !actual.TryGetValue(name, out byte[]? a) || !e.AsSpan().SequenceEqual(a))];
        Assert.True(different.Length == 0, $"The emitted source of {string.Join(", ", different)} differs from tests/Dia.Generators.Tests/Baselines. " +
            "If that is intended, run the tests once with the environment variable DIA_UPDATE_BASELINES=1 and commit the files it rewrites.");
    }

    /// <summary>TinyOdd.Plan.g.cs → TinyOdd/Plan.cs.txt.</summary>
    private static string BaselineName(string hint)
    {
        string[] parts = hint.Replace(".g.cs", ".cs.txt", StringComparison.Ordinal).Split('.', 2);
        return parts[1] == "cs.txt" ? $"{parts[0]}.{parts[1]}" : $"{parts[0]}/{parts[1]}";
    }
}
