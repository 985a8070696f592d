using Dia.Networks;

namespace Dia.Codec;

/// <summary>What a codec's forward pass gives, as the reference's <c>DacOutput</c> of one sound.</summary>
public sealed class DacOutput : IDisposable
{
    private readonly DacTrainingPass _pass;

    internal DacOutput(DacTrainingPass pass, CodecTrace trace, int[,] codes, float[] audio)
    {
        (_pass, Loss, AudioValues, AudioCodes) = (pass, (float)pass.Loss, audio, codes);
        (QuantizedRepresentation, ProjectedLatents) = (trace.QuantizedValues.ToArray(), trace.ProjectedValues.ToArray());
    }

    /// <summary>
    /// The quantizers' loss: the sum over them of the mean squared error between a projection and its code vector, times commitment_loss_weight for the
    /// projection and codebook_loss_weight for the code vector.
    /// </summary>
    public float Loss { get; }

    /// <summary>What the codes decode to; an odd stride gives fewer samples than went in.</summary>
    public float[] AudioValues { get; }

    /// <summary>The sum of the quantizers' outputs [frames, hidden_size].</summary>
    public float[] QuantizedRepresentation { get; }

    /// <summary>The codes [frames, codebooks].</summary>
    public int[,] AudioCodes { get; }

    /// <summary>Each quantizer's projection of what was left [frames, codebooks·codebook_dim].</summary>
    public float[] ProjectedLatents { get; }

    /// <summary>
    /// Adds the gradients of the parameters to those that the forward pass was given; once. A quantizer has the gradient of a code vector for that of what
    /// it stands for (straight through).
    /// </summary>
    /// <param name="audioValues">The gradient of what is minimised by <see cref="AudioValues"/>.</param>
    /// <param name="loss">Its gradient by <see cref="Loss"/>.</param>
    /// <exception cref="ArgumentException">There is not one value for each sample.</exception>
    /// <exception cref="InvalidOperationException">They are added already.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    /// <exception cref="ObjectDisposedException">This, the gradients, the codec or its device is disposed.</exception>
    public void Backward(ReadOnlySpan<float> audioValues, float loss = 1)
    {
        if (audioValues.Length != AudioValues.Length)
            throw new ArgumentException($"There are {audioValues.Length} gradients for {AudioValues.Length} samples.", nameof(audioValues));
        _pass.Backward(audioValues, loss);
    }

    /// <summary>Frees what was kept for the backward pass.</summary>
    public void Dispose() => _pass.Dispose();
}
