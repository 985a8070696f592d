using Dia.Codec;
using Dia.Configuration;
using Dia.Networks;
using Dia.Text;
using Dia.Weights;

namespace Dia.Processing;

/// <summary>Its files: read as versions 4.56.2 and 5.24.0 of the reference write them, written as 4.56.2 does.</summary>
public sealed partial class DiaProcessor
{
    private const string ExtractorFile = "preprocessor_config.json", CodecFile = "audio_tokenizer_config.json";

    /// <summary>What newer versions write in place of these two.</summary>
    private const string NewerFile = "processor_config.json";

    /// <summary>
    /// Reads a processor's folder: <c>preprocessor_config.json</c> and <c>audio_tokenizer_config.json</c>, or the <c>processor_config.json</c> of newer
    /// versions; <c>tokenizer_config.json</c>, and <c>special_tokens_map.json</c> where there is one. The files have no token ids and no delays: these are
    /// a model's. The codec that they name is not in the folder (a checkpoint's own is in <c>dac/</c>): load it with <see cref="DacModel"/> and give it.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="audioTokenizer">The codec; null: text and codes only.</param>
    /// <param name="config">The model's configuration; null: that of the folder's config.json, and without one the released model's ids and delays.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: a file is missing, malformed or says what is not supported; or extractor, codec and model do not fit.</exception>
    public static DiaProcessor FromPretrained(
        ModelFolder folder, IAudioCodec? audioTokenizer = null, DiaConfig? config = null, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        (DiaFeatureExtractor extractor, string name) = ReadExtractor(folder, warnings);
        DiaTokenizer tokenizer = DiaTokenizer.FromPretrained(folder, warnings);
        config ??= folder.HoldsModel ? ModelCatalog.ReadConfig(folder, warnings) : null;
        return Of(config, extractor, tokenizer, audioTokenizer, name);
    }

    /// <summary>
    /// Writes the four files of a processor's folder, which appear together once they are complete. Token ids and delays are in a model's config.json.
    /// </summary>
    /// <param name="folder">The folder, made if need be.</param>
    /// <exception cref="DiaException">Output: a file cannot be written, or the folder has a newer version's file, which would be read in place of these.</exception>
    public void SavePretrained(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        using CheckpointWriter writer = Begin(folder, FeatureExtractor);
        writer.AddText(CodecFile, CanonicalJson.Write(FieldList.Of(f => StateCodec(f, AudioTokenizerName))));
        writer.Add(Tokenizer);
        writer.Commit();
    }

    /// <summary>Begins a folder with the extractor's file.</summary>
    internal static CheckpointWriter Begin(string folder, DiaFeatureExtractor extractor)
    {
        string newer = Path.Combine(folder, NewerFile);
        if (File.Exists(newer))
            throw new DiaException(DiaErrorKind.Output, $"{newer} is there, and would be read in place of what is written. Name another folder, or remove it.");
        var writer = new CheckpointWriter(folder);
        writer.AddText(ExtractorFile, extractor.ToJson());
        return writer;
    }

    /// <summary>The extractor, and the name of the codec.</summary>
    internal static (DiaFeatureExtractor Extractor, string CodecName) ReadExtractor(ModelFolder folder, ICollection<string>? warnings)
    {
        Parts? newer = Read(NewerFile, Parts.Parse), older = Read(CodecFile, ParseCodec);
        DiaFeatureExtractor? extractor = Read(ExtractorFile, DiaFeatureExtractor.Parse);
        if (newer?.Extractor is { } other && extractor is not null && other.ToJson() != extractor.ToJson())
            throw new DiaException(DiaErrorKind.Model,
                $"{folder.Describe(NewerFile)} and {folder.Describe(ExtractorFile)} describe different feature extractors: remove the one that is not meant.");
        extractor ??= newer?.Extractor ?? throw new DiaException(DiaErrorKind.Model,
            $"{folder.Description} has no feature extractor: there is no {ExtractorFile}, and no {NewerFile} that has one. Name the folder of a processor.");
        return (extractor, newer?.CodecName ?? older?.CodecName ?? ReleasedCodec);

        T? Read<T>(string name, Func<string, ConfigurationResult<T>> parse)
            where T : class => folder.Exists(name) ? folder.Checked(name, parse(folder.ReadText(name)), warnings) : null;
    }

    private static ConfigurationResult<Parts> ParseCodec(string json) => ConfigurationFile.Read(json).Parse(null, ProblemSeverity.Warning, file =>
    {
        var parts = new Parts(null, StateCodec(file, ReleasedCodec));
        file.Finish(_ => false);
        return parts;
    });

    private static string StateCodec(Fields f, string name)
    {
        f.Constant("audio_tokenizer_class", "\"DacModel\"");
        return f.Text("audio_tokenizer_name_or_path", name);
    }

    /// <summary>What a file has of a processor's parts.</summary>
    private sealed record Parts(DiaFeatureExtractor? Extractor, string? CodecName)
    {
        public static ConfigurationResult<Parts> Parse(string json) => ConfigurationFile.Read(json).Parse(null, ProblemSeverity.Warning, Read);

        private static Parts Read(ObjectReader file)
        {
            file.Constant("processor_class", "\"DiaProcessor\"");
            DiaFeatureExtractor? extractor = file.GetNotNull("feature_extractor") is null ? null : DiaFeatureExtractor.Read(file.Section("feature_extractor"));
            string? name = null;
            if (file.GetNotNull("audio_tokenizer") is not null)
            {
                ObjectReader codec = file.Section("audio_tokenizer");
                name = StateCodec(codec, ReleasedCodec);
                codec.Finish(_ => false);
            }
            file.Finish(key => key is "auto_map" or "transformers_version");
            return new Parts(extractor, name);
        }
    }
}
