using Dia.Configuration;
using Dia.Generators.Diagnostics;
using Microsoft.CodeAnalysis;
using Xunit;

namespace Dia.Generators.Tests.Diagnostics;

public sealed class DiagnosticTests
{
    private const string ConfigPath = "configs/some/config.json";

    /// <summary>A problem of each kind becomes a diagnostic of the same id at the file's line and column.</summary>
    [Theory]
    [InlineData("DIA0001", "{\n  ?")]
    [InlineData("DIA0002", "{\n  \"prefix\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]")]
    [InlineData("DIA0003", "{\n  \"\\x\"")]
    [InlineData("DIA0004", "{\"model_type\": \"dia\",\n  \"prefix\": 1, \"prefix\": 1}")]
    [InlineData("DIA0005", "{\"model_type\": \"dia\",\n  \"prefixes\": 1}")]
    [InlineData("DIA0006", "{\"model_type\": \"dia\",\n  \"use_cache\": 1}")]
    [InlineData("DIA0007", "\n  {}")]
    [InlineData("DIA0008", "{\"model_type\": \"dia\",\n  \"norm_eps\": -1}")]
    [InlineData("DIA0009", "{\"model_type\": \"dia\",\n  \"delay_pattern\": [1]}")]
    [InlineData("DIA0010", "{\n  \"model_type\": \"bert\"}")]
    [InlineData("DIA0011", "{\"model_type\": \"dia\", \"encoder_config\": {\n  \"max_position_embeddings\": 16000000}}")]
    [InlineData("DIA0012", "{\"model_type\": \"dia\", \"encoder_config\": {\"rope_scaling\": {\"type\": \"default\",\n  \"factor\": 1}}}")]
    public void A_problem_is_reported_where_it_is(string id, string json)
    {
        ConfigurationProblem problem = DiaConfigParser.Parse(json, ProblemSeverity.Error).Problems[0];
        Diagnostic diagnostic = problem.ToDiagnostic(ConfigPath);
        FileLinePositionSpan span = diagnostic.Location.GetLineSpan();
        Assert.Equal(id, diagnostic.Id);
        Assert.Equal(id == "DIA0012" ? DiagnosticSeverity.Warning : DiagnosticSeverity.Error, diagnostic.Severity);
        Assert.Equal(problem.Message, diagnostic.GetMessage(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal((ConfigPath, 1, problem.Column - 1), (span.Path, span.StartLinePosition.Line, span.StartLinePosition.Character));
        Assert.Equal((1, problem.EndColumn - 1), (span.EndLinePosition.Line, span.EndLinePosition.Character));
        Assert.StartsWith(FormattableString.Invariant($"{ConfigPath}(2,{problem.Column}): "), diagnostic.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_folder_diagnostic_exists_too()
    {
        Diagnostic diagnostic = new ConfigurationProblem(ProblemIds.Folder, ProblemSeverity.Error, "no config.json", 1, 1, 1).ToDiagnostic("configs/empty");
        Assert.Equal("configs/empty(1,1): error DIA0013: no config.json", diagnostic.ToString());
    }

    [Fact]
    public void Ids_are_numbered_without_a_gap() =>
        Assert.Equal(Enumerable.Range(1, 13).Select(n => FormattableString.Invariant($"DIA{n:D4}")),
            DiagnosticDescriptors.ById.Keys.Order(StringComparer.Ordinal));
}
