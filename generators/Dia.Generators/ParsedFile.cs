using Dia.Configuration;
using Microsoft.CodeAnalysis;

namespace Dia.Generators;

/// <summary>A configuration file as it was read: its part of a model, or what is wrong with it.</summary>
/// <param name="Folder">Its configuration folder as the project names it.</param>
/// <param name="Path">Where it lies on this machine; for diagnostics only, never emitted.</param>
/// <param name="Part">What it configures; null where it has errors.</param>
/// <param name="Problems">Errors and warnings, with line and column.</param>
internal sealed record ParsedFile(string Folder, string Path, ConfigurationPart? Part, EquatableArray<ConfigurationProblem> Problems)
{
    /// <summary>Reads a file; its model_type says which of the two kinds it is.</summary>
    public static ParsedFile Read(AdditionalText file, string folder, CancellationToken cancel)
    {
        string json = file.GetText(cancel)?.ToString() ?? "";
        if (ConfigurationFile.ModelType(json) == "dac")
        {
            ConfigurationResult<DacConfig> dac = DacConfigParser.Parse(json, ProblemSeverity.Error);
            return Create(file, folder, dac.Config is null ? null : new ConfigurationPart(folder, null, dac.Config), dac.Problems);
        }

        ConfigurationResult<DiaConfig> dia = DiaConfigParser.Parse(json, ProblemSeverity.Error);
        return Create(file, folder, dia.Config is null ? null : new ConfigurationPart(folder, dia.Config, null), dia.Problems);
    }

    private static ParsedFile Create(AdditionalText file, string folder, ConfigurationPart? part, EquatableArray<ConfigurationProblem> problems) =>
        new(folder, file.Path, problems.Any(p => p.Severity == ProblemSeverity.Error) ? null : part, problems);
}
