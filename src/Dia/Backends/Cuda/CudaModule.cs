using System.IO.Compression;
using Dia.Weights;
using ManagedCuda;

namespace Dia.Backends.Cuda;

/// <summary>A loaded module of kernels.</summary>
internal sealed class CudaModule
{
    private readonly CudaContext _context;
    private readonly nint _module;

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

    /// <summary>The kernels of this name for each format of weights that are no integers.</summary>
    /// <exception cref="CudaException">There is not each of them.</exception>
    public CudaKernel[] ByFormat(string name) => WeightFormats.Each(f => Load($"{name}_{f.Name}"));

    /// <summary>The kernels of this name for integers: of 8 bits, of 4 bits.</summary>
    /// <exception cref="CudaException">There is not each of them.</exception>
    public CudaKernel[] OfIntegers(string name) => [Load(name + "_int8"), Load(name + "_int4")];

    /// <summary>The text that every kernel is in, and a zero.</summary>
    internal static byte[] EmbeddedImage()
    {
        using Stream stream = typeof(CudaKernels).Assembly.GetManifestResourceStream("kernels.ptx.deflate")!;
        using var inflated = new DeflateStream(stream, CompressionMode.Decompress);
        var image = new MemoryStream();
        inflated.CopyTo(image);
        image.WriteByte(0);
        return image.ToArray();
    }
}
