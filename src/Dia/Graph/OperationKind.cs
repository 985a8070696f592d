namespace Dia.Graph;

/// <summary>What an operation computes: one file in the generator each, one method of a backend each.</summary>
public enum OperationKind
{
    /// <summary>Rows of a table.</summary>
    Embedding,

    /// <summary>A sum of rows of a table, one for each channel.</summary>
    EmbeddingSum,

    /// <summary>cos and sin of rotary positions.</summary>
    RotaryTable,

    /// <summary>Rotary positions applied to heads.</summary>
    Rotation,

    /// <summary>Root mean square norm.</summary>
    RmsNorm,

    /// <summary>A matrix.</summary>
    Linear,

    /// <summary>up·act(gate).</summary>
    GatedActivation,

    /// <summary>Keys and values become rows of a cache.</summary>
    AppendKeyValues,

    /// <summary>Softmax attention.</summary>
    Attention,

    /// <summary>Sum of two values: of the graph before its rewrites, no backend's.</summary>
    Add,

    /// <summary>A constant row added to every row.</summary>
    AddConstant,

    /// <summary>Zeros.</summary>
    Zeros,

    /// <summary>A value goes to what the caller gave for it.</summary>
    Store,

    /// <summary>A value is offered to whoever asked for it.</summary>
    Observe,

    /// <summary>Cross-entropy of logits and labels.</summary>
    CrossEntropy,

    /// <summary>A sound's samples become rows.</summary>
    LoadSamples,

    /// <summary>Rows become a sound's samples.</summary>
    StoreSamples,

    /// <summary>Snake activation.</summary>
    Snake,

    /// <summary>Convolution.</summary>
    Convolution,

    /// <summary>Transposed convolution.</summary>
    TransposedConvolution,

    /// <summary>Hyperbolic tangent.</summary>
    Tanh,

    /// <summary>The nearest row of a codebook.</summary>
    NearestCode,

    /// <summary>The row of a codebook that a code names.</summary>
    CodeLookup,

    /// <summary>Difference of two values.</summary>
    Subtract,

    /// <summary>A value again, in other memory.</summary>
    Copy,

    /// <summary>Gradient of what a matrix is multiplied with.</summary>
    LinearInputGradient,

    /// <summary>Gradient of a matrix.</summary>
    LinearWeightGradient,

    /// <summary>Gradient of a norm.</summary>
    RmsNormGradient,

    /// <summary>Gradient of up·act(gate).</summary>
    GatedActivationGradient,

    /// <summary>Gradient of rotary positions applied to heads.</summary>
    RotationGradient,

    /// <summary>Gradient of attention.</summary>
    AttentionGradient,

    /// <summary>Gradient of a table's rows.</summary>
    EmbeddingGradient,

    /// <summary>Gradient of a table's rows, one for each channel.</summary>
    EmbeddingSumGradient,

    /// <summary>Gradient of logits.</summary>
    CrossEntropyGradient,

    /// <summary>A code vector whose gradient is that of what was quantized.</summary>
    StraightThrough,

    /// <summary>Mean squared error of two values.</summary>
    MeanSquaredError,

    /// <summary>Gradient of a value with a mean squared error.</summary>
    MeanSquaredErrorGradient,

    /// <summary>Gradient of a codebook's rows.</summary>
    CodeLookupGradient,

    /// <summary>Gradient of what is subtracted.</summary>
    SubtractGradient,

    /// <summary>Gradient of Snake.</summary>
    SnakeGradient,

    /// <summary>Gradient of a hyperbolic tangent.</summary>
    TanhGradient,

    /// <summary>Gradient of what a convolution reads.</summary>
    ConvolutionInputGradient,

    /// <summary>Gradient of a convolution's kernel and bias.</summary>
    ConvolutionWeightGradient,

    /// <summary>Gradient of what a transposed convolution reads.</summary>
    TransposedConvolutionInputGradient,

    /// <summary>Gradient of a transposed convolution's kernel and bias.</summary>
    TransposedConvolutionWeightGradient,
}
