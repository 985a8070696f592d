using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Dia.Backends.Cpu;

namespace Dia.Cli;

/// <summary>
/// Which of the processor's instructions this process uses, and whether that is what DIA_ISA asks for (<c>SecondImage.c</c> chooses the image).
/// </summary>
internal static unsafe partial class InstructionLevel
{
    /// <summary>What chooses it.</summary>
    public const string Variable = "DIA_ISA";

    /// <summary>What the help says of it.</summary>
    public const string Help =
        "DIA_ISA chooses the processor's instructions: avx2, avx512, or avx512_bf16, whose products of a text's and a voice's rows are of bfloat16 values. The best that the processor has and is fast with is taken. Sounds of the three differ by rounding.";

    private const string Avx2Name = "avx2";
    private const string Avx512Name = "avx512";
    private const string BFloat16Name = "avx512_bf16";

    /// <summary>Whether a text's and a voice's rows are multiplied as bfloat16 values, where activations may be rounded.</summary>
    public static bool HasBFloat16Products => Vector512.IsHardwareAccelerated && CpuDevice.HasBFloat16Products
        && (Wanted is null ? CpuDevice.HasFasterBFloat16Products : Wanted == BFloat16Name);

    /// <summary>The level that this process runs at.</summary>
    public static string Name => HasBFloat16Products ? BFloat16Name : Vector512.IsHardwareAccelerated ? Avx512Name : Avx2.IsSupported ? Avx2Name
        : RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

    /// <summary>The levels in this executable. What is not compiled ahead of time has one.</summary>
    private static string[] Levels => RuntimeFeature.IsDynamicCodeSupported ? [Name]
        : ImageCount() == 2 ? [Avx2Name, Avx512Name, BFloat16Name]
        : Vector512.IsHardwareAccelerated ? [Avx512Name, BFloat16Name] : [Name];

    private static string? Wanted => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } wanted ? wanted : null;

    private static string WhyNotAvx512 =>
        RuntimeFeature.IsDynamicCodeSupported ? "" : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(WhyNotSecond()));

    /// <summary>Refuses a value of DIA_ISA that is none, or that could not be followed.</summary>
    /// <exception cref="DiaException">Usage, Device.</exception>
    public static void Check()
    {
        string[] levels = Levels;
        if (Wanted is not { } wanted || wanted == Name)
            return;
        if (!levels.Contains(wanted) && wanted is not (Avx2Name or Avx512Name or BFloat16Name))
            throw Options.CommandLine.Usage($"{Variable} is '{wanted}'; it must be one of: {string.Join(", ", levels)}.");
        string reason = !levels.Contains(wanted) ? $"this executable has {string.Join(" and ", levels)} only"
            : WhyNotAvx512 is { Length: > 0 } why ? why : "the processor has no AVX512_BF16";
        throw new DiaException(DiaErrorKind.Device, $"{Variable} is '{wanted}', which cannot run here: {reason}. Unset it.");
    }

    /// <summary>The level, those in the executable, and why it is not another one.</summary>
    public static string Describe()
    {
        string why = WhyNotAvx512;
        string note = why.Length > 0 ? $" ({Avx512Name} is not used: {why})"
            : CpuDevice.HasBFloat16Products && !CpuDevice.HasFasterBFloat16Products && Wanted is null ? $" ({BFloat16Name} is slower on this processor)" : "";
        string[] levels = Levels;
        string all = levels.Length == 1 ? levels[0] : $"{string.Join(", ", levels[..^1])} and {levels[^1]}";
        return $"{Name}, of {all} in this executable{note}";
    }

    /// <summary>A path by which the executable can be opened whose own path is not UTF-8. It stays open.</summary>
    public static string OpenExecutable() => RuntimeFeature.IsDynamicCodeSupported ? "/proc/self/exe" : Format.Text($"/proc/self/fd/{OpenExecutableFile()}");

    [LibraryImport("SecondImage", EntryPoint = "dia_image_count")]
    private static partial int ImageCount();

    [LibraryImport("SecondImage", EntryPoint = "dia_why_not_second")]
    private static partial byte* WhyNotSecond();

    [LibraryImport("SecondImage", EntryPoint = "dia_open_executable")]
    private static partial int OpenExecutableFile();
}
