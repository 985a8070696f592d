using Dia.Configuration;
using Dia.Weights;
using ManagedCuda.VectorTypes;
using static Dia.Backends.Cuda.KernelConstants;

namespace Dia.Backends.Cuda;

/// <summary>
/// An NVIDIA GPU: each operation is a kernel (Kernels/*.cu) or two. Weights must have been through <see cref="Prepare"/>. Pointers are
/// device memory. Operations are started, not waited for; a failure of one may be thrown by a later one. Starting one allocates nothing.
/// </summary>
public readonly unsafe partial struct CudaBackend : IBackend
{
    // Multiplications below which widening the weights for cuBLAS is not worth it.
    private const long LeastForBlas = 1 << 22;

    private readonly CudaDevice _device;

    /// <summary>A backend on a device, which it does not own.</summary>
    public CudaBackend(CudaDevice device) => _device = device;

    /// <summary>The device.</summary>
    public CudaDevice Device => _device;

    /// <inheritdoc/>
    public DeviceMemory Memory => _device.Memory;

    private CudaKernels Kernels => _device.Kernels;

    /// <inheritdoc/>
    public void Embed(float* y, int* ids, in Weight table, int rows, int d) => LookUpCode(y, ids, 1, table, rows, d);

    /// <inheritdoc/>
    public void LookUpCode(float* y, int* codes, int codeStride, in Weight codebook, int rows, int d) =>
        Kernels.Embed(codebook.Format, CudaKernels.Over((long)rows * d), y, codes, codebook.Data, codeStride, rows, d);

    /// <inheritdoc/>
    public void EmbedSum(float* y, int* ids, in Weight table, int rows, int channels, int vocabulary, int d) =>
        Kernels.EmbedSum(table.Format, CudaKernels.Over((long)rows * d), y, ids, table.Data, rows, channels, vocabulary, d);

    /// <inheritdoc/>
    public void RmsNorm(float* y, float* x, in Weight w, int rows, int d, float eps) => Kernels.RmsNorm(rows, y, x, w.Data, d, eps);

    /// <inheritdoc/>
    public void Linear(float* y, float* x, in Weight w, int rows, int n, int k, Phase phase, bool accumulate)
    {
        if (phase.IsStep())
            StepLinear(y, x, w, rows, n, k, accumulate);
        else if (_device.HasBlas && (long)rows * n * k >= LeastForBlas)
            BlasLinear(y, x, w, rows, n, k, accumulate);
        else if (w.IsQuantized)
            BlockLinear(y, x, new CudaIntegers(w), rows, n, k, accumulate);
        else
            Kernels.Product(w.Format, Tiles(rows, n), y, x, w.Data, null, rowStride: k, tapStride: k, tapLength: k, 0, rows, n, k, accumulate ? 1 : 0);
    }

    private void BlockLinear(float* y, float* x, in CudaIntegers w, int rows, int n, int k, bool accumulate) =>
        Kernels.Product(w.Format, Tiles(rows, n), y, x, w.Values, w.Scales, w.NarrowScales, w.RowBytes, w.Group, w.Groups, w.Flip, rows, n, k,
            accumulate ? 1 : 0);

    /// <summary>The product by cuBLAS, in float32: weights of fewer bits are widened first.</summary>
    private void BlasLinear(float* y, float* x, in Weight w, int rows, int n, int k, bool accumulate)
    {
        float* wide = (float*)w.Data;
        if (w.Format != WeightFormat.Float32)
        {
            long count = (long)n * k;
            wide = (float*)_device.Scratch(count * sizeof(float));
            if (w.IsQuantized)
                Widen(wide, new CudaIntegers(w), count, k);
            else
                Kernels.Widen(w.Format, CudaKernels.Over(count), wide, w.Data, (ulong)count);
        }

        _device.BlasProduct(y, x, wide, rows, n, k, accumulate);
    }

    private void Widen(float* to, in CudaIntegers w, long count, int k) =>
        Kernels.Widen(w.Format, CudaKernels.Over(count), to, w.Values, w.Scales, w.NarrowScales, w.RowBytes, w.Group, w.Groups, w.Flip, (ulong)count, k);

    private void StepLinear(float* y, float* x, in Weight w, int rows, int n, int k, bool accumulate)
    {
        // The smallest tile that holds the rows; each reads the whole matrix once per tile. A row's result is the same in all of them.
        int tile = rows switch { 1 => 1, 2 => 2, <= 4 => 4, _ => 8 };
        int warps = Math.Clamp(Ceiling(k, StepWarpValues), 1, MaxStepWarps);
        dim3 grid = new(Ceiling(n, StepOutputs), Ceiling(rows, tile));
        if (w.IsQuantized)
            StepLinear(tile, warps, grid, y, x, new CudaIntegers(w), rows, n, k, accumulate);
        else
            Kernels.StepLinear(tile, w.Format, warps, grid, y, x, w.Data, rows, n, k, accumulate ? 1 : 0);
    }

    private void StepLinear(int tile, int warps, dim3 grid, float* y, float* x, in CudaIntegers w, int rows, int n, int k, bool accumulate) =>
        Kernels.StepLinear(tile, w.Format, warps, grid, y, x, w.Values, w.Scales, w.NarrowScales, w.RowBytes, w.Group, w.Groups, w.Flip, rows, n, k,
            accumulate ? 1 : 0);

    /// <inheritdoc/>
    public void RopeTable(float* cos, float* sin, int* positions, float* inverseFrequencies, in AttentionBatch batch, int half, float scaling) =>
        Kernels.RopeTable(new dim3(batch.MaxRows, batch.Count), cos, sin, positions, inverseFrequencies, batch.Items, half, scaling);

    /// <inheritdoc/>
    public void Rope(float* x, float* cos, float* sin, int rows, int heads, int half) =>
        Kernels.Rope(new dim3(rows, Ceiling(heads * half, RopeThreads)), x, cos, sin, heads, half);

    /// <inheritdoc/>
    public void RopeKeyValues(float* keys, float* values, float* cos, float* sin, in AttentionBatch batch, int layer, int keyHeads, int half) =>
        Kernels.RopeKeyValues(new dim3(batch.MaxRows, batch.Count, Ceiling(keyHeads * half, RopeThreads)), keys, values, cos, sin, batch.Items, layer, keyHeads,
            half);

    /// <inheritdoc/>
    public void Attention(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim, float* maps)
    {
        if (headDim > MaxHeadDim)
            throw new DiaException(DiaErrorKind.Model, $"head_dim is {headDim}; on a GPU it must be at most {MaxHeadDim}. Use --device cpu.");
        if (batch.MaxRows == 1)
            AttendRows(y, q, batch, layer, heads, keyHeads, headDim);
        else
            Kernels.AttendBlock(new dim3(Ceiling(batch.MaxRows, QueryTile), heads, batch.Count), y, q, batch.Items, layer, heads, keyHeads, headDim);
        if (maps != null)
            Kernels.AttentionMap(new dim3(batch.MaxRows, heads, batch.Count), maps, q, batch.Items, layer, heads, keyHeads, headDim);
    }

    private void AttendRows(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim)
    {
        int pieces = Pieces(batch.MaxKeys), group = heads / keyHeads;
        void* partials = _device.Scratch(batch.Count * PartialSize(batch.MaxKeys, heads, headDim) * sizeof(float));
        bool several = group > 1, vectors = headDim % 4 == 0;
        int chunks = several ? Ceiling(group, PieceHeads) : 1;
        Kernels.AttendPiece(several, vectors, new dim3(pieces, keyHeads * chunks, batch.Count), partials, q, batch.Items, layer, heads, keyHeads, headDim,
            pieces);
        Kernels.JoinPieces(new dim3(heads, batch.Count), y, partials, batch.Items, layer, heads, keyHeads, headDim, pieces);
    }

    /// <summary>
    /// Float32 values that the attention of a row leaves between its two kernels: of each piece of keys and head a sum of values, its weight and
    /// its maximum.
    /// </summary>
    internal static long PartialSize(int keys, int heads, int headDim) => (long)Pieces(keys) * heads * (headDim + 2);

    private static int Pieces(int keys) => Ceiling(Math.Max(keys, 1), PieceKeys);

    /// <inheritdoc/>
    public void GatedActivation(float* y, float* x, int rows, int n, HiddenActivation activation) =>
        Kernels.GatedActivation(CudaKernels.Over((long)rows * n), y, x, rows, n, (int)activation);

    /// <inheritdoc/>
    public void AddRow(float* y, float* v, int rows, int d) => Kernels.Add(CudaKernels.Over((long)rows * d), y, v, (ulong)rows * (ulong)d, (ulong)d);

    /// <inheritdoc/>
    public void Subtract(float* y, float* x, long count) => Kernels.Subtract(CudaKernels.Over(count), y, x, (ulong)count);

    /// <inheritdoc/>
    public void Convolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int kernel, int stride, int dilation,
        bool accumulate, float* snake = null, in Weight alpha = default)
    {
        // Without dilation the window of a row is one contiguous run.
        int k = checked(kernel * inputs), tapLength = dilation == 1 ? k : inputs;
        Kernels.ProductMma(w.Format, Tiles(rows, outputs), y, x, w.Data, bias.Data, (long)stride * inputs, (long)dilation * inputs, tapLength, outputs, rows,
            outputs, k, accumulate ? 1 : 0);
        if (snake != null)
            Snake(snake, y, alpha, rows, outputs);
    }

    /// <inheritdoc/>
    public void TransposedConvolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int stride, float* snake = null,
        in Weight alpha = default)
    {
        int n = checked(stride * outputs), k = checked(2 * inputs);
        Kernels.ProductMma(w.Format, Tiles(rows, n), y, x, w.Data, bias.Data, rowStride: inputs, tapStride: inputs, tapLength: k, outputs, rows, n, k, 0);
        if (snake != null)
            Snake(snake, y, alpha, checked(rows * stride), outputs);
    }

    /// <inheritdoc/>
    public void Snake(float* y, float* x, in Weight alpha, int rows, int channels) =>
        Kernels.Snake(CudaKernels.Over((long)rows * channels), y, x, alpha.Data, (ulong)rows * (ulong)channels, channels);

    /// <inheritdoc/>
    public void Tanh(float* y, float* x, long count) => Kernels.Tanh(CudaKernels.Over(count), y, x, (ulong)count);

    /// <inheritdoc/>
    public void NearestCode(int* codes, int codeStride, float* x, in Weight codebook, int rows, int entries, int d)
    {
        if (codebook.Format == WeightFormat.Float32)
            Kernels.NearestCode(rows, codes, x, codebook.Data, codeStride, entries, d);
        else
            Kernels.NearestCode(codebook.Format, Ceiling(rows, CodeRows), codes, x, codebook.Data, codeStride, rows, entries, d);
    }

    private static dim3 Tiles(int rows, int n) => checked(Ceiling(rows, ProductTile) * Ceiling(n, ProductTile));

    private static int Ceiling(int value, int unit) => (int)(((long)value + unit - 1) / unit);
}
