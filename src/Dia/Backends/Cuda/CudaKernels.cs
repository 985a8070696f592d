using Dia.Weights;
using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace Dia.Backends;

/// <summary>The kernels of the embedded module, by the names that Kernels/*.cu give them.</summary>
internal sealed class CudaKernels
{
    /// <summary>Most values of a head that the attention kernels hold.</summary>
    public const int MaxHeadDim = 256;

    private readonly CudaContext _context;
    private readonly CUmodule _module;

    /// <summary>Loads the module and finds every kernel.</summary>
    /// <param name="context">Where to.</param>
    /// <param name="image">PTX in place of the embedded module's, ending in a zero: tests of the checks run broken kernels.</param>
    /// <exception cref="CudaException">The driver does not take the module.</exception>
    public CudaKernels(CudaContext context, byte[]? image)
    {
        _context = context;
        _module = context.LoadModulePTX(image ?? EmbeddedImage());
        Embed = ByFormat("embed");
        EmbedSum = ByFormat("embed_sum");
        Widen = ByFormat("widen");
        NearestCode = ByFormat("nearest_code");
        StepLinear1 = ByFormat("step_linear_1");
        StepLinear2 = ByFormat("step_linear_2");
        StepLinear4 = ByFormat("step_linear_4");
        StepLinear8 = ByFormat("step_linear_8");
        Product = ByFormat("product");
        ProductMma = WeightFormats.Each(f => Load(f.ValueBits == 16 ? $"product_mma_{f.Name}" : $"product_{f.Name}"));
        RmsNorm = Load("rms_norm");
        Snake = Load("snake");
        PackConvolution = WeightFormats.Each(f => Load($"pack_convolution_{f.ValueBits}"));
        PackTransposed = WeightFormats.Each(f => Load($"pack_transposed_{f.ValueBits}"));
        Add = Load("add");
        Subtract = Load("subtract");
        Tanh = Load("tanh_f32");
        GatedActivation = Load("gated_activation");
        RopeTable = Load("rope_table");
        Rope = Load("rope");
        RopeKeyValues = Load("rope_key_values");
        AttendPiece = [Load("attend_piece_1_1"), Load("attend_piece_1_4"), Load("attend_piece_4_1"), Load("attend_piece_4_4")];
        JoinPieces = Load("join_pieces");
        AttendBlock = [Load("attend_block_128"), Load("attend_block_256")];
        AttentionMap = Load("attention_map");
        SampleRows = Load("sample_rows");
        Advance = Load("advance");
        Exponentials = Load("exponentials");

        // Above 48 KiB a kernel must be allowed to have so much.
        AttendBlock[1].MaxDynamicSharedSizeBytes = BlockAttentionMemory(MaxHeadDim);
        SampleRows.MaxDynamicSharedSizeBytes = CudaSampler.SharedMemory(CudaSampler.MaxVocabulary);
    }

    // Indexed by WeightFormat.
    public CudaKernel[] Embed { get; }

    public CudaKernel[] EmbedSum { get; }

    public CudaKernel[] Widen { get; }

    public CudaKernel[] NearestCode { get; }

    public CudaKernel[] StepLinear1 { get; }

    public CudaKernel[] StepLinear2 { get; }

    public CudaKernel[] StepLinear4 { get; }

    public CudaKernel[] StepLinear8 { get; }

    public CudaKernel[] Product { get; }

    public CudaKernel[] ProductMma { get; }

    public CudaKernel[] PackConvolution { get; }

    public CudaKernel[] PackTransposed { get; }

    public CudaKernel RmsNorm { get; }

    public CudaKernel Snake { get; }

    public CudaKernel Add { get; }

    public CudaKernel Subtract { get; }

    public CudaKernel Tanh { get; }

    public CudaKernel GatedActivation { get; }

    public CudaKernel RopeTable { get; }

    public CudaKernel Rope { get; }

    public CudaKernel RopeKeyValues { get; }

    /// <summary>For 1 and for up to 4 query heads of a key head; of each, for single values and for four at a time.</summary>
    public CudaKernel[] AttendPiece { get; }

    public CudaKernel JoinPieces { get; }

    /// <summary>For heads of up to 128 and of up to 256 values.</summary>
    public CudaKernel[] AttendBlock { get; }

    public CudaKernel AttentionMap { get; }

    public CudaKernel SampleRows { get; }

    public CudaKernel Advance { get; }

    public CudaKernel Exponentials { get; }

    /// <summary>Dynamic shared memory of a block of <see cref="AttendBlock"/> in bytes: 16 query rows and 32 key rows, padded (block_attention.cu).</summary>
    public static int BlockAttentionMemory(int headDim) => (16 + 32) * (((headDim + 3) / 4 * 4) + 4) * sizeof(float);

    private static byte[] EmbeddedImage()
    {
        using Stream stream = typeof(CudaKernels).Assembly.GetManifestResourceStream("kernels.ptx")!;
        byte[] image = new byte[stream.Length + 1]; // ends in a zero
        stream.ReadExactly(image, 0, (int)stream.Length);
        return image;
    }

    private CudaKernel Load(string name) => new(name, _module, _context);

    private CudaKernel[] ByFormat(string name) => WeightFormats.Each(f => Load($"{name}_{f.Name}"));
}
