namespace Dia.Processing;

/// <summary>What <see cref="DiaFeatureExtractor"/> makes of audio.</summary>
/// <param name="InputValues">Mono samples, [batch, 1, length].</param>
/// <param name="PaddingMask">1 on audio, 0 on padding, [batch, length].</param>
public sealed record DiaFeatures(float[,,] InputValues, int[,] PaddingMask);
