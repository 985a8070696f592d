namespace Dia.Graph;

/// <summary>What a weight is used for; backends may lay it out accordingly.</summary>
public enum WeightRole
{
    /// <summary>A matrix [out, in] of a linear layer, y = x Wᵀ.</summary>
    Linear,

    /// <summary>A table [entries, width] whose rows are looked up.</summary>
    Embedding,

    /// <summary>One value per channel: norm weights, Snake's alpha, biases.</summary>
    Vector,

    /// <summary>A convolution's kernel [out, in, k]. Its checkpoint may hold a weight-norm pair instead.</summary>
    Convolution,

    /// <summary>A transposed convolution's kernel [in, out, k]. Its checkpoint may hold a weight-norm pair instead.</summary>
    TransposedConvolution,
}
