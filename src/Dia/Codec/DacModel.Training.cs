using Dia.Backends;
using Dia.Networks;

namespace Dia.Codec;

// Gradients.
public sealed partial class DacModel
{
    private DacTrainingNetwork? _training;

    /// <summary>Zeros for the gradients of its parameters, in the device's memory, until they are disposed.</summary>
    /// <param name="isTrained">Whether a parameter, by its name in the checkpoint, gets one; null: all do.</param>
    /// <exception cref="DiaException">Device: no memory, or it cannot train. Model: it was compiled without training.</exception>
    /// <exception cref="InvalidOperationException">The codec is filtered (<see cref="IsFiltered"/>).</exception>
    /// <exception cref="ObjectDisposedException">The codec or its device is disposed.</exception>
    public ParameterGradients CreateGradients(Func<string, bool>? isTrained = null)
    {
        using Lock.Scope turn = Tenant.Enter();
        _ = Training();
        return new ParameterGradients(Network.Memory, Tenant, Specs, Specs.Length, isTrained);
    }

    /// <summary>
    /// One pass over a whole sound, to codes and back, as the reference's <c>forward</c> without quantizer_dropout. What its backward pass needs is kept:
    /// megabytes for each frame of a codec of 44.1 kHz, so sounds are best of a second or so.
    /// </summary>
    /// <param name="inputValues">Mono samples, at the codec's rate. Nothing is padded.</param>
    /// <param name="gradients">What <see cref="DacOutput.Backward"/> will add to; the output holds memory until it is disposed.</param>
    /// <exception cref="ArgumentException">The gradients are another codec's.</exception>
    /// <exception cref="DiaException">Input: the sound has no frame. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The codec, its device or the gradients are disposed.</exception>
    public DacOutput Forward(ReadOnlySpan<float> inputValues, ParameterGradients gradients)
    {
        ArgumentNullException.ThrowIfNull(gradients);
        long frames = Layout.FramesOf(inputValues.Length), samples = Layout.SamplesOf(Math.Max(0, frames));
        if (frames < 1 || samples < 1)
            throw new DiaException(DiaErrorKind.Input, $"The sound has {inputValues.Length} samples; the codec's frames have {HopLength}: none is whole.");
        int[,] codes = new int[frames, Codebooks];
        float[] audio = new float[samples];
        var trace = new CodecTrace(Network.Memory, frames, Config.HiddenSize, Codebooks, Config.CodebookDim);
        using Lock.Scope turn = Tenant.Enter();
        gradients.CheckUsable(Specs);
        return new DacOutput(new DacTrainingPass(Tenant, Training(), Config, gradients, trace, inputValues, codes, audio), trace, codes, audio);
    }

    /// <summary>Its training, in a turn.</summary>
    /// <exception cref="DiaException">The device cannot train (Device), or it was compiled without training (Model).</exception>
    /// <exception cref="InvalidOperationException">It is filtered.</exception>
    private DacTrainingNetwork Training()
    {
        if (IsFiltered)
            throw new InvalidOperationException("A codec that is filtered cannot be trained: load it without.");
        Network.PrepareKernels(encoding: true);
        Network.PrepareKernels(encoding: false);
        return _training ??= _compiled.Train(Tenant.Device, Network);
    }
}
