using Microsoft.CodeAnalysis;
using Xunit;

namespace Dia.Generators.Tests;

/// <summary>The generator takes configurations as newer versions of the reference write them, and emits the same.</summary>
public sealed class NewerSpellingTests
{
    [Theory]
    [InlineData("tiny-base", "tests/fixtures/tiny/base")]
    [InlineData("tiny-base-ids-in-decoder", "tests/fixtures/tiny/base")]
    [InlineData("tiny-odd", "tests/fixtures/tiny/odd")]
    [InlineData("tiny-rope-yarn", "tests/fixtures/tiny/rope-yarn")]
    [InlineData("tiny-rope-longrope", "tests/fixtures/tiny/rope-longrope")]
    [InlineData("tiny-rope-llama3", "tests/fixtures/tiny/rope-llama3")]
    [InlineData("generate-model", "tests/fixtures/generate/model")]
    public void The_same_class_is_emitted(string newer, string older)
    {
        // Under the same name: it is part of the text. The canonical JSON is in Config.g.cs.
        string json = File.ReadAllText(Repository.At("tests", "fixtures", "newer", newer, "config.json"));
        TestFile file = TestFile.Read(older).First();
        GeneratorDriver driver = Drive.Create([file.With(json)]).RunGenerators(Drive.Compilation());
        Assert.Empty(driver.GetRunResult().Diagnostics);
        Assert.Equal(Drive.Emit([file]), Drive.Sources(driver));
        Assert.NotEqual(json, file.GetText().ToString());
    }

    [Fact]
    public void An_unknown_key_inside_rope_parameters_is_an_error_at_its_place()
    {
        string json = File.ReadAllText(Repository.At("tests", "fixtures", "newer", "tiny-base", "config.json"))
            .Replace("\"rope_type\"", "\n\"rope_typ\"", StringComparison.Ordinal);
        GeneratorDriver driver = Drive.Create([new TestFile("/repository", "configs/x", "config.json", json)]).RunGenerators(Drive.Compilation());
        Assert.All(driver.GetRunResult().Diagnostics, d =>
            Assert.Equal(("DIA0005", DiagnosticSeverity.Error, 0), (d.Id, d.Severity, d.Location.GetLineSpan().StartLinePosition.Character)));
        Assert.Equal(2, driver.GetRunResult().Diagnostics.Length);
    }
}
