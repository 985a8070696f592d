namespace Dia.Networks;

/// <summary>The codec of one configuration on one backend: what an emitted class implements. It holds weights and nothing of a request.</summary>
public abstract class DacNetwork : Network
{
    private bool _encodes, _decodes;

    /// <summary>Its operations, and how large its windows are.</summary>
    public abstract CodecLayout Layout { get; }

    /// <summary>The pass's window of samples to latents; any window comes out as if all had been encoded.</summary>
    public abstract void Encode(CodecPass p);

    /// <summary>The latents of <see cref="Encode"/> to codes.</summary>
    public abstract void Quantize(CodecPass p);

    /// <summary>Codes to the pass's window of samples; any window comes out as if all had been decoded.</summary>
    public abstract void Decode(CodecPass p);

    /// <summary>
    /// Prepares the kernels of encoding or of decoding if they are not yet, in a turn. They are nearly all there is to lay out, and few programs need both.
    /// </summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal void PrepareKernels(bool encoding)
    {
        if (encoding ? _encodes : _decodes)
            return;
        foreach (int i in Layout.Kernels(encoding))
            PrepareLeft(i);
        if (encoding)
            _encodes = true;
        else
            _decodes = true;
    }
}
