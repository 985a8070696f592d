namespace Dia.Configuration;

/// <summary>
/// Reads <c>quantization_config</c> of config.json: weights alone, as integers of 8 or 4 bits, with scales and without zero points. Everything else that
/// the compressed-tensors library knows (0.11.0), and every other library's, is refused by name.
/// </summary>
public static class QuantizationConfigParser
{
    /// <summary>The key of a configuration.</summary>
    internal const string Key = "quantization_config";

    /// <summary>The library whose keys these are, and a format that is another for each group.</summary>
    internal const string Method = "compressed-tensors", Mixed = "mixed-precision";

    private const string Packed = "pack-quantized", Plain = "int-quantized";
    private const string Advice = "take the checkpoint that the weights were made from, and dia convert --dtype int8 or int4";

    // Each is tried on every name.
    private const int MaxPatterns = 100, MaxPattern = 200;

    // Known, and of no meaning here: how scales were found, what the library counts.
    private static readonly string[] Passed = ["global_compression_ratio", "quantization_status", "version", "run_compressed"];
    private static readonly string[] PassedOfWeights = ["observer", "observer_kwargs", "scale_dtype", "zp_dtype"];

    /// <summary>What a file says of quantised weights, and everything that is wrong with it.</summary>
    /// <param name="file">A file that has the key.</param>
    public static ConfigurationResult<QuantizationConfig> Parse(ConfigurationFile file) => file.Parse(null, ProblemSeverity.Error, f => Read(f.Section(Key)));

    /// <summary>The library's name of integers in words of 32 bits, or in bytes.</summary>
    internal static string FormatName(bool isPacked) => isPacked ? Packed : Plain;

    private static QuantizationConfig? Read(ObjectReader file)
    {
        if (file.Get("quant_method") is not { Kind: JsonKind.String, Text: Method })
        {
            string method = file.Get("quant_method") is { Kind: JsonKind.String } other ? $" ({JsonValue.Quote(other.Text)})" : "";
            file.Error(ProblemIds.UnsupportedValue, "quant_method", $"weights that another library than {Method} quantised{method} are not read; {Advice}");
            return null;
        }

        foreach (string key in Passed)
            file.Get(key);
        foreach ((string key, string what) in new[] { ("kv_cache_scheme", "quantised keys and values are"), ("sparsity_config", "sparse weights are"),
            ("transform_config", "weights of transformed inputs are") })
            None(file, key, what);
        string? format = Format(file, mayBeMixed: true);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var groups = new List<(IReadOnlyList<string>, QuantizationScheme)>();
        ObjectReader all = file.Section("config_groups");
        file.Require("config_groups");
        if (file.Has("config_groups") && !all.Keys.Any())
            file.Error(ProblemIds.MissingKey, "config_groups", "has no group, so it says nothing of how weights are stored");
        foreach (string key in all.Keys.ToArray())
        {
            all.Get(key);
            ObjectReader group = all.Section(key);
            IReadOnlyList<string> targets = Names(group, "targets");
            if (targets.FirstOrDefault(t => !names.Add(t)) is { } twice)
                group.Error(ProblemIds.Contradiction, "targets", $"{JsonValue.Quote(twice)} stands in two groups");
            if (Scheme(group, Format(group, mayBeMixed: false) ?? format) is { } scheme)
                groups.Add((targets, scheme));
        }

        IReadOnlyList<string> ignored = file.GetNotNull("ignore") is null ? [] : Names(file, "ignore");
        CheckPatterns(file, [.. names, .. ignored]);
        file.Finish(_ => false, computed: true);
        return file.Problems.ErrorCount > 0 ? null : Made(file, groups, ignored);
    }

    private static QuantizationConfig? Made(ObjectReader file, List<(IReadOnlyList<string>, QuantizationScheme)> groups, IReadOnlyList<string> ignored)
    {
        try
        {
            return new QuantizationConfig(groups, ignored);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            file.Error(ProblemIds.UnsupportedValue, "config_groups", $"a pattern of it or of ignore cannot be read: {e.Message}");
            return null;
        }
    }

    private static void CheckPatterns(ObjectReader file, List<string> names)
    {
        List<string> patterns = names.FindAll(QuantizationConfig.IsPattern);
        if (patterns.Count > MaxPatterns || patterns.Exists(p => p.Length > MaxPattern))
            file.Error(ProblemIds.Limit, "config_groups",
                FormattableString.Invariant($"with ignore it has more than {MaxPatterns} patterns, or one of more than {MaxPattern} characters"));
    }

    /// <summary>How files hold the integers; null: it is not said.</summary>
    private static string? Format(ObjectReader file, bool mayBeMixed)
    {
        if (file.GetNotNull("format") is null)
            return null;
        string format = file.Text("format", "");
        if (format is Packed or Plain || (format == Mixed && mayBeMixed))
            return format;
        file.Error(ProblemIds.UnsupportedValue, "format", $"{JsonValue.Quote(format)} is none of {Packed}, {Plain}; {Advice}");
        return null;
    }

    /// <summary>The scheme of a group; null after a problem.</summary>
    private static QuantizationScheme? Scheme(ObjectReader group, string? format)
    {
        None(group, "input_activations", "quantised activations are");
        None(group, "output_activations", "quantised activations are");
        ObjectReader weights = group.Section("weights");
        group.Require("weights");
        group.Finish(_ => false, computed: true);
        foreach (string key in PassedOfWeights)
            weights.Get(key);
        None(weights, "block_structure", "blocks of weights with one scale are");
        string type = weights.Text("type", "int"), strategy = weights.Text("strategy", "channel");
        if (type != "int")
            weights.Error(ProblemIds.UnsupportedValue, "type", $"weights of type {JsonValue.Quote(type)} are not supported, only \"int\"; {Advice}");
        int before = weights.Problems.ErrorCount, bits = weights.Value("num_bits", 8, FieldType.Integer(1, 64));
        if (weights.Problems.ErrorCount > before)
            bits = 0; // It was said what is wrong; nothing follows from what stands in its place.
        else if (bits is not (4 or 8))
            weights.Error(ProblemIds.UnsupportedValue, "num_bits", FormattableString.Invariant($"integers of {bits} bits are not supported, only of 4 and 8; {Advice}"));
        if (!weights.Value("symmetric", true, FieldType.Boolean))
            weights.Error(ProblemIds.UnsupportedValue, "symmetric", $"asymmetric weights (with zero points) are not supported, only symmetric ones; {Advice}");
        if (weights.GetNotNull("dynamic") is { } dynamic && !dynamic.Is("false"))
            weights.Error(ProblemIds.UnsupportedValue, "dynamic", "scales that are found while the model runs are not supported for weights; only false is");
        // "weight" orders columns while integers are found, and puts them back.
        if (weights.GetNotNull("actorder") is { } order && order is not ({ Kind: JsonKind.String, Text: "weight" or "static" } or { Kind: JsonKind.Boolean, Boolean: false }))
            weights.Error(ProblemIds.UnsupportedValue, "actorder", $"groups of columns in the order of activations (weight_g_idx) are not supported; {Advice}");
        int size = GroupSize(weights, strategy, bits);
        weights.Finish(_ => false, computed: true);
        if (format is null or Mixed)
            group.Error(ProblemIds.MissingKey, "format", $"neither the group nor quantization_config says which format it is, {Packed} or {Plain}");
        else if (format == Plain && bits == 4)
            weights.Error(ProblemIds.UnsupportedValue, "num_bits", $"4 bits are read as {Packed} only, not as {Plain}");
        return new QuantizationScheme(bits, format == Packed, size);
    }

    private static int GroupSize(ObjectReader weights, string strategy, int bits)
    {
        int? size = weights.GetNotNull("group_size") is null ? null : weights.Optional("group_size", null, FieldType.Integer(-1, FieldType.MaxSize));
        if (strategy == "channel")
        {
            if (size is not (null or -1))
                weights.Error(ProblemIds.Contradiction, "group_size", "a scale for each row (strategy channel) has no group_size");
            return 0;
        }

        if (strategy != "group")
            weights.Error(ProblemIds.UnsupportedValue, "strategy", $"{JsonValue.Quote(strategy)} is not supported, only a scale for each row (channel) or group; {Advice}");
        else if (bits == 8)
            weights.Error(ProblemIds.UnsupportedValue, "strategy", $"8 bits with a scale for each group are not supported, only with one for each row (channel); {Advice}");
        else if (size is not > 0 || size % 32 != 0)
            weights.Error(ProblemIds.UnsupportedValue, "group_size", $"groups must be of a multiple of 32 values; {Advice}");
        return size ?? 0;
    }

    /// <summary>Refuses what a key says, unless that is nothing.</summary>
    private static void None(ObjectReader file, string key, string what)
    {
        if (file.GetNotNull(key) is { } value && !value.Is("{}"))
            file.Error(ProblemIds.UnsupportedValue, key, $"{what} not supported; {Advice}");
    }

    private static IReadOnlyList<string> Names(ObjectReader file, string key)
    {
        file.Require(key);
        if (file.Get(key) is { Kind: JsonKind.Array } list && list.Items.TrueForAll(i => i.Kind == JsonKind.String))
            return [.. list.Items.Select(i => i.Text)];
        if (file.Has(key))
            file.Error(ProblemIds.WrongType, key, "must be a list of names");
        return [];
    }
}
