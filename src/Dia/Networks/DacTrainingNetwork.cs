using Dia.Backends;
using Dia.Graph;

namespace Dia.Networks;

/// <summary>Values of a codec that have a row at the same times.</summary>
/// <param name="from">The timeline of what its first value is computed from, by its number; −1: it is that of the samples.</param>
/// <param name="window">Which rows of that one a row is computed from.</param>
/// <param name="rowsPerFrame">Rows of a frame.</param>
/// <param name="margin">Rows before the first and after the last that operations read or write.</param>
public readonly struct CodecTimeline(int from, ConvolutionWindow window, int rowsPerFrame, int margin)
{
    /// <summary>Rows before the first and after the last that operations read or write.</summary>
    public int Margin => margin;

    /// <summary>Its rows.</summary>
    /// <param name="totals">Those of the timelines before it.</param>
    /// <param name="samples">Samples of the sound.</param>
    internal long Rows(ReadOnlySpan<long> totals, long samples) => from < 0 ? samples : window.Rows(totals[from]);

    /// <summary>Frames of an arena with room for so many of its rows, and the margins.</summary>
    internal long Frames(long total) => (total + 2L * margin + rowsPerFrame - 1) / rowsPerFrame;
}

/// <summary>
/// The functions of a codec over a whole sound, by a plan that keeps what their backward functions read, and those: what an emitted class implements. A
/// pass goes forward, then backward, over the same arena. It holds nothing of a pass; the weights are the network's.
/// </summary>
/// <param name="network">The codec whose weights it uses.</param>
public abstract class DacTrainingNetwork(DacNetwork network)
{
    /// <summary>Float32 values that a frame takes in the arena of a <see cref="DacTrainingPass"/>.</summary>
    public abstract long ArenaSize { get; }

    /// <summary>The timelines of its values, the samples' first, each behind that which it follows from.</summary>
    public abstract IReadOnlyList<CodecTimeline> Timelines { get; }

    /// <summary>The pass's samples to latents.</summary>
    public abstract void Encode(DacTrainingPass p);

    /// <summary>The latents to codes and code vectors, and the loss.</summary>
    public abstract void Quantize(DacTrainingPass p);

    /// <summary>The code vectors to samples.</summary>
    public abstract void Decode(DacTrainingPass p);

    /// <summary>From the gradient of these samples to those of the code vectors, and of the decoder's parameters.</summary>
    public abstract void DecodeBackward(DacTrainingPass p, ParameterGradients g);

    /// <summary>From there, and from the loss, to the gradients of the latents and of the quantizers' parameters.</summary>
    public abstract void QuantizeBackward(DacTrainingPass p, ParameterGradients g);

    /// <summary>From there through the encoder.</summary>
    public abstract void EncodeBackward(DacTrainingPass p, ParameterGradients g);

    /// <summary>The codec's weights.</summary>
    protected Weight[] Weights => network.Weights;
}
