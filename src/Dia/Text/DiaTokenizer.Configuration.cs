using Dia.Configuration;

namespace Dia.Text;

/// <summary>Its files, each key stated once.</summary>
public sealed partial class DiaTokenizer
{
    /// <summary>The reference's number for «no maximum»: 10^30 as a float.</summary>
    private static readonly UInt128 NoMaximum = (UInt128)1e30;

    private static readonly FieldType<UInt128> Maximum = new("a number", v => v.Kind == JsonKind.Number, "from 1 to 1e30", v =>
        double.TryParse(v.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number is >= 1 and <= 1e30 ? (UInt128)number : null);

    private DiaTokenizer(DiaTokenizer t, Fields f)
    {
        f.Part("added_tokens_decoder", Tags, tokens =>
        {
            for (int id = 0; id < Tags.Length; id++)
                AddToken(tokens, FormattableString.Invariant($"{id}"), Tags[id], isSpecial: id == PadTokenId);
            return Tags;
        });
        f.Constant("clean_up_tokenization_spaces", "false");
        f.Constant("extra_special_tokens", "{}");
        MaxLength = f.Value("max_length", t.MaxLength, FieldType.Id);
        UInt128 maximum = f.Value("model_max_length", t.ModelMaxLength is int most ? (UInt128)most : NoMaximum, Maximum);
        ModelMaxLength = maximum <= int.MaxValue ? (int)maximum : null;
        Token(f, "pad_token");
        f.Constant("processor_class", "\"DiaProcessor\"", isChecked: false);
        f.Constant("tokenizer_class", "\"DiaTokenizer\"");
        Token(f, "unk_token");

        // The reference leaves these out where they are the defaults.
        Offset = f.File is null && t.Offset == 0 ? 0 : f.Value("offset", t.Offset, FieldType.Integer(0, MaxOffset));
        PaddingSide = f.File is null && t.PaddingSide == PaddingSide.Right ? PaddingSide.Right
            : f.Name("padding_side", t.PaddingSide, [("right", PaddingSide.Right), ("left", PaddingSide.Left)]);
    }

    /// <summary>Its <c>tokenizer_config.json</c>, as version 4.56.2 of the reference writes it.</summary>
    public string ToJson() => CanonicalJson.Write(FieldList.Of(f => new DiaTokenizer(this, f)));

    /// <summary>The tokenizer of a <c>tokenizer_config.json</c> (versions 4.56.2 and 5.24.0), and everything that is wrong with it.</summary>
    /// <param name="json">The file's text.</param>
    public static ConfigurationResult<DiaTokenizer> Parse(string json) => ConfigurationFile.Read(json).Parse(null, ProblemSeverity.Warning, Read);

    /// <summary>The <c>special_tokens_map.json</c> that version 4.56.2 writes beside it: the same for every tokenizer.</summary>
    internal static string SpecialTokensMap => CanonicalJson.Write(FieldList.Of(f =>
    {
        foreach (string key in new[] { "pad_token", "unk_token" })
            AddToken(f, key, Tags[PadTokenId]);
        return Tags;
    }));

    /// <summary>Reports what is wrong with a <c>special_tokens_map.json</c>: tokens that this tokenizer does not have.</summary>
    internal static ConfigurationResult<string> ParseSpecialTokensMap(string json) => ConfigurationFile.Read(json).Parse(null, ProblemSeverity.Warning, file =>
    {
        Token(file, "pad_token");
        Token(file, "unk_token");
        RefuseOthers(file);
        file.Finish(_ => false);
        return json;
    });

    private static DiaTokenizer Read(ObjectReader file)
    {
        var tokenizer = new DiaTokenizer(new DiaTokenizer(), file);
        RefuseOthers(file);
        foreach ((string key, string json) in new[] { ("split_special_tokens", "false"), ("do_lower_case", "false"), ("truncation_side", "\"right\"") })
            file.Constant(key, json);
        ObjectReader tokens = file.Section("added_tokens_decoder");
        tokens.Finish(_ => false, computed: true);
        for (int id = 0; id < Tags.Length; id++)
            tokens.Section(FormattableString.Invariant($"{id}")).Finish(_ => false);
        file.Finish(key => key is "name_or_path" or "_name_or_path" or "backend" or "auto_map" or "chat_template" or "tokenizer_file" or "model_input_names"
            or "special_tokens_map_file" or "added_tokens_file" or "legacy" or "verbose" or "transformers_version" or "is_local" or "local_files_only");
        return tokenizer;
    }

    /// <summary>Refuses tokens that would be read in texts, or written in front of them or behind.</summary>
    private static void RefuseOthers(ObjectReader file)
    {
        foreach (string key in new[] { "bos_token", "eos_token", "sep_token", "cls_token", "mask_token", "additional_special_tokens", "model_specific_special_tokens" })
            file.Constant(key, "null");
    }

    /// <summary>A token that is the padding's: by its text, or as the object that newer files have.</summary>
    private static void Token(Fields f, string key)
    {
        if (f.File is { } file && file.GetNotNull(key) is { Kind: JsonKind.Object })
        {
            AddToken(f, key, Tags[PadTokenId]);
            file.Section(key).Finish(name => name is "__type" or "special");
        }
        else
        {
            f.Constant(key, JsonValue.Write(Tags[PadTokenId]));
        }
    }

    /// <summary>A token of the vocabulary. What is normalized or special is read by others than this tokenizer.</summary>
    private static void AddToken(Fields f, string key, string content, bool? isSpecial = null) => f.Part(key, content, token =>
    {
        token.Constant("content", JsonValue.Write(content));
        token.Constant("lstrip", "false");
        token.Constant("normalized", "true", isChecked: false);
        token.Constant("rstrip", "false");
        token.Constant("single_word", "false");
        if (isSpecial is bool special)
            token.Constant("special", special ? "true" : "false", isChecked: false);
        return content;
    });
}
