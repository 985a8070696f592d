namespace Dia.Configuration;

/// <summary>How rotary frequencies are stretched for long sequences (<c>rope_type</c>).</summary>
public enum RopeType
{
    /// <summary>Not at all.</summary>
    Default,

    /// <summary>All frequencies divided by the factor.</summary>
    Linear,

    /// <summary>The base grows with the sequence once it is longer than max_position_embeddings.</summary>
    Dynamic,

    /// <summary>YaRN: low frequencies divided by the factor, high ones kept, a ramp between.</summary>
    Yarn,

    /// <summary>LongRoPE: each frequency divided by its own factor, one list for short and one for long sequences.</summary>
    LongRope,

    /// <summary>Llama 3: low frequencies divided by the factor, high ones kept, interpolated between.</summary>
    Llama3,
}

/// <summary>
/// <c>rope_scaling</c> of an encoder or decoder configuration. A value that <see cref="RopeType"/> does not use is null or empty.
/// </summary>
public sealed record RopeScaling
{
    /// <summary>The names of <c>rope_type</c>.</summary>
    internal static readonly (string, RopeType)[] Types =
    [
        ("default", RopeType.Default), ("linear", RopeType.Linear), ("dynamic", RopeType.Dynamic), ("yarn", RopeType.Yarn), ("longrope", RopeType.LongRope),
            ("llama3", RopeType.Llama3),
    ];

    // Far beyond any use, and near enough to 1 that no frequency becomes infinite or not a number.
    private const double MinStretch = 1e-6;
    private const double MaxStretch = 1e6;

    private static readonly FieldType<double> Stretch = FieldType.Number(x => x is >= MinStretch and <= MaxStretch, "a number from 1e-6 to 1e6");
    private static readonly FieldType<double> StretchOrZero = FieldType.Number(x => x is 0 or (>= MinStretch and <= MaxStretch), "0 or " + Stretch.Range);

    /// <summary>Frequencies as they are.</summary>
    public RopeScaling()
    {
    }

    internal RopeScaling(RopeScaling c, Fields f)
    {
        // A reader has read it: it says which of the others there are.
        RopeType = f.File is null ? f.Name("rope_type", c.RopeType, Types) : c.RopeType;
        Factor = f.Optional("factor", c.Factor, Stretch);
        OriginalMaxPositionEmbeddings = f.Optional("original_max_position_embeddings", c.OriginalMaxPositionEmbeddings, FieldType.Length);
        AttentionFactor = f.Optional("attention_factor", c.AttentionFactor, Stretch);
        BetaFast = f.Optional("beta_fast", c.BetaFast, StretchOrZero);
        BetaSlow = f.Optional("beta_slow", c.BetaSlow, StretchOrZero);
        Mscale = f.Optional("mscale", c.Mscale, StretchOrZero);
        MscaleAllDim = f.Optional("mscale_all_dim", c.MscaleAllDim, StretchOrZero);
        Truncate = f.Optional("truncate", c.Truncate, FieldType.Boolean);
        ShortFactor = f.List("short_factor", c.ShortFactor, Stretch);
        LongFactor = f.List("long_factor", c.LongFactor, Stretch);
        LowFreqFactor = f.Optional("low_freq_factor", c.LowFreqFactor, Stretch);
        HighFreqFactor = f.Optional("high_freq_factor", c.HighFreqFactor, Stretch);
    }

    /// <summary><c>rope_type</c>, or the older key <c>type</c>, which wins where both are there.</summary>
    public RopeType RopeType { get; init; }

    /// <summary>The stretch. Required but for <see cref="RopeType.Default"/>, and for longrope where something else gives it.</summary>
    public double? Factor { get; init; }

    /// <summary>The length the model was trained at (yarn: default max_position_embeddings; llama3: required).</summary>
    public int? OriginalMaxPositionEmbeddings { get; init; }

    /// <summary>What cos and sin are multiplied by (yarn, longrope); null: computed.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>yarn: rotations above which a frequency is kept. Default 32, which 0 stands for too.</summary>
    public double? BetaFast { get; init; }

    /// <summary>yarn: rotations below which a frequency is divided. Default 1, which 0 stands for too.</summary>
    public double? BetaSlow { get; init; }

    /// <summary>yarn: with <see cref="MscaleAllDim"/>, gives the attention factor.</summary>
    public double? Mscale { get; init; }

    /// <summary>yarn: with <see cref="Mscale"/>, gives the attention factor.</summary>
    public double? MscaleAllDim { get; init; }

    /// <summary>yarn: whether the ramp's bounds are rounded to whole dimensions. Default true.</summary>
    public bool? Truncate { get; init; }

    /// <summary>longrope: head_dim/2 divisors for sequences up to the original length.</summary>
    public EquatableArray<double> ShortFactor { get; init; }

    /// <summary>longrope: head_dim/2 divisors for longer sequences.</summary>
    public EquatableArray<double> LongFactor { get; init; }

    /// <summary>llama3: wavelengths above original length / this are divided.</summary>
    public double? LowFreqFactor { get; init; }

    /// <summary>llama3: wavelengths below original length / this are kept.</summary>
    public double? HighFreqFactor { get; init; }
}
