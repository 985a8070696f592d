namespace Dia.Configuration;

/// <summary>Where a rope_scaling or rope_parameters stands.</summary>
/// <param name="HeadDim">head_dim.</param>
/// <param name="Theta">Base of the frequencies.</param>
/// <param name="Positions">max_position_embeddings.</param>
/// <param name="Original">The original length where there is one, beside or inside.</param>
/// <param name="IsNewer">Whether it is rope_parameters: its type may be missing, and its original length has a default.</param>
internal readonly record struct RopePlace(int HeadDim, double Theta, int Positions, int? Original, bool IsNewer);

/// <summary>Reads and checks <c>rope_scaling</c>, and the same keys inside <c>rope_parameters</c>.</summary>
internal static class RopeScalingParser
{
    private static readonly string[] AllKeys =
    [
        "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate",
        "short_factor", "long_factor", "low_freq_factor", "high_freq_factor",
    ];

    // Far beyond any use, and near enough to 1 that no frequency becomes infinite or not a number.
    private const double MinStretch = 1e-6;
    private const double MaxStretch = 1e6;
    private const string Stretch = "a number from 1e-6 to 1e6";

    /// <summary>The scaling in <paramref name="file"/>; null where its type is default.</summary>
    public static RopeScaling? Read(ObjectReader file, RopePlace place)
    {
        RopeType? type = ReadType(file, place.IsNewer);
        if (type is not { } known)
            return null;
        (string[] required, string[] optional) = KeysOf(known, place.IsNewer);
        int errors = file.Problems.ErrorCount;
        foreach (string key in required)
            file.Require(key);
        RopeScaling scaling = ReadValues(file, known, key => required.Contains(key), key => required.Contains(key) || optional.Contains(key));
        if (place.IsNewer && known is RopeType.Yarn or RopeType.Llama3)
            scaling = scaling with { OriginalMaxPositionEmbeddings = scaling.OriginalMaxPositionEmbeddings ?? place.Original };
        if (file.Problems.ErrorCount == errors)
            CheckValues(file, scaling, place);
        foreach (string key in AllKeys)
            if (file.Has(key) && !required.Contains(key) && !optional.Contains(key))
                IgnoredKey(file, key);
        file.Finish(_ => false, computed: true);
        return known == RopeType.Default ? null : scaling;
    }

    private static bool IsStretch(double value) => value is >= MinStretch and <= MaxStretch;

    private static RopeType? ReadType(ObjectReader file, bool newer)
    {
        string key = file.Has("type") ? "type" : "rope_type";
        if (file.GetNotNull("rope_type") is { Kind: JsonKind.String } given && newer && file.Get("type") is { } old && old.Text != given.Text)
            file.Error(ProblemIds.Contradiction, "type", $"contradicts {file.Path("rope_type")}; say it once");
        file.Get("rope_type");
        if (newer && !file.Has(key))
            return RopeType.Default;
        file.Require(key);
        string? name = file.String(key);
        RopeType? type = name switch
        {
            "default" => RopeType.Default,
            "linear" => RopeType.Linear,
            "dynamic" => RopeType.Dynamic,
            "yarn" => RopeType.Yarn,
            "longrope" => RopeType.LongRope,
            "llama3" => RopeType.Llama3,
            _ => null,
        };
        if (name is not null && type is null)
            file.Error(ProblemIds.UnsupportedValue, key, $"{JsonValue.Quote(name)} is none of default, linear, dynamic, yarn, longrope, llama3");
        return type;
    }

    /// <summary>The keys a type must and may have, as the reference checks them.</summary>
    private static (string[] Required, string[] Optional) KeysOf(RopeType type, bool newer) => type switch
    {
        RopeType.Linear => (["factor"], []),
        RopeType.Dynamic => (["factor"], ["original_max_position_embeddings"]),
        RopeType.Yarn => (["factor"], ["original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"]),
        RopeType.LongRope => (["short_factor", "long_factor"], ["factor", "attention_factor", "original_max_position_embeddings"]),
        RopeType.Llama3 when newer => (["factor", "low_freq_factor", "high_freq_factor"], ["original_max_position_embeddings"]),
        RopeType.Llama3 => (["factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"], []),
        _ => ([], []),
    };

    private static RopeScaling ReadValues(ObjectReader file, RopeType type, Func<string, bool> required, Func<string, bool> allowed)
    {
        double? Above(string key) => Value(key, IsStretch, Stretch);
        double? From(string key) => Value(key, x => x is 0 or >= MinStretch and <= MaxStretch, "0 or " + Stretch);
        double? Value(string key, Func<double, bool> valid, string range)
        {
            if (!allowed(key))
                return null;
            return required(key) ? file.Has(key) ? file.Number(key, 1, valid, range) : null : file.OptionalNumber(key, valid, range);
        }
        EquatableArray<double> List(string key)
        {
            if (!allowed(key))
                return [];
            if (file.Get(key) is { Kind: JsonKind.Null } value)
                file.WrongType(key, value, "a list");
            return file.Numbers(key, IsStretch, Stretch) ?? [];
        }

        int? original = null;
        if (allowed("original_max_position_embeddings"))
            original = required("original_max_position_embeddings") && file.Has("original_max_position_embeddings")
                ? file.Integer("original_max_position_embeddings", 1, 1, 1 << 24)
                : file.OptionalInteger("original_max_position_embeddings", 1, 1 << 24);
        return new RopeScaling
        {
            RopeType = type,
            Factor = Above("factor"),
            // dynamic and longrope may state it and do not read it.
            OriginalMaxPositionEmbeddings = type is RopeType.Yarn or RopeType.Llama3 ? original : null,
            AttentionFactor = Above("attention_factor"),
            BetaFast = From("beta_fast"),
            BetaSlow = From("beta_slow"),
            Mscale = From("mscale"),
            MscaleAllDim = From("mscale_all_dim"),
            Truncate = allowed("truncate") && file.GetNotNull("truncate") is not null ? file.Boolean("truncate", true) : null,
            ShortFactor = List("short_factor"),
            LongFactor = List("long_factor"),
            LowFreqFactor = Above("low_freq_factor"),
            HighFreqFactor = Above("high_freq_factor"),
        };
    }

    private static void CheckValues(ObjectReader file, RopeScaling scaling, RopePlace place)
    {
        int headDim = place.HeadDim;
        switch (scaling.RopeType)
        {
            case RopeType.Dynamic when headDim <= 2:
                file.Error(ProblemIds.Contradiction, "rope_type", "dynamic needs a head_dim above 2");
                break;
            case RopeType.Yarn:
                if ((float)place.Theta <= 1) // its logarithm divides
                    file.Error(ProblemIds.Contradiction, "rope_type", "yarn needs a rope_theta above 1");
                if (RotaryFrequencies.BetaFast(scaling) < RotaryFrequencies.BetaSlow(scaling))
                    file.Error(ProblemIds.Contradiction, "beta_fast", "must not be below beta_slow (defaults 32 and 1)");
                break;
            case RopeType.LongRope:
                CheckLength(file, "short_factor", scaling.ShortFactor.Length, headDim);
                CheckLength(file, "long_factor", scaling.LongFactor.Length, headDim);
                if (scaling.AttentionFactor is null && scaling.Factor is null && place.Original is null)
                    file.Problems.Error(ProblemIds.MissingKey, file.Position(""), $"{file.Path("factor")} is missing; it, attention_factor, or original_max_position_embeddings beside max_position_embeddings must be there");
                if (scaling.AttentionFactor is null && (place.Original ?? place.Positions) == 1)
                    file.Error(ProblemIds.Contradiction, "factor", "the attention factor of longrope needs an original length above 1");
                break;
            case RopeType.Llama3 when scaling.HighFreqFactor <= scaling.LowFreqFactor:
                file.Error(ProblemIds.Contradiction, "high_freq_factor", "must be above low_freq_factor");
                break;
        }
    }

    private static void CheckLength(ObjectReader file, string key, int length, int headDim)
    {
        if (length != headDim / 2)
            file.Error(ProblemIds.Contradiction, key, FormattableString.Invariant($"has {length} entries where head_dim {headDim} needs {headDim / 2}"));
    }

    private static void IgnoredKey(ObjectReader file, string key)
    {
        file.Get(key);
        file.Problems.Warning(ProblemIds.NoEffect, file.Position(key), $"{file.Path(key)} has no effect with this rope_type");
    }
}
