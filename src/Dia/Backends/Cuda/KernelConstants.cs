namespace Dia.Backends.Cuda;

/// <summary>
/// What a launch and the kernel must agree on. Kernels/shared.h gives the kernels the same constants: a test writes it from this class and compares
/// it (tests/Dia.Cuda.Tests/SharedHeader.cs).
/// </summary>
internal static class KernelConstants
{
    /// <summary>Threads of a block that goes over rows or single values (rows.cu).</summary>
    public const int RowThreads = 256;

    /// <summary>Pairs of values that a block turns, one a thread (rope.cu).</summary>
    public const int RopeThreads = 128;

    /// <summary>Outputs of a block of a step's linear layer (step_linear.cu).</summary>
    public const int StepOutputs = 4;

    /// <summary>Values of k that a warp of it takes at a time.</summary>
    public const int StepWarpValues = 256;

    /// <summary>Warps of it at most.</summary>
    public const int MaxStepWarps = 8;

    /// <summary>Rows and columns of a tile of a product (product_f32.cu, product_mma.cu).</summary>
    public const int ProductTile = 64;

    /// <summary>Threads that make it.</summary>
    public const int ProductThreads = 128;

    /// <summary>Most values of a head that the attention kernels hold.</summary>
    public const int MaxHeadDim = 256;

    /// <summary>Keys of a piece (attention.cu).</summary>
    public const int PieceKeys = 64;

    /// <summary>Query heads of a block where several read the same key head.</summary>
    public const int PieceHeads = 4;

    /// <summary>Threads that make a piece.</summary>
    public const int PieceThreads = 256;

    /// <summary>Query rows and key rows of a tile (block_attention.cu).</summary>
    public const int QueryTile = 16, KeyTile = 32;

    /// <summary>Threads that make it.</summary>
    public const int BlockThreads = 128;

    /// <summary>Threads that look for the nearest code of a row in a float32 codebook (rows.cu).</summary>
    public const int CodeThreads = 128;

    /// <summary>Rows and warps of a block that looks for theirs in a codebook of 16 bits (nearest_code.cu).</summary>
    public const int CodeRows = 16, CodeWarps = 8;

    /// <summary>Threads that pick an id (sampler.cu).</summary>
    public const int SamplerThreads = 256;

    /// <summary>Most channels of a sequence: bits of a word.</summary>
    public const int MaxChannels = 64;

    /// <summary>Bytes of what sample_rows hands to advance, per slot and channel.</summary>
    public const int PickBytes = 16;

    /// <summary>Threads of a warp.</summary>
    public const int WarpSize = 32;
}
