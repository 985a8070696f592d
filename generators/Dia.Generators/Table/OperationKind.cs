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

    /// <summary>Sum of two values.</summary>
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
}

/// <summary>A function of the graph: a list of stages with inputs and results.</summary>
public enum Function
{
    /// <summary>Text ids to the encoder output.</summary>
    Encode,

    /// <summary>The encoder output to keys and values of every decoder layer's cross-attention.</summary>
    CrossKeyValues,

    /// <summary>The encoder output of a zero byte to what cross-attention adds to a row without text.</summary>
    UnconditionalCross,

    /// <summary>Rows of audio ids to the decoder output; caches grow.</summary>
    Decode,

    /// <summary>The decoder output to scores of ids.</summary>
    Logits,

    /// <summary>Logits and labels to the loss.</summary>
    Loss,

    /// <summary>Samples to latents.</summary>
    CodecEncode,

    /// <summary>Latents to codes.</summary>
    CodecQuantize,

    /// <summary>Codes to samples.</summary>
    CodecDecode,
}

/// <summary>Which rows of a pass a value has.</summary>
public enum Rows
{
    /// <summary>Every row.</summary>
    All,

    /// <summary>The rows of conditional sequences: they come first and see the text.</summary>
    Conditional,

    /// <summary>The unconditional rows of guidance: they come last.</summary>
    Unconditional,
}
