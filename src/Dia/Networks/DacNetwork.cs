namespace Dia.Networks;

/// <summary>The codec of one configuration on one backend: what an emitted class implements. It holds weights and nothing of a request.</summary>
public abstract class DacNetwork : Network
{
    /// <summary>Its operations, and how large its windows are.</summary>
    public abstract CodecLayout Layout { get; }

    /// <summary>The pass's window of samples to latents; any window comes out as if all had been encoded.</summary>
    public abstract void Encode(CodecPass p);

    /// <summary>The latents of <see cref="Encode"/> to codes.</summary>
    public abstract void Quantize(CodecPass p);

    /// <summary>Codes to the pass's window of samples; any window comes out as if all had been decoded.</summary>
    public abstract void Decode(CodecPass p);
}
