using Dia.Weights;
using ManagedCuda;
using ManagedCuda.VectorTypes;
using static Dia.Backends.Cuda.KernelConstants;

namespace Dia.Backends.Cuda;

/// <summary>
/// The kernels of Kernels/*.cu and a launch of each. Behind its grid a launch takes exactly the kernel's parameters; a test compares them with the
/// module's. Which of a kernel's variants it is stands before the grid. A launch allocates nothing, and starts nothing where the grid is empty.
/// </summary>
/// <param name="device">The GPU.</param>
/// <param name="module">The module, of which every kernel is found here.</param>
/// <exception cref="CudaException">There is not each of them.</exception>
/// <remarks>Every launch throws a <see cref="DiaException"/> where it fails (Device).</remarks>
internal sealed unsafe class CudaKernels(CudaDevice device, CudaModule module)
{
    // Blocks of a kernel whose threads go over the values in strides: enough to fill any GPU.
    private const long MaxBlocks = 4096;

    // Indexed by WeightFormat; those of integers by OfBits.
    private readonly CudaKernel[] _embed = module.ByFormat("embed");
    private readonly CudaKernel[] _embedSum = module.ByFormat("embed_sum");
    private readonly CudaKernel[] _widen = module.ByFormat("widen");
    private readonly CudaKernel[] _nearestCode = module.ByFormat("nearest_code");
    private readonly CudaKernel[][] _stepLinear = Array.ConvertAll([1, 2, 4, 8], tile => module.ByFormat($"step_linear_{tile}"));
    private readonly CudaKernel[] _product = module.ByFormat("product");
    private readonly CudaKernel[] _widenIntegers = module.OfIntegers("widen");
    private readonly CudaKernel[][] _stepLinearIntegers = Array.ConvertAll([1, 2, 4, 8], tile => module.OfIntegers($"step_linear_{tile}"));
    private readonly CudaKernel[] _productIntegers = module.OfIntegers("product");
    private readonly CudaKernel[] _productMma = WeightFormats.Each(f => module.Load((f.ValueBits == 16 ? "product_mma_" : "product_") + f.Name));
    private readonly CudaKernel[] _packConvolution = WeightFormats.Each(f => module.Load($"pack_convolution_{f.ValueBits}"));
    private readonly CudaKernel[] _packTransposed = WeightFormats.Each(f => module.Load($"pack_transposed_{f.ValueBits}"));

    private readonly CudaKernel _rmsNorm = module.Load("rms_norm");
    private readonly CudaKernel _snake = module.Load("snake");
    private readonly CudaKernel _add = module.Load("add");
    private readonly CudaKernel _subtract = module.Load("subtract");
    private readonly CudaKernel _tanh = module.Load("tanh_f32");
    private readonly CudaKernel _gatedActivation = module.Load("gated_activation");
    private readonly CudaKernel _ropeTable = module.Load("rope_table");
    private readonly CudaKernel _rope = module.Load("rope");
    private readonly CudaKernel _ropeKeyValues = module.Load("rope_key_values");

    // For 1 and for up to 4 query heads of a key head; of each, for single values and for four at a time.
    private readonly CudaKernel[] _attendPiece =
        [module.Load("attend_piece_1_1"), module.Load("attend_piece_1_4"), module.Load("attend_piece_4_1"), module.Load("attend_piece_4_4")];
    private readonly CudaKernel _joinPieces = module.Load("join_pieces");

    // For heads of up to 128 and of up to 256 values.
    private readonly CudaKernel[] _attendBlock = [module.Load("attend_block_128"), module.Load("attend_block_256", BlockMemory(MaxHeadDim))];
    private readonly CudaKernel _attentionMap = module.Load("attention_map");
    private readonly CudaKernel _sampleRows = module.Load("sample_rows", CudaSampler.SharedMemory(CudaSampler.MaxVocabulary));
    private readonly CudaKernel _advance = module.Load("advance");
    private readonly CudaKernel _exponentials = module.Load("exponentials");

    /// <summary>The grid of a kernel whose threads go over so many values in strides. It takes the remainder of an index as 32 bits.</summary>
    public static dim3 Over(long count) => (int)Math.Clamp((checked((uint)count) + (long)RowThreads - 1) / RowThreads, 1, MaxBlocks);

    public void Embed(WeightFormat format, dim3 grid, float* y, int* ids, void* table, int idStride, int rows, int d) =>
        Launch(_embed[(int)format], grid, RowThreads, 0, y, ids, table, idStride, rows, d);

    public void EmbedSum(WeightFormat format, dim3 grid, float* y, int* ids, void* table, int rows, int channels, int vocabulary, int d) =>
        Launch(_embedSum[(int)format], grid, RowThreads, 0, y, ids, table, rows, channels, vocabulary, d);

    public void Widen(WeightFormat format, dim3 grid, float* to, void* from, ulong count) => Launch(_widen[(int)format], grid, RowThreads, 0, to, from, count);

    /// <summary>Of integers, whose arguments from w to flip are as integers.h tells.</summary>
    public void Widen(
        WeightFormat format, dim3 grid, float* to, void* w, void* scales, int narrowScales, int rowBytes, int group, int groups, int flip, ulong count,
        int k) =>
        Launch(_widenIntegers[OfBits(format)], grid, RowThreads, 0, to, w, scales, narrowScales, rowBytes, group, groups, flip, count, k);

    public void PackConvolution(WeightFormat format, dim3 grid, void* to, void* from, int outputs, int inputs, int kernel) =>
        Launch(_packConvolution[(int)format], grid, RowThreads, 0, to, from, outputs, inputs, kernel);

    public void PackTransposed(WeightFormat format, dim3 grid, void* to, void* from, int outputs, int inputs, int stride) =>
        Launch(_packTransposed[(int)format], grid, RowThreads, 0, to, from, outputs, inputs, stride);

    public void RmsNorm(dim3 grid, float* y, float* x, void* w, int d, float eps) => Launch(_rmsNorm, grid, RowThreads, 0, y, x, w, d, eps);

    public void Snake(dim3 grid, float* y, float* x, void* alpha, ulong count, int channels) =>
        Launch(_snake, grid, RowThreads, 0, y, x, alpha, count, channels);

    public void Add(dim3 grid, float* y, float* x, ulong count, ulong width) => Launch(_add, grid, RowThreads, 0, y, x, count, width);

    public void Subtract(dim3 grid, float* y, float* x, ulong count) => Launch(_subtract, grid, RowThreads, 0, y, x, count);

    public void Tanh(dim3 grid, float* y, float* x, ulong count) => Launch(_tanh, grid, RowThreads, 0, y, x, count);

    public void GatedActivation(dim3 grid, float* y, float* x, int rows, int n, int activation) =>
        Launch(_gatedActivation, grid, RowThreads, 0, y, x, rows, n, activation);

    /// <summary>For float32 codebooks.</summary>
    public void NearestCode(dim3 grid, int* codes, float* x, void* codebook, int codeStride, int entries, int d) =>
        Launch(_nearestCode[(int)WeightFormat.Float32], grid, CodeThreads, 0, codes, x, codebook, codeStride, entries, d);

    /// <summary>For those of 16 bits.</summary>
    public void NearestCode(WeightFormat format, dim3 grid, int* codes, float* x, void* codebook, int codeStride, int rows, int entries, int d) =>
        Launch(_nearestCode[(int)format], grid, CodeWarps * WarpSize, 0, codes, x, codebook, codeStride, rows, entries, d);

    /// <summary>With tiles of 1, 2, 4 or 8 rows.</summary>
    public void StepLinear(int tile, WeightFormat format, int warps, dim3 grid, float* y, float* x, void* w, int rows, int n, int k, int accumulate) =>
        Launch(_stepLinear[BitOperations.Log2((uint)tile)][(int)format], grid, warps * WarpSize, 0, y, x, w, rows, n, k, accumulate);

    /// <summary>The same with integers.</summary>
    public void StepLinear(
        int tile, WeightFormat format, int warps, dim3 grid, float* y, float* x, void* w, void* scales, int narrowScales, int rowBytes, int group, int groups,
        int flip, int rows, int n, int k, int accumulate) =>
        Launch(_stepLinearIntegers[BitOperations.Log2((uint)tile)][OfBits(format)], grid, warps * WarpSize, 0, y, x, w, scales, narrowScales, rowBytes, group,
            groups, flip, rows, n, k, accumulate);

    /// <summary>In float32, whatever the format.</summary>
    public void Product(
        WeightFormat format, dim3 grid, float* y, float* x, void* w, void* bias, long rowStride, long tapStride, int tapLength, int biasCount, int rows, int n,
        int k, int accumulate) =>
        Launch(_product[(int)format], grid, ProductThreads, 0, y, x, w, bias, rowStride, tapStride, tapLength, biasCount, rows, n, k, accumulate);

    /// <summary>A linear layer with integers.</summary>
    public void Product(
        WeightFormat format, dim3 grid, float* y, float* x, void* w, void* scales, int narrowScales, int rowBytes, int group, int groups, int flip, int rows,
        int n, int k, int accumulate) =>
        Launch(_productIntegers[OfBits(format)], grid, ProductThreads, 0, y, x, w, scales, narrowScales, rowBytes, group, groups, flip, rows, n, k, accumulate);

    /// <summary>By tensor cores where the format has 16 bits.</summary>
    public void ProductMma(
        WeightFormat format, dim3 grid, float* y, float* x, void* w, void* bias, long rowStride, long tapStride, int tapLength, int biasCount, int rows, int n,
        int k, int accumulate) =>
        Launch(_productMma[(int)format], grid, ProductThreads, 0, y, x, w, bias, rowStride, tapStride, tapLength, biasCount, rows, n, k, accumulate);

    public void RopeTable(dim3 grid, float* cos, float* sin, int* positions, float* frequencies, AttentionItem* items, int half, float scaling) =>
        Launch(_ropeTable, grid, RopeThreads, 0, cos, sin, positions, frequencies, items, half, scaling);

    public void Rope(dim3 grid, float* x, float* cos, float* sin, int heads, int half) => Launch(_rope, grid, RopeThreads, 0, x, cos, sin, heads, half);

    public void RopeKeyValues(dim3 grid, float* keys, float* values, float* cos, float* sin, AttentionItem* items, int layer, int keyHeads, int half) =>
        Launch(_ropeKeyValues, grid, RopeThreads, 0, keys, values, cos, sin, items, layer, keyHeads, half);

    public void AttendPiece(
        bool severalHeads, bool vectors, dim3 grid, void* partials, float* q, AttentionItem* items, int layer, int heads, int keyHeads, int headDim,
        int pieces) =>
        Launch(_attendPiece[(severalHeads ? 2 : 0) + (vectors ? 1 : 0)], grid, PieceThreads, 0, partials, q, items, layer, heads, keyHeads, headDim, pieces);

    public void JoinPieces(dim3 grid, float* y, void* partials, AttentionItem* items, int layer, int heads, int keyHeads, int headDim, int pieces) =>
        Launch(_joinPieces, grid, MaxHeadDim, 0, y, partials, items, layer, heads, keyHeads, headDim, pieces);

    public void AttendBlock(dim3 grid, float* y, float* q, AttentionItem* items, int layer, int heads, int keyHeads, int headDim) =>
        Launch(_attendBlock[headDim <= 128 ? 0 : 1], grid, BlockThreads, BlockMemory(headDim), y, q, items, layer, heads, keyHeads, headDim);

    public void AttentionMap(dim3 grid, float* maps, float* q, AttentionItem* items, int layer, int heads, int keyHeads, int headDim) =>
        Launch(_attentionMap, grid, WarpSize, 0, maps, q, items, layer, heads, keyHeads, headDim);

    public void SampleRows(dim3 grid, void* picks, SequenceState* states, float* logits, int channels, int vocabulary, int capacity) =>
        Launch(_sampleRows, grid, SamplerThreads, CudaSampler.SharedMemory(vocabulary), picks, states, logits, channels, vocabulary, capacity);

    public void Advance(dim3 grid, SequenceState* states, void* picks, int* ids, int* positions, AttentionItem* items, int channels) =>
        Launch(_advance, grid, WarpSize, 0, states, picks, ids, positions, items, channels);

    public void Exponentials(dim3 grid, double* y, double* x, int count) => Launch(_exponentials, grid, SamplerThreads, 0, y, x, count);

    /// <summary>Dynamic shared memory of a block of attend_block in bytes: its query and key rows, padded (block_attention.cu).</summary>
    private static int BlockMemory(int headDim) => (QueryTile + KeyTile) * ((headDim + 3) / 4 * 4 + 4) * sizeof(float);

    private static int OfBits(WeightFormat format) => format == WeightFormat.Int4 ? 1 : 0;

    private void Launch(CudaKernel kernel, dim3 grid, int threads, int sharedMemory, params ReadOnlySpan<KernelArgument> arguments) =>
        device.Launch(kernel, grid, threads, sharedMemory, arguments);
}
