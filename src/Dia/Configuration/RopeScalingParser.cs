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
        foreach (string key in FieldList.Of(new RopeScaling()).Select(f => f.Key)
            .Where(k => k != "rope_type" && !required.Contains(k) && !optional.Contains(k)))
            file.Ignore(key, "has no effect with this rope_type");
        var scaling = new RopeScaling(new RopeScaling { RopeType = known }, file);
        // dynamic and longrope may state it and do not read it.
        int? original = known is RopeType.Yarn or RopeType.Llama3 ? scaling.OriginalMaxPositionEmbeddings ?? (place.IsNewer ? place.Original : null) : null;
        scaling = scaling with { OriginalMaxPositionEmbeddings = original };
        if (file.Problems.ErrorCount == errors)
            CheckValues(file, scaling, place);
        file.Finish(_ => false, computed: true);
        return known == RopeType.Default ? null : scaling;
    }

    private static RopeType? ReadType(ObjectReader file, bool newer)
    {
        string key = file.Has("type") ? "type" : "rope_type";
        if (file.GetNotNull("rope_type") is { Kind: JsonKind.String } given && newer && file.Get("type") is { } old && old.Text != given.Text)
            file.Error(ProblemIds.Contradiction, "type", $"contradicts {file.Path("rope_type")}; say it once");
        file.Get("rope_type");
        if (newer && !file.Has(key))
            return RopeType.Default;
        int errors = file.Problems.ErrorCount;
        file.Require(key);
        RopeType type = file.Name(key, RopeType.Default, RopeScaling.Types);
        return file.Problems.ErrorCount == errors ? type : null;
    }

    /// <summary>The keys a type must and may have, as the reference checks them.</summary>
    private static (string[] Required, string[] Optional) KeysOf(RopeType type, bool newer) => type switch
    {
        RopeType.Linear => (["factor"], []),
        RopeType.Dynamic => (["factor"], ["original_max_position_embeddings"]),
        RopeType.Yarn =>
            (["factor"], ["original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"]),
        RopeType.LongRope => (["short_factor", "long_factor"], ["factor", "attention_factor", "original_max_position_embeddings"]),
        RopeType.Llama3 when newer => (["factor", "low_freq_factor", "high_freq_factor"], ["original_max_position_embeddings"]),
        RopeType.Llama3 => (["factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"], []),
        _ => ([], []),
    };

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
                    file.Problems.Error(ProblemIds.MissingKey, file.Position(""),
                        $"{file.Path("factor")} is missing; it, attention_factor, or original_max_position_embeddings beside max_position_embeddings must be there");
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
}
