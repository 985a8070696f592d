using Dia.Weights;
using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace Dia.Backends;

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

/// <summary>A loaded module of kernels.</summary>
internal sealed class CudaModule
{
    private readonly CudaContext _context;
    private readonly CUmodule _module;

    /// <summary>Loads a module.</summary>
    /// <param name="context">Where to.</param>
    /// <param name="image">PTX in place of the embedded module's, ending in a zero: tests of the checks run broken kernels.</param>
    /// <exception cref="CudaException">The driver does not take the module.</exception>
    public CudaModule(CudaContext context, byte[]? image)
    {
        _context = context;
        _module = context.LoadModulePTX(image ?? EmbeddedImage());
    }

    /// <summary>A kernel.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="sharedMemory">Dynamic shared memory that it may be launched with: above 48 KiB it must be allowed to have so much.</param>
    /// <exception cref="CudaException">There is none of this name.</exception>
    public CudaKernel Load(string name, int sharedMemory = 0)
    {
        var kernel = new CudaKernel(name, _module, _context);
        if (sharedMemory > 0)
            kernel.MaxDynamicSharedSizeBytes = sharedMemory;
        return kernel;
    }

    /// <summary>The kernels of this name for each format of weights.</summary>
    /// <exception cref="CudaException">There is not each of them.</exception>
    public CudaKernel[] ByFormat(string name) => WeightFormats.Each(f => Load($"{name}_{f.Name}"));

    private static byte[] EmbeddedImage()
    {
        using Stream stream = typeof(CudaKernels).Assembly.GetManifestResourceStream("kernels.ptx")!;
        byte[] image = new byte[stream.Length + 1]; // ends in a zero
        stream.ReadExactly(image, 0, (int)stream.Length);
        return image;
    }
}
