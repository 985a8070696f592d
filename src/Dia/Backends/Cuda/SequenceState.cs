namespace Dia.Backends.Cuda;

/// <summary>
/// One sequence that is being generated on the device: settings, progress, and where its results go. Kernels/shared.h has it too;
/// what it computes is what generation on the host computes.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal unsafe struct SequenceState
{
    /// <summary>Where <see cref="ConditionalRow"/> is, and <see cref="UnconditionalRow"/> behind it.</summary>
    public const int RowsOffset = 120;

    /// <summary>The probability mass that sampling keeps; 1: all.</summary>
    [FieldOffset(0)] public double TopP;

    /// <summary>Seed of the draw.</summary>
    [FieldOffset(8)] public ulong Seed;

    /// <summary>The prompt's known cells [InputRows, channels], PAD where none is known, in device memory.</summary>
    [FieldOffset(16)] public int* Forced;

    /// <summary>Each channel's delay, in device memory.</summary>
    [FieldOffset(24)] public int* Delays;

    /// <summary>Where rows go [RingRows, channels], generated row g at g mod RingRows: the device's address of pinned host memory.</summary>
    [FieldOffset(32)] public int* Ring;

    /// <summary>Where the progress goes (<see cref="CudaSampler.Progress"/>): the device's address of pinned host memory.</summary>
    [FieldOffset(40)] public ulong* ProgressWord;

    /// <summary>Bit c: channel c gave EOS.</summary>
    [FieldOffset(48)] public ulong Ended;

    /// <summary>Classifier-free guidance scale.</summary>
    [FieldOffset(56)] public float GuidanceScale;

    /// <summary>What scores are divided by.</summary>
    [FieldOffset(60)] public float Temperature;

    /// <summary>How many ids stay candidates; 0: no such limit.</summary>
    [FieldOffset(64)] public int TopK;

    /// <summary>1: draw; 0: take the best id.</summary>
    [FieldOffset(68)] public int DoSample;

    /// <summary>1: there is an unconditional row.</summary>
    [FieldOffset(72)] public int UseGuidance;

    /// <summary>The id that ends a channel.</summary>
    [FieldOffset(76)] public int Eos;

    /// <summary>The id where a channel has nothing.</summary>
    [FieldOffset(80)] public int Pad;

    /// <summary>Rows at which it ends, prompt and left padding included.</summary>
    [FieldOffset(84)] public int RowLimit;

    /// <summary>The longest delay.</summary>
    [FieldOffset(88)] public int MaxDelay;

    /// <summary>The item that it draws as.</summary>
    [FieldOffset(92)] public int DrawItem;

    /// <summary>Rows of <see cref="Forced"/>.</summary>
    [FieldOffset(96)] public int InputRows;

    /// <summary>Rows of <see cref="Ring"/>.</summary>
    [FieldOffset(100)] public int RingRows;

    /// <summary>Rows so far, prompt and left padding included.</summary>
    [FieldOffset(104)] public int RowCount;

    /// <summary>Generated rows so far.</summary>
    [FieldOffset(108)] public int Generated;

    /// <summary>Steps since the end began; negative: it has not.</summary>
    [FieldOffset(112)] public int StepsSinceEnd;

    /// <summary>1: nothing more happens.</summary>
    [FieldOffset(116)] public int Finished;

    /// <summary>Its row in the step; negative: there is no sequence here.</summary>
    [FieldOffset(RowsOffset)] public int ConditionalRow;

    /// <summary>Its row without the text.</summary>
    [FieldOffset(124)] public int UnconditionalRow;
}
