using Dia.Configuration;
using Microsoft.CodeAnalysis;

namespace Dia.Generators;

/// <summary>A configuration file as it was read: what it configures, or what is wrong with it.</summary>
/// <param name="Folder">Its configuration folder as the project names it, '/' between parts.</param>
/// <param name="Path">Where it lies on this machine; for diagnostics only, never emitted.</param>
/// <param name="Dia">The model it configures, or null.</param>
/// <param name="Dac">The codec it configures, or null. Both are null where the file has errors.</param>
/// <param name="Problems">Errors and warnings, with line and column.</param>
internal sealed record ParsedFile(string Folder, string Path, DiaConfig? Dia, DacConfig? Dac, EquatableArray<ConfigurationProblem> Problems)
{
    /// <summary>Whether the file has errors.</summary>
    public bool IsBroken => Dia is null && Dac is null;

    /// <summary>Whether it is the folder's dac/config.json, not its config.json.</summary>
    public bool IsInDac
    {
        get
        {
            string path = Path.Replace('\\', '/');
            // A folder that is itself called dac has a config.json that looks like another one's codec.
            bool calledDac = Folder == "dac" || Folder.EndsWith("/dac", StringComparison.Ordinal);
            return path.EndsWith(calledDac ? "/dac/dac/config.json" : "/dac/config.json", StringComparison.Ordinal);
        }
    }

    /// <summary>Reads a file; its model_type says which of the two kinds it is.</summary>
    public static ParsedFile Read(AdditionalText file, string folder, CancellationToken cancel)
    {
        var json = ConfigurationFile.Read(file.GetText(cancel)?.ToString() ?? "");
        if (json.ModelType == "dac")
        {
            ConfigurationResult<DacConfig> dac = DacConfigParser.Parse(json);
            return new ParsedFile(folder, file.Path, null, dac.Config, dac.Problems);
        }

        ConfigurationResult<DiaConfig> dia = DiaConfigParser.Parse(json, ProblemSeverity.Error);
        return new ParsedFile(folder, file.Path, dia.Config, null, dia.Problems);
    }
}
