using System.Globalization;
using Microsoft.CodeAnalysis;
using Xunit;

namespace Dia.Generators.Tests.Diagnostics;

/// <summary>What the compiler reports for a broken folder, and that the folder beside it compiles.</summary>
public sealed class GeneratorDiagnosticTests
{
    private const string Dac = """{"model_type": "dac", "encoder_hidden_size": 4, "decoder_hidden_size": 16, "downsampling_ratios": [2], "n_codebooks": 3, "codebook_size": 32}""";

    private static readonly TestFile Good = TestFile.Read("tests/fixtures/tiny/odd").Single();
    private static readonly string Dia = Good.GetText().ToString();

    [Theory]
    [InlineData("DIA0001", 2, 3, "{\n  ?")]
    [InlineData("DIA0002", 2, 44, "{\n  \"prefix\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]")]
    [InlineData("DIA0003", 2, 4, "{\n  \"\\x\"")]
    [InlineData("DIA0004", 2, 16, "{\"model_type\": \"dia\",\n  \"prefix\": 1, \"prefix\": 1}")]
    [InlineData("DIA0005", 2, 3, "{\"model_type\": \"dia\",\n  \"prefixes\": 1}")]
    [InlineData("DIA0006", 2, 16, "{\"model_type\": \"dia\",\n  \"use_cache\": 1}")]
    [InlineData("DIA0007", 2, 3, "\n  {}")]
    [InlineData("DIA0008", 2, 15, "{\"model_type\": \"dia\",\n  \"norm_eps\": -1}")]
    [InlineData("DIA0009", 2, 20, "{\"model_type\": \"dia\",\n  \"delay_pattern\": [1]}")]
    [InlineData("DIA0010", 2, 17, "{\n  \"model_type\": \"bert\"}")]
    [InlineData("DIA0011", 2, 30, "{\"model_type\": \"dia\", \"encoder_config\": {\n  \"max_position_embeddings\": 16000000}}")]
    public void An_error_is_reported_in_the_file_and_the_other_model_compiles(string id, int line, int column, string json)
    {
        GeneratorDriver driver = Run(new TestFile("/repository", "configs/broken", "config.json", json));
        Diagnostic diagnostic = driver.GetRunResult().Diagnostics[0];
        AssertAt(diagnostic, id, DiagnosticSeverity.Error, "/repository/configs/broken/config.json", line, column);
        AssertOnlyTheGoodModelCompiles(driver);
    }

    [Fact]
    public void A_warning_is_reported_and_its_model_compiles()
    {
        string json = Dia.Replace("\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"default\",\n\"factor\": 1}", StringComparison.Ordinal);
        int line = json[..json.IndexOf("\"factor\"", StringComparison.Ordinal)].Count(c => c == '\n') + 1;
        GeneratorDriver driver = Run(new TestFile("/repository", "configs/strange", "config.json", json));
        AssertAt(driver.GetRunResult().Diagnostics[0], "DIA0012", DiagnosticSeverity.Warning, "/repository/configs/strange/config.json", line, 11);
        Assert.Contains("Strange.Decoder.g.cs", Drive.Sources(driver).Keys);
        Assert.Empty(Drive.Compile(driver));
    }

    public static TheoryData<string, string, string, string> BrokenFolders() => new()
    {
        // folder, file that is reported, its text (the other file is right), what the message says
        { "configs/broken", "dac/config.json", Dia, "this is a model's configuration" },
        { "configs/broken", "config.json", Dac, "this is a codec's configuration" },
        { "configs/broken", "dac/config.json", Dac.Replace("\"n_codebooks\": 3", "\"n_codebooks\": 4", StringComparison.Ordinal),
            "n_codebooks is 4 where the model's decoder_config.num_channels is 3" },
        { "configs/broken", "dac/config.json", Dac.Replace("32}", "16}", StringComparison.Ordinal),
            "codebook_size is 16 where the model's eos_token_id is 32" },
    };

    [Theory]
    [MemberData(nameof(BrokenFolders))]
    public void Files_that_do_not_fit_each_other_are_reported(string folder, string file, string json, string message)
    {
        string[] names = ["config.json", "dac/config.json"];
        GeneratorDriver driver =
            Run([.. names.Select(name => new TestFile("/repository", folder, name, name == file ? json : name == "config.json" ? Dia : Dac))]);
        Diagnostic diagnostic = driver.GetRunResult().Diagnostics.Single();
        AssertAt(diagnostic, "DIA0013", DiagnosticSeverity.Error, $"/repository/{folder}/{file}", 1, 1);
        Assert.Contains(message, diagnostic.GetMessage(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        AssertOnlyTheGoodModelCompiles(driver);
    }

    [Fact]
    public void A_model_and_its_codec_fit()
    {
        GeneratorDriver driver =
            Run(new TestFile("/repository", "configs/dac", "config.json", Dia), new TestFile("/repository", "configs/dac", "dac/config.json", Dac));
        Assert.Empty(driver.GetRunResult().Diagnostics);
        Assert.Contains("Dac.Codec.g.cs", Drive.Sources(driver).Keys);
        Assert.Empty(Drive.Compile(driver));
    }

    [Fact]
    public void A_codec_without_a_config_json_beside_it_is_reported()
    {
        GeneratorDriver driver = Run(new TestFile("/repository", "configs/broken", "dac/config.json", Dac));
        AssertAt(driver.GetRunResult().Diagnostics.Single(), "DIA0013", DiagnosticSeverity.Error, "/repository/configs/broken/dac/config.json", 1, 1);
        AssertOnlyTheGoodModelCompiles(driver);
    }

    /// <summary>The second folder in ordinal order is left out. Names of emitted files must differ in more than case, so class names do too.</summary>
    [Theory]
    [InlineData("configs/ab-c", "configs/ab_c")]
    [InlineData("configs/ab-cD", "configs/ab-cd")]
    [InlineData("configs/x", "./configs/x")]
    [InlineData("configs/\u6a21", "configs/\u578b")]
    public void Two_folders_of_one_class_name_are_reported(string one, string other)
    {
        string[] folders = [one, other];
        Array.Sort(folders, StringComparer.Ordinal);
        GeneratorDriver driver = Drive.Create([new("/repository", one, "config.json", Dac), new("/repository", other, "config.json", Dac)])
            .RunGenerators(Drive.Compilation());
        Diagnostic diagnostic = driver.GetRunResult().Diagnostics.Single();
        AssertAt(diagnostic, "DIA0013", DiagnosticSeverity.Error, $"/repository/{folders[1]}/config.json", 1, 1);
        Assert.Contains($"'{folders[0]}' does", diagnostic.GetMessage(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        Assert.Equal(1, Drive.Sources(driver).Keys.Count(name => name.EndsWith(".CodecConfig.g.cs", StringComparison.Ordinal)));
        Assert.Empty(Drive.Compile(driver));
    }

    /// <summary>x with a codec has a class XCodec, and so would x-codec.</summary>
    [Fact]
    public void A_folder_called_like_another_one_s_codec_class_is_reported()
    {
        GeneratorDriver driver = Run(
            new TestFile("/repository", "configs/x", "config.json", Dia), new TestFile("/repository", "configs/x", "dac/config.json", Dac),
            new TestFile("/repository", "configs/x-codec", "config.json", Dac));
        AssertAt(driver.GetRunResult().Diagnostics.Single(), "DIA0013", DiagnosticSeverity.Error, "/repository/configs/x-codec/config.json", 1, 1);
        Assert.Empty(Drive.Compile(driver));
    }

    [Fact]
    public void Folders_of_one_last_name_are_told_apart_by_their_parents()
    {
        GeneratorDriver driver = Drive.Create([new("/repository", "a/one", "config.json", Dac), new("/repository", "b/one", "config.json", Dac)])
            .RunGenerators(Drive.Compilation());
        Assert.Empty(driver.GetRunResult().Diagnostics);
        Assert.Equal(["AOne.CodecConfig.g.cs", "BOne.CodecConfig.g.cs"],
            Drive.Sources(driver).Keys.Where(name => name.EndsWith(".CodecConfig.g.cs", StringComparison.Ordinal)));
        Assert.Empty(Drive.Compile(driver));
    }

    private static GeneratorDriver Run(params TestFile[] files) => Drive.Create([.. files, Good]).RunGenerators(Drive.Compilation());

    private static void AssertAt(Diagnostic diagnostic, string id, DiagnosticSeverity severity, string path, int line, int column)
    {
        FileLinePositionSpan span = diagnostic.Location.GetLineSpan();
        Assert.Equal((id, severity, path, line, column),
            (diagnostic.Id, diagnostic.Severity, span.Path, span.StartLinePosition.Line + 1, span.StartLinePosition.Character + 1));
    }

    private static void AssertOnlyTheGoodModelCompiles(GeneratorDriver driver)
    {
        SortedDictionary<string, string> sources = Drive.Sources(driver);
        Assert.All(sources.Keys, name => Assert.True(name == "CompiledModels.g.cs" || name.StartsWith("Odd.", StringComparison.Ordinal), name));
        Assert.Contains("Odd.Decoder.g.cs", sources.Keys);
        Assert.Empty(Drive.Compile(driver));
    }
}
