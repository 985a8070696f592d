namespace Dia.Configuration;

/// <summary>
/// The rotary frequencies of a configuration, for every <c>rope_type</c>. Computed step by step in float32 as the reference
/// (Transformers 4.56.2, <c>modeling_rope_utils</c>) does, so that angles at large positions agree.
/// </summary>
public sealed class RotaryFrequencies
{
    private readonly RopeScaling _scaling;
    private readonly int _dim;
    private readonly float _base;
    private readonly double _factor;

    private RotaryFrequencies(DiaStackConfig config)
    {
        int positions = config.MaxPositionEmbeddings;
        _scaling = config.RopeScaling ?? new RopeScaling();
        _dim = config.HeadDim;
        _base = (float)config.RopeTheta;
        int? originalPositions = Type == RopeType.LongRope ? config.OriginalMaxPositionEmbeddings : null;
        OriginalLength = originalPositions ?? positions;
        _factor = originalPositions is { } original ? (double)positions / original : _scaling.Factor ?? 1;
        AttentionScaling = (float)Attention();
    }

    /// <summary>How the frequencies are stretched.</summary>
    public RopeType Type => _scaling.RopeType;

    /// <summary>Number of frequencies: head_dim/2.</summary>
    public int Half => _dim / 2;

    /// <summary>Sequences longer than this change the frequencies of dynamic and longrope.</summary>
    public int OriginalLength { get; }

    /// <summary>What cos and sin are multiplied by: 1 but for yarn and longrope.</summary>
    public float AttentionScaling { get; }

    /// <summary>Whether the frequencies depend on the length of the sequence.</summary>
    public bool DependsOnLength => Type is RopeType.Dynamic or RopeType.LongRope;

    /// <summary>The frequencies of the encoder's or the decoder's self-attention.</summary>
    public static RotaryFrequencies For(DiaStackConfig config) => new(config);

    /// <summary>Inverse frequencies [head_dim/2] for a sequence no longer than <see cref="OriginalLength"/>.</summary>
    public float[] Compute()
    {
        var inverse = new float[Half];
        Compute(OriginalLength, inverse);
        return inverse;
    }

    /// <summary>Inverse frequencies for a sequence of <paramref name="length"/> positions.</summary>
    /// <param name="length">The longest position plus one.</param>
    /// <param name="inverse">Receives head_dim/2 values.</param>
    /// <exception cref="ArgumentException"><paramref name="inverse"/> has another length.</exception>
    public void Compute(int length, float[] inverse)
    {
        if (inverse.Length != Half)
            throw new ArgumentException("one value per frequency is needed", nameof(inverse));
        float numberBase = Type == RopeType.Dynamic ? DynamicBase(length) : _base;
        for (int i = 0; i < inverse.Length; i++)
        {
            float power = (float)Math.Pow(numberBase, 2f * i / _dim);
            float plain = 1f / power;
            inverse[i] = Type switch
            {
                RopeType.Linear => plain / (float)_factor,
                RopeType.LongRope => 1f / ((float)(length > OriginalLength ? _scaling.LongFactor : _scaling.ShortFactor)[i] * power),
                RopeType.Llama3 => Llama3(plain),
                _ => plain,
            };
        }
        if (Type == RopeType.Yarn)
            ApplyYarn(inverse);
    }

    internal static double BetaFast(RopeScaling scaling) => scaling.BetaFast is { } beta and not 0 ? beta : 32;

    internal static double BetaSlow(RopeScaling scaling) => scaling.BetaSlow is { } beta and not 0 ? beta : 1;

    /// <summary>base·(f·n/L − (f−1))^(dim/(dim−2)): NTK-aware scaling.</summary>
    private float DynamicBase(int length)
    {
        if (length <= OriginalLength)
            return _base;
        float factor = (float)_factor;
        float stretch = factor * length / OriginalLength - (float)(_factor - 1);
        return _base * (float)Math.Pow(stretch, (double)_dim / (_dim - 2));
    }

    /// <summary>YaRN (arXiv 2309.00071): frequency i goes from kept to divided along a ramp between two bounds.</summary>
    private void ApplyYarn(float[] inverse)
    {
        int original = _scaling.OriginalMaxPositionEmbeddings ?? OriginalLength;
        double Bound(double rotations) => _dim * Math.Log(original / (rotations * 2 * Math.PI)) / (2 * Math.Log(_base));
        double low = Bound(BetaFast(_scaling));
        double high = Bound(BetaSlow(_scaling));
        if (_scaling.Truncate ?? true)
        {
            low = Math.Floor(low);
            high = Math.Ceiling(high);
        }
        low = Math.Max(low, 0);
        high = Math.Min(high, _dim - 1);
        if (low == high)
            high += 0.001; // no division by zero
        for (int i = 0; i < inverse.Length; i++)
        {
            float ramp = Math.Min(Math.Max((i - (float)low) / (float)(high - low), 0f), 1f);
            float keep = 1f - ramp;
            inverse[i] = inverse[i] / (float)_factor * (1f - keep) + inverse[i] * keep;
        }
    }

    private float Llama3(float plain)
    {
        double original = _scaling.OriginalMaxPositionEmbeddings ?? OriginalLength;
        float low = (float)(_scaling.LowFreqFactor ?? 1);
        float high = (float)(_scaling.HighFreqFactor ?? 4);
        float factor = (float)_factor;
        float wavelength = (float)(2 * Math.PI) / plain;
        if (wavelength < (float)(original / high))
            return plain;
        if (wavelength > (float)(original / low))
            return plain / factor;
        float smooth = ((float)original / wavelength - low) / (high - low);
        return (1f - smooth) * plain / factor + smooth * plain;
    }

    private double Attention()
    {
        if (Type is not (RopeType.Yarn or RopeType.LongRope))
            return 1;
        if (_scaling.AttentionFactor is { } given)
            return given;
        if (Type == RopeType.LongRope)
            return _factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(_factor) / Math.Log(OriginalLength));
        double Mscale(double weight) => _factor <= 1 ? 1 : 0.1 * weight * Math.Log(_factor) + 1;
        return _scaling is { Mscale: { } mscale and not 0, MscaleAllDim: { } all and not 0 } ? Mscale(mscale) / Mscale(all) : Mscale(1);
    }
}
