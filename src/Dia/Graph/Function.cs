namespace Dia.Graph;

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
