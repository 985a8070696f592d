using Dia.Text;

namespace Dia.Processing;

/// <summary>What <see cref="DiaFeatureExtractor"/> makes of audio: one array for each item; all of one length where padding was asked for.</summary>
/// <param name="InputValues">Mono samples, [batch][length] (the reference's [batch, 1, length]).</param>
/// <param name="PaddingMask">1 on audio, 0 on padding, [batch][length].</param>
public sealed record DiaFeatures(float[][] InputValues, int[][] PaddingMask);

/// <summary>How <see cref="DiaFeatureExtractor"/> pads and truncates. Names and defaults are the reference's.</summary>
public sealed record FeatureOptions
{
    /// <summary>How to bring the batch to one length, which is rounded up to the hop; null: to the longest. Without padding nothing is rounded.</summary>
    public PaddingStrategy? Padding { get; init; }

    /// <summary>Whether to cut to <see cref="MaxLength"/>, itself rounded up to the hop. Not with a padding that is set.</summary>
    public bool Truncation { get; init; }

    /// <summary>The length in samples that truncation and <see cref="PaddingStrategy.MaxLength"/> aim at.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Refuses what contradicts itself.</summary>
    /// <exception cref="DiaException">Usage.</exception>
    internal void Check()
    {
        string? wrong =
            Truncation && Padding is not (null or PaddingStrategy.DoNotPad) ? "Both padding and truncation were set; set only one."
            : Padding == PaddingStrategy.MaxLength && MaxLength is null ? "Padding is MaxLength: give MaxLength too."
            : Truncation && MaxLength is null ? "Truncation is on: give MaxLength too."
            : MaxLength < 1 ? $"MaxLength is {MaxLength}; it must be at least 1."
            : MaxLength is not null && !Truncation && Padding != PaddingStrategy.MaxLength
                ? $"MaxLength is {MaxLength}, but nothing is cut or padded to it: leave it out, or set Truncation or Padding."
            : null;
        if (wrong is not null)
            throw new DiaException(DiaErrorKind.Usage, wrong);
    }
}
