using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Models;

/// <summary>What DAC's checkpoints call the codec's parameters.</summary>
internal static class DacNames
{
    public static Parameter Alpha(string snake, int channels) => new(snake + ".alpha", WeightRole.Vector, new([1, channels, 1]));

    public static Parameter Kernel(string convolution, int outputs, int inputs, int kernel) =>
        new(convolution + ".weight", WeightRole.Convolution, new([outputs, inputs, kernel]));

    public static Parameter TransposedKernel(string convolution, int inputs, int outputs, int kernel) =>
        new(convolution + ".weight", WeightRole.TransposedConvolution, new([inputs, outputs, kernel]));

    public static Parameter Bias(string convolution, int outputs) => new(convolution + ".bias", WeightRole.Vector, new([outputs]));

    public static Parameter Codebook(int quantizer, int entries, int width) =>
        new(Quantizer(quantizer) + ".codebook.weight", WeightRole.Embedding, new([entries, width]));

    public static string Quantizer(int quantizer) => $"quantizer.quantizers.{quantizer}";
}
