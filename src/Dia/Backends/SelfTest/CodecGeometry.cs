using Dia.Weights;

namespace Dia.Backends.SelfTest;

/// <summary>What a convolution's place in the DAC says of it: only the even kernels of the encoder have a stride, twice which they are long.</summary>
internal static class CodecGeometry
{
    /// <summary>Stride and dilation of a convolution, by its parameter's name (numerics.md, DAC).</summary>
    public static (int Stride, int Dilation) Of(WeightSpec spec)
    {
        int kernel = spec.Shape[2];
        int dilation = kernel == 1 ? 1 : spec.Name.Contains("res_unit2", StringComparison.Ordinal) ? 3 : spec.Name.Contains("res_unit3", StringComparison.Ordinal) ? 9 : 1;
        bool strided = spec.Name.StartsWith("encoder.block", StringComparison.Ordinal) && !spec.Name.Contains("res_unit", StringComparison.Ordinal);
        return (strided ? kernel / 2 : 1, dilation);
    }
}
