using Dia.Configuration;
using Dia.Weights;
using ManagedCuda;
using ManagedCuda.VectorTypes;

namespace Dia.Backends;

/// <summary>
/// An NVIDIA GPU: each operation is a kernel (Kernels/*.cu) or two. Weights must have been through <see cref="Prepare"/>. Pointers are
/// device memory. Operations are started, not waited for; a failure of one may be thrown by a later one. Starting one allocates nothing.
/// </summary>
public readonly unsafe partial struct CudaBackend : IBackend
{
    private const int Threads = 256;

    // Blocks of a kernel whose threads go over the values in strides: enough to fill any GPU.
    private const long MaxBlocks = 4096;

    // Keys of a piece and query heads that a block makes at once: Kernels/attention.cu.
    private const int PieceKeys = 64, PieceHeads = 4;

    // Pairs of values that a block turns: Kernels/rope.cu.
    private const int RopeThreads = 128;

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

    /// <summary>Nothing to do: the device is disposed by its owner.</summary>
    public void Dispose()
    {
    }

    /// <inheritdoc/>
    public void Embed(float* y, int* ids, in Weight table, int rows, int d)
    {
        KernelArguments a = Pointers(y, ids, table.Data);
        a.Add(1);
        a.Add(rows);
        a.Add(d);
        _device.Launch(Kernels.Embed[(int)table.Format], Blocks((long)rows * d), Threads, a);
    }

    /// <inheritdoc/>
    public void EmbedSum(float* y, int* ids, in Weight table, int rows, int channels, int vocabulary, int d)
    {
        KernelArguments a = Pointers(y, ids, table.Data);
        a.Add(rows);
        a.Add(channels);
        a.Add(vocabulary);
        a.Add(d);
        _device.Launch(Kernels.EmbedSum[(int)table.Format], Blocks((long)rows * d), Threads, a);
    }

    /// <inheritdoc/>
    public void RmsNorm(float* y, float* x, in Weight w, int rows, int d, float eps)
    {
        KernelArguments a = Pointers(y, x, w.Data);
        a.Add(d);
        a.Add(eps);
        _device.Launch(Kernels.RmsNorm, rows, Threads, a);
    }

    /// <inheritdoc/>
    public void Linear(float* y, float* x, in Weight w, int rows, int n, int k, Phase phase, bool accumulate)
    {
        if (phase == Phase.Decode)
            StepLinear(y, x, w, rows, n, k, accumulate);
        else if (_device.HasBlas && (long)rows * n * k >= LeastForBlas)
            BlasLinear(y, x, w, rows, n, k, accumulate);
        else
            TiledLinear(y, x, w, rows, n, k, accumulate);
    }

    /// <summary>The product by the project's own kernel.</summary>
    private void TiledLinear(float* y, float* x, in Weight w, int rows, int n, int k, bool accumulate) => Product(
        Kernels.Product[(int)w.Format],
        new CudaProduct { Y = y, X = x, W = w.Data, RowStride = k, TapStride = k, TapLength = k, Rows = rows, N = n, K = k, Accumulate = accumulate ? 1 : 0 });

    /// <summary>The product by cuBLAS, in float32: 16-bit weights are widened first.</summary>
    private void BlasLinear(float* y, float* x, in Weight w, int rows, int n, int k, bool accumulate)
    {
        float* wide = (float*)w.Data;
        if (w.Format != WeightFormat.Float32)
        {
            long count = (long)n * k;
            wide = (float*)_device.Scratch(count * sizeof(float));
            KernelArguments a = Pointers(wide, w.Data);
            a.Add((ulong)count);
            _device.Launch(Kernels.Widen[(int)w.Format], Blocks(count), Threads, a);
        }

        _device.BlasProduct(y, x, wide, rows, n, k, accumulate);
    }

    private void StepLinear(float* y, float* x, in Weight w, int rows, int n, int k, bool accumulate)
    {
        // The smallest tile that holds the rows; each reads the whole matrix once per tile. A row's result is the same in all of them.
        (CudaKernel[] kernels, int tile, int outputs) = rows switch
        {
            1 => (Kernels.StepLinear1, 1, 1),
            2 => (Kernels.StepLinear2, 2, 2),
            <= 4 => (Kernels.StepLinear4, 4, 4),
            _ => (Kernels.StepLinear8, 8, 4),
        };
        const int Warps = 4;
        KernelArguments a = Pointers(y, x, w.Data);
        a.Add(rows);
        a.Add(n);
        a.Add(k);
        a.Add(accumulate ? 1 : 0);
        _device.Launch(kernels[(int)w.Format], new dim3(Ceiling(n, outputs * Warps), Ceiling(rows, tile)), Warps * 32, a);
    }

    /// <inheritdoc/>
    public void RopeTable(float* cos, float* sin, int* positions, float* inverseFrequencies, in AttentionBatch batch, int half, float scaling)
    {
        KernelArguments a = Pointers(cos, sin, positions, inverseFrequencies, batch.Items);
        a.Add(half);
        a.Add(scaling);
        _device.Launch(Kernels.RopeTable, new dim3(batch.MaxRows, batch.Count), 128, a);
    }

    /// <inheritdoc/>
    public void Rope(float* x, float* cos, float* sin, int rows, int heads, int half)
    {
        KernelArguments a = Pointers(x, cos, sin);
        a.Add(heads);
        a.Add(half);
        _device.Launch(Kernels.Rope, new dim3(rows, Ceiling(heads * half, RopeThreads)), RopeThreads, a);
    }

    /// <inheritdoc/>
    public void RopeKeyValues(float* keys, float* values, float* cos, float* sin, in AttentionBatch batch, int layer, int keyHeads, int half)
    {
        KernelArguments a = Pointers(keys, values, cos, sin, batch.Items);
        a.Add(layer);
        a.Add(keyHeads);
        a.Add(half);
        _device.Launch(Kernels.RopeKeyValues, new dim3(batch.MaxRows, batch.Count, Ceiling(keyHeads * half, RopeThreads)), RopeThreads, a);
    }

    /// <inheritdoc/>
    public void Attention(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim, float* maps)
    {
        if (headDim > CudaKernels.MaxHeadDim)
            throw new DiaException(DiaErrorKind.Model, $"head_dim is {headDim}; on a GPU it must be at most {CudaKernels.MaxHeadDim}. Use --device cpu.");
        if (batch.MaxRows == 1)
            AttendRows(y, q, batch, layer, heads, keyHeads, headDim);
        else
            AttendBlocks(y, q, batch, layer, heads, keyHeads, headDim);
        if (maps == null)
            return;
        KernelArguments a = Pointers(maps, q, batch.Items);
        AddSizes(ref a, layer, heads, keyHeads, headDim);
        _device.Launch(Kernels.AttentionMap, new dim3(batch.MaxRows, heads, batch.Count), 32, a);
    }

    private void AttendRows(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim)
    {
        int pieces = Pieces(batch.MaxKeys), group = heads / keyHeads;
        void* partials = _device.Scratch(batch.Count * PartialSize(batch.MaxKeys, heads, headDim) * sizeof(float));
        bool several = group > 1, vectors = headDim % 4 == 0;
        KernelArguments a = Pointers(partials, q, batch.Items);
        AddSizes(ref a, layer, heads, keyHeads, headDim);
        a.Add(pieces);
        int chunks = several ? Ceiling(group, PieceHeads) : 1;
        _device.Launch(Kernels.AttendPiece[(several ? 2 : 0) + (vectors ? 1 : 0)], new dim3(pieces, keyHeads * chunks, batch.Count), 256, a);
        a = Pointers(y, partials, batch.Items);
        AddSizes(ref a, layer, heads, keyHeads, headDim);
        a.Add(pieces);
        _device.Launch(Kernels.JoinPieces, new dim3(heads, batch.Count), CudaKernels.MaxHeadDim, a);
    }

    /// <summary>Float32 values that the attention of a row leaves between its two kernels: of each piece of keys and head a sum of values, its weight and its maximum.</summary>
    internal static long PartialSize(int keys, int heads, int headDim) => (long)Pieces(keys) * heads * (headDim + 2);

    private static int Pieces(int keys) => Ceiling(Math.Max(keys, 1), PieceKeys);

    private void AttendBlocks(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim)
    {
        const int QueryTile = 16;
        KernelArguments a = Pointers(y, q, batch.Items);
        AddSizes(ref a, layer, heads, keyHeads, headDim);
        CudaKernel kernel = Kernels.AttendBlock[headDim <= 128 ? 0 : 1];
        _device.Launch(kernel, new dim3(Ceiling(batch.MaxRows, QueryTile), heads, batch.Count), 128, a, CudaKernels.BlockAttentionMemory(headDim));
    }

    /// <inheritdoc/>
    public void GatedActivation(float* y, float* x, int rows, int n, HiddenActivation activation)
    {
        KernelArguments a = Pointers(y, x);
        a.Add(rows);
        a.Add(n);
        a.Add((int)activation);
        _device.Launch(Kernels.GatedActivation, Blocks((long)rows * n), Threads, a);
    }

    /// <inheritdoc/>
    public void AddRow(float* y, float* v, int rows, int d) => Add(y, v, (long)rows * d, d);

    /// <inheritdoc/>
    public void Add(float* y, float* x, long count) => Add(y, x, count, count);

    private void Add(float* y, float* x, long count, long width)
    {
        KernelArguments a = Pointers(y, x);
        a.Add((ulong)count);
        a.Add((ulong)width);
        _device.Launch(Kernels.Add, Blocks(count), Threads, a);
    }

    /// <inheritdoc/>
    public void Subtract(float* y, float* x, long count)
    {
        KernelArguments a = Pointers(y, x);
        a.Add((ulong)count);
        _device.Launch(Kernels.Subtract, Blocks(count), Threads, a);
    }

    /// <inheritdoc/>
    public void Convolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int kernel, int stride, int dilation, bool accumulate) => Product(
        Kernels.ProductMma[(int)w.Format],
        new CudaProduct
        {
            Y = y,
            X = x,
            W = w.Data,
            Bias = (float*)bias.Data,
            BiasCount = outputs,
            RowStride = (long)stride * inputs,

            // Without dilation the window of a row is one contiguous run.
            TapLength = dilation == 1 ? checked(kernel * inputs) : inputs,
            TapStride = (long)dilation * inputs,
            Rows = rows,
            N = outputs,
            K = checked(kernel * inputs),
            Accumulate = accumulate ? 1 : 0,
        });

    /// <inheritdoc/>
    public void TransposedConvolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int stride) => Product(
        Kernels.ProductMma[(int)w.Format],
        new CudaProduct
        {
            Y = y,
            X = x,
            W = w.Data,
            Bias = (float*)bias.Data,
            BiasCount = outputs,
            RowStride = inputs,
            TapLength = checked(2 * inputs),
            TapStride = inputs,
            Rows = rows,
            N = checked(stride * outputs),
            K = checked(2 * inputs),
        });

    private void Product(CudaKernel kernel, in CudaProduct product)
    {
        const int Tile = 64;
        _device.Launch(kernel, checked(Ceiling(product.Rows, Tile) * Ceiling(product.N, Tile)), 128, product.Arguments());
    }

    /// <inheritdoc/>
    public void Snake(float* y, float* x, in Weight alpha, int rows, int channels)
    {
        KernelArguments a = Pointers(y, x, alpha.Data);
        a.Add((ulong)rows * (ulong)channels);
        a.Add(channels);
        _device.Launch(Kernels.Snake, Blocks((long)rows * channels), Threads, a);
    }

    /// <inheritdoc/>
    public void Tanh(float* y, float* x, long count)
    {
        KernelArguments a = Pointers(y, x);
        a.Add((ulong)count);
        _device.Launch(Kernels.Tanh, Blocks(count), Threads, a);
    }

    /// <inheritdoc/>
    public void NearestCode(int* codes, int codeStride, float* x, in Weight codebook, int rows, int entries, int d)
    {
        KernelArguments a = Pointers(codes, x, codebook.Data);
        a.Add(codeStride);
        bool screened = codebook.Format != WeightFormat.Float32;
        if (screened)
            a.Add(rows);
        a.Add(entries);
        a.Add(d);
        const int Tile = 16;
        _device.Launch(Kernels.NearestCode[(int)codebook.Format], screened ? Ceiling(rows, Tile) : rows, screened ? Threads : 128, a);
    }

    /// <inheritdoc/>
    public void LookUpCode(float* y, int* codes, int codeStride, in Weight codebook, int rows, int d)
    {
        KernelArguments a = Pointers(y, codes, codebook.Data);
        a.Add(codeStride);
        a.Add(rows);
        a.Add(d);
        _device.Launch(Kernels.Embed[(int)codebook.Format], Blocks((long)rows * d), Threads, a);
    }

    private static KernelArguments Pointers(void* first, void* second)
    {
        KernelArguments a = default;
        a.Add((nint)first);
        a.Add((nint)second);
        return a;
    }

    private static KernelArguments Pointers(void* first, void* second, void* third)
    {
        KernelArguments a = Pointers(first, second);
        a.Add((nint)third);
        return a;
    }

    private static KernelArguments Pointers(void* first, void* second, void* third, void* fourth, void* fifth)
    {
        KernelArguments a = Pointers(first, second, third);
        a.Add((nint)fourth);
        a.Add((nint)fifth);
        return a;
    }

    private static void AddSizes(ref KernelArguments a, int layer, int heads, int keyHeads, int headDim)
    {
        a.Add(layer);
        a.Add(heads);
        a.Add(keyHeads);
        a.Add(headDim);
    }

    private static int Ceiling(int value, int unit) => (int)(((long)value + unit - 1) / unit);

    // The kernels take the remainder of an index as 32 bits.
    private static dim3 Blocks(long count) => new((int)Math.Clamp((checked((uint)count) + (long)Threads - 1) / Threads, 1, MaxBlocks));
}
