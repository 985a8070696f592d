using Dia.Configuration;
using Dia.Weights;
using ManagedCuda;
using ManagedCuda.VectorTypes;

namespace Dia.Backends.Cuda;

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
    public void Embed(float* y, int* ids, in Weight table, int rows, int d) => LookUpCode(y, ids, 1, table, rows, d);

    /// <inheritdoc/>
    public void LookUpCode(float* y, int* codes, int codeStride, in Weight codebook, int rows, int d) =>
        ForEach(Kernels.Embed[(int)codebook.Format], (long)rows * d, y, codes, codebook.Data, codeStride, rows, d);

    /// <inheritdoc/>
    public void EmbedSum(float* y, int* ids, in Weight table, int rows, int channels, int vocabulary, int d) =>
        ForEach(Kernels.EmbedSum[(int)table.Format], (long)rows * d, y, ids, table.Data, rows, channels, vocabulary, d);

    /// <inheritdoc/>
    public void RmsNorm(float* y, float* x, in Weight w, int rows, int d, float eps) => _device.Launch(Kernels.RmsNorm, rows, Threads, y, x, w.Data, d, eps);

    /// <inheritdoc/>
    public void Linear(float* y, float* x, in Weight w, int rows, int n, int k, Phase phase, bool accumulate)
    {
        if (phase == Phase.Decode)
            StepLinear(y, x, w, rows, n, k, accumulate);
        else if (_device.HasBlas && (long)rows * n * k >= LeastForBlas)
            BlasLinear(y, x, w, rows, n, k, accumulate);
        else
            Product(Kernels.Product[(int)w.Format], y, x, w, null, 0, rows, n, k, rowStride: k, tapLength: k, tapStride: k, accumulate);
    }

    /// <summary>The product by cuBLAS, in float32: 16-bit weights are widened first.</summary>
    private void BlasLinear(float* y, float* x, in Weight w, int rows, int n, int k, bool accumulate)
    {
        float* wide = (float*)w.Data;
        if (w.Format != WeightFormat.Float32)
        {
            long count = (long)n * k;
            wide = (float*)_device.Scratch(count * sizeof(float));
            ForEach(Kernels.Widen[(int)w.Format], count, wide, w.Data, (ulong)count);
        }

        _device.BlasProduct(y, x, wide, rows, n, k, accumulate);
    }

    private void StepLinear(float* y, float* x, in Weight w, int rows, int n, int k, bool accumulate)
    {
        // Outputs of a block, values of k that a warp takes at a time, warps at most: Kernels/step_linear.cu.
        const int Outputs = 4, WarpValues = 256, MaxWarps = 8;

        // The smallest tile that holds the rows; each reads the whole matrix once per tile. A row's result is the same in all of them.
        (CudaKernel[] kernels, int tile) = rows switch
        {
            1 => (Kernels.StepLinear1, 1),
            2 => (Kernels.StepLinear2, 2),
            <= 4 => (Kernels.StepLinear4, 4),
            _ => (Kernels.StepLinear8, 8),
        };
        int warps = Math.Clamp(Ceiling(k, WarpValues), 1, MaxWarps);
        dim3 grid = new(Ceiling(n, Outputs), Ceiling(rows, tile));
        _device.Launch(kernels[(int)w.Format], grid, warps * 32, y, x, w.Data, rows, n, k, accumulate ? 1 : 0);
    }

    /// <inheritdoc/>
    public void RopeTable(float* cos, float* sin, int* positions, float* inverseFrequencies, in AttentionBatch batch, int half, float scaling) =>
        _device.Launch(Kernels.RopeTable, new dim3(batch.MaxRows, batch.Count), 128, cos, sin, positions, inverseFrequencies, batch.Items, half, scaling);

    /// <inheritdoc/>
    public void Rope(float* x, float* cos, float* sin, int rows, int heads, int half) =>
        _device.Launch(Kernels.Rope, new dim3(rows, Ceiling(heads * half, RopeThreads)), RopeThreads, x, cos, sin, heads, half);

    /// <inheritdoc/>
    public void RopeKeyValues(float* keys, float* values, float* cos, float* sin, in AttentionBatch batch, int layer, int keyHeads, int half)
    {
        dim3 grid = new(batch.MaxRows, batch.Count, Ceiling(keyHeads * half, RopeThreads));
        _device.Launch(Kernels.RopeKeyValues, grid, RopeThreads, keys, values, cos, sin, batch.Items, layer, keyHeads, half);
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
        if (maps != null)
            _device.Launch(Kernels.AttentionMap, new dim3(batch.MaxRows, heads, batch.Count), 32, maps, q, batch.Items, layer, heads, keyHeads, headDim);
    }

    private void AttendRows(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim)
    {
        int pieces = Pieces(batch.MaxKeys), group = heads / keyHeads;
        void* partials = _device.Scratch(batch.Count * PartialSize(batch.MaxKeys, heads, headDim) * sizeof(float));
        bool several = group > 1, vectors = headDim % 4 == 0;
        int chunks = several ? Ceiling(group, PieceHeads) : 1;
        CudaKernel piece = Kernels.AttendPiece[(several ? 2 : 0) + (vectors ? 1 : 0)];
        _device.Launch(piece, new dim3(pieces, keyHeads * chunks, batch.Count), 256, partials, q, batch.Items, layer, heads, keyHeads, headDim, pieces);
        _device.Launch(
            Kernels.JoinPieces, new dim3(heads, batch.Count), CudaKernels.MaxHeadDim, y, partials, batch.Items, layer, heads, keyHeads, headDim, pieces);
    }

    /// <summary>Float32 values that the attention of a row leaves between its two kernels: of each piece of keys and head a sum of values, its weight and its maximum.</summary>
    internal static long PartialSize(int keys, int heads, int headDim) => (long)Pieces(keys) * heads * (headDim + 2);

    private static int Pieces(int keys) => Ceiling(Math.Max(keys, 1), PieceKeys);

    private void AttendBlocks(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim)
    {
        const int QueryTile = 16;
        CudaKernel kernel = Kernels.AttendBlock[headDim <= 128 ? 0 : 1];
        dim3 grid = new(Ceiling(batch.MaxRows, QueryTile), heads, batch.Count);
        _device.LaunchShared(kernel, grid, 128, CudaKernels.BlockAttentionMemory(headDim), y, q, batch.Items, layer, heads, keyHeads, headDim);
    }

    /// <inheritdoc/>
    public void GatedActivation(float* y, float* x, int rows, int n, HiddenActivation activation) =>
        ForEach(Kernels.GatedActivation, (long)rows * n, y, x, rows, n, (int)activation);

    /// <inheritdoc/>
    public void AddRow(float* y, float* v, int rows, int d) => ForEach(Kernels.Add, (long)rows * d, y, v, (ulong)rows * (ulong)d, (ulong)d);

    /// <inheritdoc/>
    public void Add(float* y, float* x, long count) => ForEach(Kernels.Add, count, y, x, (ulong)count, (ulong)count);

    /// <inheritdoc/>
    public void Subtract(float* y, float* x, long count) => ForEach(Kernels.Subtract, count, y, x, (ulong)count);

    /// <inheritdoc/>
    public void Convolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int kernel, int stride, int dilation, bool accumulate)
    {
        // Without dilation the window of a row is one contiguous run.
        int k = checked(kernel * inputs), tapLength = dilation == 1 ? k : inputs;
        Product(
            Kernels.ProductMma[(int)w.Format], y, x, w, (float*)bias.Data, outputs, rows, outputs, k, (long)stride * inputs, tapLength, (long)dilation * inputs, accumulate);
    }

    /// <inheritdoc/>
    public void TransposedConvolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int stride)
    {
        int n = checked(stride * outputs), k = checked(2 * inputs);
        Product(Kernels.ProductMma[(int)w.Format], y, x, w, (float*)bias.Data, outputs, rows, n, k, rowStride: inputs, tapLength: k, tapStride: inputs, false);
    }

    /// <summary>
    /// Starts y[rows, n] = windows·wᵀ (+ bias, column c getting that at c mod biasCount) (+ y) for w [n, k]. A row's window of k values is runs of
    /// tapLength values that are tapStride apart; it begins rowStride after the one before.
    /// </summary>
    private void Product(
        CudaKernel kernel, float* y, float* x, in Weight w, float* bias, int biasCount, int rows, int n, int k, long rowStride, int tapLength, long tapStride, bool accumulate)
    {
        const int Tile = 64;
        int tiles = checked(Ceiling(rows, Tile) * Ceiling(n, Tile));
        _device.Launch(kernel, tiles, 128, y, x, w.Data, bias, rowStride, tapStride, tapLength, biasCount, rows, n, k, accumulate ? 1 : 0);
    }

    /// <inheritdoc/>
    public void Snake(float* y, float* x, in Weight alpha, int rows, int channels) =>
        ForEach(Kernels.Snake, (long)rows * channels, y, x, alpha.Data, (ulong)rows * (ulong)channels, channels);

    /// <inheritdoc/>
    public void Tanh(float* y, float* x, long count) => ForEach(Kernels.Tanh, count, y, x, (ulong)count);

    /// <inheritdoc/>
    public void NearestCode(int* codes, int codeStride, float* x, in Weight codebook, int rows, int entries, int d)
    {
        const int Tile = 16;
        CudaKernel kernel = Kernels.NearestCode[(int)codebook.Format];
        if (codebook.Format == WeightFormat.Float32)
            _device.Launch(kernel, rows, 128, codes, x, codebook.Data, codeStride, entries, d);
        else
            _device.Launch(kernel, Ceiling(rows, Tile), Threads, codes, x, codebook.Data, codeStride, rows, entries, d);
    }

    /// <summary>Starts a kernel whose threads go over so many values in strides. It takes the remainder of an index as 32 bits.</summary>
    private void ForEach(CudaKernel kernel, long count, params ReadOnlySpan<KernelArgument> arguments) =>
        _device.Launch(kernel, (int)Math.Clamp((checked((uint)count) + (long)Threads - 1) / Threads, 1, MaxBlocks), Threads, arguments);

    private static int Ceiling(int value, int unit) => (int)(((long)value + unit - 1) / unit);
}

/// <summary>The kernels of a module, by the names that Kernels/*.cu give them.</summary>
/// <param name="module">The module, of which every kernel is found here.</param>
/// <exception cref="CudaException">There is not each of them.</exception>
internal sealed class CudaKernels(CudaModule module)
{
    /// <summary>Most values of a head that the attention kernels hold.</summary>
    public const int MaxHeadDim = 256;

    // Indexed by WeightFormat.
    public CudaKernel[] Embed { get; } = module.ByFormat("embed");

    public CudaKernel[] EmbedSum { get; } = module.ByFormat("embed_sum");

    public CudaKernel[] Widen { get; } = module.ByFormat("widen");

    public CudaKernel[] NearestCode { get; } = module.ByFormat("nearest_code");

    public CudaKernel[] StepLinear1 { get; } = module.ByFormat("step_linear_1");

    public CudaKernel[] StepLinear2 { get; } = module.ByFormat("step_linear_2");

    public CudaKernel[] StepLinear4 { get; } = module.ByFormat("step_linear_4");

    public CudaKernel[] StepLinear8 { get; } = module.ByFormat("step_linear_8");

    public CudaKernel[] Product { get; } = module.ByFormat("product");

    /// <summary>Tensor cores multiply 16-bit values.</summary>
    public CudaKernel[] ProductMma { get; } = WeightFormats.Each(f => module.Load((f.ValueBits == 16 ? "product_mma_" : "product_") + f.Name));

    public CudaKernel[] PackConvolution { get; } = WeightFormats.Each(f => module.Load($"pack_convolution_{f.ValueBits}"));

    public CudaKernel[] PackTransposed { get; } = WeightFormats.Each(f => module.Load($"pack_transposed_{f.ValueBits}"));

    public CudaKernel RmsNorm { get; } = module.Load("rms_norm");

    public CudaKernel Snake { get; } = module.Load("snake");

    public CudaKernel Add { get; } = module.Load("add");

    public CudaKernel Subtract { get; } = module.Load("subtract");

    public CudaKernel Tanh { get; } = module.Load("tanh_f32");

    public CudaKernel GatedActivation { get; } = module.Load("gated_activation");

    public CudaKernel RopeTable { get; } = module.Load("rope_table");

    public CudaKernel Rope { get; } = module.Load("rope");

    public CudaKernel RopeKeyValues { get; } = module.Load("rope_key_values");

    /// <summary>For 1 and for up to 4 query heads of a key head; of each, for single values and for four at a time.</summary>
    public CudaKernel[] AttendPiece { get; } =
        [module.Load("attend_piece_1_1"), module.Load("attend_piece_1_4"), module.Load("attend_piece_4_1"), module.Load("attend_piece_4_4")];

    public CudaKernel JoinPieces { get; } = module.Load("join_pieces");

    /// <summary>For heads of up to 128 and of up to 256 values.</summary>
    public CudaKernel[] AttendBlock { get; } = [module.Load("attend_block_128"), module.Load("attend_block_256", BlockAttentionMemory(MaxHeadDim))];

    public CudaKernel AttentionMap { get; } = module.Load("attention_map");

    public CudaKernel SampleRows { get; } = module.Load("sample_rows", CudaSampler.SharedMemory(CudaSampler.MaxVocabulary));

    public CudaKernel Advance { get; } = module.Load("advance");

    public CudaKernel Exponentials { get; } = module.Load("exponentials");

    /// <summary>Dynamic shared memory of a block of <see cref="AttendBlock"/> in bytes: 16 query rows and 32 key rows, padded (block_attention.cu).</summary>
    public static int BlockAttentionMemory(int headDim) => (16 + 32) * (((headDim + 3) / 4 * 4) + 4) * sizeof(float);
}
