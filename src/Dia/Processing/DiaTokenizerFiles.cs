using Dia.Text;
using Dia.Weights;

namespace Dia.Processing;

/// <summary>A tokenizer from and to its files, as the reference's <c>from_pretrained</c> and <c>save_pretrained</c>.</summary>
public static class DiaTokenizerFiles
{
    private const string ConfigName = "tokenizer_config.json", SpecialTokensName = "special_tokens_map.json";

    extension(DiaTokenizer)
    {
        /// <summary>The tokenizer of a folder's tokenizer_config.json; a special_tokens_map.json beside it is checked.</summary>
        /// <param name="folder">The folder.</param>
        /// <param name="warnings">Gets what was strange but passes.</param>
        /// <exception cref="DiaException">Model: missing, malformed, or of tokens that are not supported; the message has file, line and column.</exception>
        public static DiaTokenizer FromPretrained(ModelFolder folder, ICollection<string>? warnings = null)
        {
            ArgumentNullException.ThrowIfNull(folder);
            DiaTokenizer tokenizer = folder.Checked(ConfigName, DiaTokenizer.Parse(folder.ReadText(ConfigName)), warnings);
            if (folder.Exists(SpecialTokensName))
                folder.Checked(SpecialTokensName, DiaTokenizer.ParseSpecialTokensMap(folder.ReadText(SpecialTokensName)), warnings);
            return tokenizer;
        }
    }

    /// <summary>Writes both files, as version 4.56.2 of the reference does.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="folder">The folder, made if need be.</param>
    /// <exception cref="DiaException">Output: they cannot be written.</exception>
    public static void SavePretrained(this DiaTokenizer tokenizer, string folder)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(folder);
        using var writer = new CheckpointWriter(folder);
        writer.Add(tokenizer);
        writer.Commit();
    }

    /// <summary>Adds both files.</summary>
    internal static void Add(this CheckpointWriter writer, DiaTokenizer tokenizer)
    {
        writer.AddText(ConfigName, tokenizer.ToJson());
        writer.AddText(SpecialTokensName, DiaTokenizer.SpecialTokensMap);
    }
}
