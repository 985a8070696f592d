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

    /// <summary>The gradient of the encoder output to those of the encoder's parameters.</summary>
    EncodeBackward,

    /// <summary>Gradients of keys and values of cross-attention to that of the encoder output.</summary>
    CrossKeyValuesBackward,

    /// <summary>The gradient of the decoder output to those of the decoder's parameters, and of keys and values of cross-attention.</summary>
    DecodeBackward,

    /// <summary>The gradient of logits to that of the decoder output.</summary>
    LogitsBackward,

    /// <summary>Logits and labels to the gradient of logits.</summary>
    LossBackward,

    /// <summary>Samples to latents.</summary>
    CodecEncode,

    /// <summary>Latents to codes.</summary>
    CodecQuantize,

    /// <summary>Codes to samples.</summary>
    CodecDecode,

    /// <summary>The gradient of latents to those of the codec encoder's parameters.</summary>
    CodecEncodeBackward,

    /// <summary>The gradient of each quantizer's code vectors to those of the quantizers' parameters, and of the latents.</summary>
    CodecQuantizeBackward,

    /// <summary>The gradient of samples to those of the codec decoder's parameters, and of each quantizer's code vectors.</summary>
    CodecDecodeBackward,
}
