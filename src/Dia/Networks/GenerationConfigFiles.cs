using Dia.Configuration;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>Generation settings from and to their file, as the reference's <c>from_pretrained</c> and <c>save_pretrained</c>.</summary>
public static class GenerationConfigFiles
{
    extension(GenerationConfig)
    {
        /// <summary>The settings of a folder's generation_config.json; what it leaves out has the reference's general defaults.</summary>
        /// <param name="folder">The folder.</param>
        /// <param name="warnings">Gets what was strange but passes.</param>
        /// <exception cref="DiaException">Model: missing or malformed; the message has file, line and column.</exception>
        public static GenerationConfig FromPretrained(ModelFolder folder, ICollection<string>? warnings = null)
        {
            GenerationFile file = ModelCatalog.ReadGenerationConfig(folder, warnings);
            return file.Text is not null ? file.Config
                : throw new DiaException(DiaErrorKind.Model, $"{folder.Describe(ModelCatalog.GenerationConfigName)} is missing.");
        }
    }

    /// <summary>Writes generation_config.json: the token ids, and what differs from the reference's general defaults.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="folder">The folder, made if need be.</param>
    /// <exception cref="DiaException">Output: it cannot be written.</exception>
    public static void SavePretrained(this GenerationConfig config, string folder)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(folder);
        using var writer = new CheckpointWriter(folder);
        writer.AddText(ModelCatalog.GenerationConfigName, config.ToJson());
        writer.Commit();
    }
}
