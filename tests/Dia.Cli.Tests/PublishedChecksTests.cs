using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Dia.Cli.Tests;

/// <summary>The tests that are published as an executable: kernels, and what of the fixtures no command reads, in the code that ships.</summary>
public sealed partial class PublishedChecksTests
{
    [Fact]
    public void All_of_them_pass()
    {
        string path = Repository.At("out/publish-tests/dia-tests");
        Assert.True(File.Exists(path), $"{path} is missing: dotnet publish tests/Dia.Tests.Published -o out/publish-tests");
        using Process tests = Process.Start(new ProcessStartInfo(path) { RedirectStandardOutput = true })!;
        string said = tests.StandardOutput.ReadToEnd();
        tests.WaitForExit();
        Assert.True(tests.ExitCode == 0, said);
        string[] classes = [.. Passed().Matches(said).Select(m => m.Groups[1].Value)];
        foreach (string name in new[] { "DiaTokenizer", "RotaryEmbedding", "LogitsProcessors", "DiaProcessor", "DiaFeatureExtractor", "Resampler", "WavReader",
            "WavWriter", "KernelChecks", "InitialWeights", "SavePretrained", "DacBackward" })
            Assert.Contains(name, classes);
    }

    [GeneratedRegex(@"(\w+)Tests: [0-9]+ passed")]
    private static partial Regex Passed();
}
