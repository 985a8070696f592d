namespace Dia.Configuration;

/// <summary>
/// The configuration of the model's first generation as its own code writes it: sizes in "model", lengths and ids in "data". It is put into today's keys,
/// every value where it stood, so that there is one parser.
/// </summary>
internal static class FirstGenerationConfig
{
    private const int Multiple = 128;

    // Where a key is, and where its value goes; one that is not required has what today's key has by default.
    private static readonly (string Path, string[] Current, bool IsRequired)[] Keys =
    [
        ("model.encoder.n_layer", ["encoder_config.num_hidden_layers"], true),
        ("model.encoder.n_embd", ["encoder_config.hidden_size", "decoder_config.cross_hidden_size"], true),
        ("model.encoder.n_hidden", ["encoder_config.intermediate_size"], true),
        ("model.encoder.n_head", ["encoder_config.num_attention_heads", "encoder_config.num_key_value_heads"], true),
        ("model.encoder.head_dim", ["encoder_config.head_dim"], true),
        ("model.decoder.n_layer", ["decoder_config.num_hidden_layers"], true),
        ("model.decoder.n_embd", ["decoder_config.hidden_size"], true),
        ("model.decoder.n_hidden", ["decoder_config.intermediate_size"], true),
        ("model.decoder.gqa_query_heads", ["decoder_config.num_attention_heads"], true),
        ("model.decoder.kv_heads", ["decoder_config.num_key_value_heads"], true),
        ("model.decoder.gqa_head_dim", ["decoder_config.head_dim"], true),
        ("model.decoder.cross_query_heads", ["decoder_config.cross_num_attention_heads", "decoder_config.cross_num_key_value_heads"], true),
        ("model.decoder.cross_head_dim", ["decoder_config.cross_head_dim"], true),
        ("model.src_vocab_size", ["encoder_config.vocab_size"], true),
        ("model.tgt_vocab_size", ["decoder_config.vocab_size"], true),
        ("model.normalization_layer_epsilon", ["norm_eps", "encoder_config.norm_eps", "decoder_config.norm_eps"], false),
        ("model.rope_max_timescale", ["encoder_config.rope_theta", "decoder_config.rope_theta"], false),
        ("data.text_length", ["encoder_config.max_position_embeddings"], true),
        ("data.audio_length", ["decoder_config.max_position_embeddings"], true),
        ("data.channels", ["decoder_config.num_channels"], true),
        ("data.audio_eos_value", ["eos_token_id"], true),
        ("data.audio_pad_value", ["pad_token_id"], true),
        ("data.audio_bos_value", ["bos_token_id"], true),
        ("data.delay_pattern", ["delay_pattern"], true),
    ];

    // Keys that have one value here.
    private static readonly (string Path, double Value)[] Constants = [("model.rope_min_timescale", 1), ("data.text_pad_value", 0)];

    // Of training, or of how the file came about.
    private static readonly string[] Others = ["version", "training", "model.dropout", "model.weight_dtype"];

    /// <summary>Whether a file's object is one of these.</summary>
    public static bool Is(JsonValue file) => file.Members.All(m => m.Key != "model_type") && file.Members.Any(m => m.Key == "data")
        && file.Members.Any(m => m.Key == "model" && m.Value.Members.Any(n => n.Key == "decoder"));

    /// <summary>The same in today's keys; lengths are rounded up to 128, as its code does.</summary>
    /// <param name="file">The file's object.</param>
    /// <param name="problems">Gets missing and unknown keys, and values that there is nothing for.</param>
    public static JsonValue Translate(JsonValue file, ProblemList problems)
    {
        List<JsonMember> encoder = [], decoder = [], current = [Member("model_type", new JsonValue(JsonKind.String, file.Position) { Text = "dia_first" })];
        foreach ((string path, string[] names, bool isRequired) in Keys)
        {
            if (Find(file, path) is not { } value)
            {
                if (isRequired)
                    problems.Error(ProblemIds.MissingKey, file.Position, $"{path} is missing");
                continue;
            }

            value = path.EndsWith("_length", StringComparison.Ordinal) ? Rounded(value) : value;
            foreach (string name in names)
            {
                string[] parts = name.Split('.');
                (parts.Length == 1 ? current : parts[0] == "encoder_config" ? encoder : decoder).Add(Member(parts[parts.Length - 1], value));
            }
        }

        foreach ((string path, double constant) in Constants)
            if (Find(file, path) is { } value
                && !(double.TryParse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number == constant))
                problems.Error(ProblemIds.UnsupportedValue, value.Position, FormattableString.Invariant($"{path} must be {constant}, not {value.Describe()}"));
        CheckKeys(file, "", problems);
        current.Add(Member("encoder_config", new JsonValue(JsonKind.Object, file.Position) { Members = encoder }));
        current.Add(Member("decoder_config", new JsonValue(JsonKind.Object, file.Position) { Members = decoder }));
        return new JsonValue(JsonKind.Object, file.Position) { Members = current };
    }

    private static JsonMember Member(string key, JsonValue value) => new(key, value.Position, value);

    /// <summary>Reports a key that is in no table, and an object that is none.</summary>
    private static void CheckKeys(JsonValue part, string path, ProblemList problems)
    {
        foreach (JsonMember member in part.Members)
        {
            string key = path + member.Key;
            if (Others.Contains(key) || Constants.Any(c => c.Path == key) || Keys.Any(k => k.Path == key))
                continue;
            if (key is not ("model" or "data" or "model.encoder" or "model.decoder"))
                problems.UnknownKey(member.KeyPosition, $"{JsonValue.Quote(key)} is no key of this configuration; remove it or correct its name", computed: true);
            else
                CheckKeys(member.Value, key + ".", problems);
        }
    }

    private static JsonValue? Find(JsonValue file, string path)
    {
        JsonValue? value = file;
        foreach (string key in path.Split('.'))
            value = value?.Members.FirstOrDefault(m => m.Key == key)?.Value;
        return value;
    }

    private static JsonValue Rounded(JsonValue length) =>
        length.IsInteger && int.TryParse(length.Text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number is > 0 and < int.MaxValue - Multiple
            ? new JsonValue(JsonKind.Number, length.Position)
            {
                Text = ((number + Multiple - 1) / Multiple * Multiple).ToString(CultureInfo.InvariantCulture),
            }
            : length;
}
