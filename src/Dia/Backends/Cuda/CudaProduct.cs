using ManagedCuda;

namespace Dia.Backends;

/// <summary>What the tiled products are told: Kernels/product.h.</summary>
internal unsafe struct CudaProduct
{
    /// <summary>The result [Rows, N].</summary>
    public float* Y;

    /// <summary>Where the first row's window begins.</summary>
    public float* X;

    /// <summary>The matrix [N, K].</summary>
    public void* W;

    /// <summary>Added to every row: column c gets Bias[c mod BiasCount]; null: nothing is.</summary>
    public float* Bias;

    /// <summary>Values from a row's window to the next one's.</summary>
    public long RowStride;

    /// <summary>Values from a tap of a window to the next.</summary>
    public long TapStride;

    /// <summary>Values of a tap.</summary>
    public int TapLength;

    /// <summary>Number of biases.</summary>
    public int BiasCount;

    /// <summary>Rows of the result.</summary>
    public int Rows;

    /// <summary>Columns of the result.</summary>
    public int N;

    /// <summary>Values of a window.</summary>
    public int K;

    /// <summary>Not 0: the product is added to what Y holds.</summary>
    public int Accumulate;

    /// <summary>The kernels' arguments.</summary>
    public readonly KernelArguments Arguments()
    {
        KernelArguments a = default;
        a.Add((nint)Y);
        a.Add((nint)X);
        a.Add((nint)W);
        a.Add((nint)Bias);
        a.Add(RowStride);
        a.Add(TapStride);
        a.Add(TapLength);
        a.Add(BiasCount);
        a.Add(Rows);
        a.Add(N);
        a.Add(K);
        a.Add(Accumulate);
        return a;
    }
}
