using Dia.Configuration;
using Dia.IO;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>Reads the settings of a LoRA adapter.</summary>
public static class LoraFiles
{
    /// <summary>The settings of a folder's adapter.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: missing or malformed, or of a kind that is not computed here; the message has file, line and column.</exception>
    public static LoraConfig ReadConfig(ModelFolder folder, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!folder.Exists(LoraConfig.FileName))
            throw new DiaException(DiaErrorKind.Model,
                $"{folder.Describe(LoraConfig.FileName)} is missing: an adapter's folder holds it and {LoraWeights.FileName}, as PEFT and `dia train --lora` write them.");
        return folder.Checked(LoraConfig.FileName, LoraConfig.Parse(folder.ReadText(LoraConfig.FileName)), warnings);
    }

    /// <summary>A hash of an adapter's files.</summary>
    /// <exception cref="DiaException">Model: one is missing.</exception>
    public static byte[] Hash(ModelFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        string[] names = [LoraConfig.FileName, LoraWeights.FileName];
        return Sha256.Hash([.. names.SelectMany(n => Sha256.Hash(folder.Locate(n).ReadAll(DiaErrorKind.Model)))]);
    }
}
