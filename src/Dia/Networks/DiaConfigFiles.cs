using Dia.Configuration;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>A model's configuration from and to its file, as the reference's <c>from_pretrained</c> and <c>save_pretrained</c>.</summary>
public static class DiaConfigFiles
{
    extension(DiaConfig)
    {
        /// <summary>The configuration of a folder's config.json.</summary>
        /// <param name="folder">The folder.</param>
        /// <param name="warnings">Gets what was strange but passes.</param>
        /// <exception cref="DiaException">Model: missing or malformed; the message has file, line and column.</exception>
        public static DiaConfig FromPretrained(ModelFolder folder, ICollection<string>? warnings = null) => ModelCatalog.ReadConfig(folder, warnings);
    }

    /// <summary>Writes config.json, every field spelled out.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="folder">The folder, made if need be.</param>
    /// <exception cref="DiaException">Output: it cannot be written.</exception>
    public static void SavePretrained(this DiaConfig config, string folder)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(folder);
        using var writer = new CheckpointWriter(folder);
        writer.AddText(ModelFolder.ConfigName, CanonicalJson.Write(config));
        writer.Commit();
    }
}
