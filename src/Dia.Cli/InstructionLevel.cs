using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.Cli;

/// <summary>Which of the processor's instructions this process uses, and whether that is what DIA_ISA asks for (<c>SecondImage.c</c> chooses).</summary>
internal static unsafe partial class InstructionLevel
{
    /// <summary>What chooses it.</summary>
    public const string Variable = "DIA_ISA";

    /// <summary>What the help says of it.</summary>
    public const string Help =
        "DIA_ISA chooses the processor's instructions: avx2, or avx512, which is taken where the processor has it. Sounds of the two differ by rounding.";

    private const string Avx2Name = "avx2";
    private const string Avx512Name = "avx512";

    private static string Name => Vector512.IsHardwareAccelerated ? Avx512Name : Avx2.IsSupported ? Avx2Name
        : RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

    /// <summary>The levels in this executable. What is not compiled ahead of time has one.</summary>
    private static string[] Levels => !RuntimeFeature.IsDynamicCodeSupported && ImageCount() == 2 ? [Avx2Name, Avx512Name] : [Name];

    private static string WhyNotAvx512 =>
        RuntimeFeature.IsDynamicCodeSupported ? "" : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(WhyNotSecond()));

    /// <summary>Refuses a value of DIA_ISA that is none, or that could not be followed.</summary>
    /// <exception cref="DiaException">Usage, Device.</exception>
    public static void Check()
    {
        string[] levels = Levels;
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } wanted || wanted == Name)
            return;
        if (!levels.Contains(wanted) && wanted is not (Avx2Name or Avx512Name))
            throw Options.CommandLine.Usage($"{Variable} is '{wanted}'; it must be one of: {string.Join(", ", levels)}.");
        string reason = levels.Contains(wanted) ? WhyNotAvx512 : $"this executable has {Name} only";
        throw new DiaException(DiaErrorKind.Device, $"{Variable} is '{wanted}', which cannot run here: {reason}. Unset it.");
    }

    /// <summary>The level, those in the executable, and why it is not the other one.</summary>
    public static string Describe()
    {
        string why = WhyNotAvx512;
        return $"{Name}, of {string.Join(" and ", Levels)} in this executable{(why.Length > 0 ? $" ({Avx512Name} is not used: {why})" : "")}";
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
