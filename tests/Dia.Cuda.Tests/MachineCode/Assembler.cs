using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Dia.Cuda.Tests.MachineCode;

/// <summary>What the assembler says of a kernel.</summary>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="SpilledBytes">Bytes of registers that are stored to local memory, for each thread.</param>
internal sealed record AssembledKernel(int Registers, int SpilledBytes);

/// <summary>A module as machine code of one kind of GPU.</summary>
/// <param name="Error">Why it was refused; null: it was not.</param>
/// <param name="Kernels">By name.</param>
/// <param name="Code">The machine code; none where it was not asked for.</param>
internal sealed record AssembledModule(string? Error, Dictionary<string, AssembledKernel> Kernels, List<SassKernel> Code);

/// <summary>NVIDIA's assembler and disassembler, ptxas and nvdisasm: from the path, or from out/cuda-assembler, where tests/gpu/assembler puts them.</summary>
internal sealed partial class Assembler
{
    private readonly string _folder;

    private Assembler(string folder)
    {
        _folder = folder;
        Version = Release().Match(Run("ptxas", "--version").Output) is { Success: true } release ? release.Groups[1].Value : "of no known version";
    }

    /// <summary>"11.8".</summary>
    public string Version { get; }

    /// <summary>The assembler, or null where there is none.</summary>
    public static Assembler? Find()
    {
        string? folder = Environment.GetEnvironmentVariable("PATH")!.Split(':').Append(Repository.At("out/cuda-assembler/usr/bin"))
            .FirstOrDefault(f => File.Exists(Path.Combine(f, "ptxas")) && File.Exists(Path.Combine(f, "nvdisasm")));
        return folder is null ? null : new Assembler(folder);
    }

    /// <summary>Whether it makes code for GPUs of a compute capability (90: 9.0).</summary>
    public bool Knows(int capability) => Run("ptxas", "--help").Output.Contains($"sm_{capability}'", StringComparison.Ordinal);

    /// <summary>Assembles a file of PTX.</summary>
    /// <param name="ptx">The file.</param>
    /// <param name="capability">For which GPUs (90: 9.0).</param>
    /// <param name="disassemble">Whether the machine code is wanted.</param>
    public AssembledModule Assemble(string ptx, int capability, bool disassemble)
    {
        string cubin = Path.GetTempFileName();
        try
        {
            (int exitCode, string output) = Run("ptxas", "-v", $"-arch=sm_{capability}", ptx, "-o", cubin);
            if (exitCode != 0)
                return new AssembledModule(output.Trim().ReplaceLineEndings(" "), [], []);
            Dictionary<string, AssembledKernel> kernels = [];
            foreach (Match m in Usage().Matches(output))
                kernels[m.Groups[1].Value] = new AssembledKernel(Number(m.Groups[3]), Number(m.Groups[2]));
            return new AssembledModule(null, kernels, disassemble ? SassKernel.ReadAll(Run("nvdisasm", "-c", cubin).Output.Split('\n')) : []);
        }
        finally
        {
            File.Delete(cubin);
        }
    }

    private static int Number(Group group) => int.Parse(group.Value, CultureInfo.InvariantCulture);

    private (int ExitCode, string Output) Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(_folder, program), arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    [GeneratedRegex(@"release (\d+\.\d+)")]
    private static partial Regex Release();

    [GeneratedRegex(@"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores.*?Used (\d+) registers", RegexOptions.Singleline)]
    private static partial Regex Usage();
}
