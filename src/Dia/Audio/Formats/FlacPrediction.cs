namespace Dia.Audio.Formats;

/// <summary>How a FLAC predicts a sample from those before it; encoder and decoder share it.</summary>
internal static class FlacPrediction
{
    /// <summary>The highest order of a fixed predictor.</summary>
    public const int MaxFixedOrder = 4;

    private static readonly long[][] FixedCoefficients = [[], [1], [2, -1], [3, -3, 1], [4, -6, 4, -1]];

    /// <summary>A polynomial through the samples before: their coefficients, the latest first.</summary>
    public static ReadOnlySpan<long> Fixed(int order) => FixedCoefficients[order];
}
