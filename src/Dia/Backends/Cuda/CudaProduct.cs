using System.Runtime.InteropServices;

namespace Dia.Backends;

/// <summary>What the tiled products are told; mirrors Kernels/product.h.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal unsafe struct CudaProduct
{
    /// <summary>The result [Rows, N].</summary>
    [FieldOffset(0)] public float* Y;

    /// <summary>Where the first row's window begins.</summary>
    [FieldOffset(8)] public float* X;

    /// <summary>The matrix [N, K].</summary>
    [FieldOffset(16)] public void* W;

    /// <summary>Added to every row: column c gets Bias[c mod BiasCount]; null: nothing is.</summary>
    [FieldOffset(24)] public float* Bias;

    /// <summary>Values from a row's window to the next one's.</summary>
    [FieldOffset(32)] public long RowStride;

    /// <summary>Values from a tap of a window to the next.</summary>
    [FieldOffset(40)] public long TapStride;

    /// <summary>Values of a tap.</summary>
    [FieldOffset(48)] public int TapLength;

    /// <summary>Number of biases.</summary>
    [FieldOffset(52)] public int BiasCount;

    /// <summary>Rows of the result.</summary>
    [FieldOffset(56)] public int Rows;

    /// <summary>Columns of the result.</summary>
    [FieldOffset(60)] public int N;

    /// <summary>Values of a window.</summary>
    [FieldOffset(64)] public int K;

    /// <summary>Not 0: the product is added to what Y holds.</summary>
    [FieldOffset(68)] public int Accumulate;
}
