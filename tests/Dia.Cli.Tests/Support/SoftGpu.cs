namespace Dia.Cli.Tests.Support;

/// <summary>The software GPU as the driver of the published executable (tools/Dia.SoftGpu).</summary>
public static class SoftGpu
{
    /// <summary>The processor without AVX-512; "cpu" is the processor's best.</summary>
    public const string Avx2 = "cpu with AVX2";

    /// <summary>Runs the executable on a device; a GPU is the software one.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="device">What --device gets, or <see cref="Avx2"/>.</param>
    /// <param name="args">The other arguments.</param>
    public static Outcome RunOn(this Executable executable, string device, params string[] args) => device switch
    {
        "cuda" => executable.RunOnGpu([.. args, "--device", device]),
        Avx2 => executable.Run([.. args, "--device", "cpu"], [], ("DIA_ISA", "avx2")),
        _ => executable.Run([.. args, "--device", device]),
    };

    /// <summary>Runs the executable with it.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="args">Its arguments.</param>
    /// <param name="settings">Variables of the software GPU (tools/Dia.SoftGpu/Driver/Settings.cs).</param>
    public static Outcome RunOnGpu(this Executable executable, string[] args, params (string Name, string Value)[] settings)
    {
        string library = Path.Combine(Repository.Root, "out/softgpu");
        if (!File.Exists(Path.Combine(library, "libcuda.so.1")))
            throw new FileNotFoundException($"There is no software GPU in {library}. Make it with `dotnet publish tools/Dia.SoftGpu`.");
        return executable.Run(args, [], [("LD_LIBRARY_PATH", library), .. settings]);
    }
}
