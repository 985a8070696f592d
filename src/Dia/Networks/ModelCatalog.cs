using Dia.Configuration;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>Reads a checkpoint's configuration files and finds the compiled class that fits.</summary>
public static class ModelCatalog
{
    /// <summary>Name of the generation defaults' file in a model's folder.</summary>
    public const string GenerationConfigName = "generation_config.json";

    /// <summary>A folder's model configuration.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: missing or malformed; the message has file, line and column.</exception>
    public static DiaConfig ReadConfig(ModelFolder folder, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.Checked(ModelFolder.ConfigName, DiaConfigParser.Parse(File(folder, "dia"), ProblemSeverity.Warning), warnings);
    }

    /// <summary>A folder's codec configuration.</summary>
    /// <param name="folder">The codec's checkpoint.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: missing or malformed; the message has file, line and column.</exception>
    public static DacConfig ReadCodecConfig(ModelFolder folder, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.Checked(ModelFolder.ConfigName, DacConfigParser.Parse(File(folder, "dac")), warnings);
    }

    /// <summary>A folder's generation defaults; without the file, the reference's general ones.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: malformed; the message has file, line and column.</exception>
    public static GenerationFile ReadGenerationConfig(ModelFolder folder, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!folder.Exists(GenerationConfigName))
            return new GenerationFile(new GenerationConfig(), []);
        string text = folder.ReadText(GenerationConfigName);
        return folder.Checked(GenerationConfigName, GenerationConfigParser.Parse(text, ProblemSeverity.Warning), warnings) with { Text = text };
    }

    /// <summary>The compiled model that computes what a configuration says.</summary>
    /// <param name="models">What is compiled in.</param>
    /// <param name="config">The checkpoint's configuration.</param>
    /// <param name="where">The checkpoint, for the message; null: the configuration is in none.</param>
    /// <exception cref="DiaException">Model: none fits; the message has every difference and the build command that fits.</exception>
    public static CompiledModel Find(IEnumerable<CompiledNetwork> models, DiaConfig config, string? where)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(config);
        return Choose(models.OfType<CompiledModel>().Select(m => (m, ConfigurationDifference.Between(m.Config, config))), "model", where);
    }

    /// <summary>The compiled codec that computes what a configuration says.</summary>
    /// <param name="models">What is compiled in.</param>
    /// <param name="config">The codec's configuration.</param>
    /// <param name="where">The checkpoint, for the message.</param>
    /// <exception cref="DiaException">Model: none fits; the message has every difference and the build command that fits.</exception>
    public static CompiledCodec FindCodec(IEnumerable<CompiledNetwork> models, DacConfig config, string where)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(config);
        return Choose(models.OfType<CompiledCodec>().Select(m => (m, ConfigurationDifference.Between(m.Config, config))), "codec", where);
    }

    /// <summary>A folder's configuration file.</summary>
    /// <exception cref="DiaException">Model: it is missing; the message says what to name where something near has one.</exception>
    private static ConfigurationFile File(ModelFolder folder, string modelType) =>
        folder.Exists(ModelFolder.ConfigName) ? folder.Configuration : throw CheckpointAdvice.NoConfig(folder, modelType);

    private static T Choose<T>(IEnumerable<(T Compiled, IReadOnlyList<ConfigurationDifference> Differences)> candidates, string what, string? where)
        where T : CompiledNetwork
    {
        var all = candidates.ToList();
        foreach (var (compiled, differences) in all)
            if (differences.Count == 0)
                return compiled;
        var text = new System.Text.StringBuilder($"{where ?? "the configuration"}: this program has no {what} compiled in that has this configuration.");
        foreach (var (compiled, differences) in all)
        {
            text.Append($"\n  {compiled.Name} differs in {differences.Count} field{(differences.Count == 1 ? "" : "s")}:");
            foreach (ConfigurationDifference d in differences)
                text.Append($"\n    {d.Path}: {d.First} compiled in, {d.Second} {(where is null ? "asked for" : "in the checkpoint")}");
        }

        text.Append(
            $"\nBuild a program for it: dotnet publish src/Dia.Cli -p:DiaConfigs={where ?? "FOLDER, where SavePretrained of the configuration has written it"}");
        throw new DiaException(DiaErrorKind.Model, text.ToString());
    }
}
