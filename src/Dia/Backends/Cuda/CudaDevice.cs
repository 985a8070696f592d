using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;
using ManagedCuda;
using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;
using ManagedCuda.VectorTypes;

namespace Dia.Backends.Cuda;

/// <summary>
/// An NVIDIA GPU: a context, one stream in whose order everything happens, the kernels, and memory. It needs the driver
/// (<c>libcuda.so.1</c>) and nothing else; cuBLAS makes large products where it is present.
/// </summary>
public sealed unsafe class CudaDevice : Device
{
    // What NVIDIA recommends for the newest GPUs; with less, cuBLAS has fewer ways to choose from.
    private const int BlasWorkspace = 32 << 20;

    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly CudaBlas? _blas;
    private readonly List<nint> _scratches = [];
    private void* _scratch;
    private long _scratchBytes;
    private bool _blasHasWorkspace;
    private int _stepLaunches;

    /// <summary>Takes a GPU and loads the kernels.</summary>
    /// <param name="ordinal">Which one, from 0.</param>
    /// <param name="assembling">Told, on another thread, when the driver still assembles the kernels for this GPU after a second: at its first start.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative number.</exception>
    /// <exception cref="DiaException">There is no driver, no such GPU, or it is too old (Device).</exception>
    public CudaDevice(int ordinal, Action? assembling = null)
        : this(ordinal, null, assembling)
    {
    }

    /// <summary>The same with other kernels than the embedded ones: tests of the checks run broken ones.</summary>
    /// <param name="ordinal">Which GPU, from 0.</param>
    /// <param name="kernels">PTX that ends in a zero; null: the embedded module.</param>
    /// <param name="assembling">As above.</param>
    internal CudaDevice(int ordinal, byte[]? kernels, Action? assembling = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        Version driver = CudaDriver.Check();
        try
        {
            int count = CudaContext.GetDeviceCount();
            if (ordinal >= count)
                throw new DiaException(DiaErrorKind.Device,
                    Text($"There is no GPU {ordinal}: the driver has {count}, numbered from 0. Choose one of them, or use --device cpu."));
            Name = CudaContext.GetDeviceName(ordinal);
            Version capability = CudaContext.GetDeviceComputeCapability(ordinal);
            if (capability < new Version(8, 0))
                throw new DiaException(DiaErrorKind.Device,
                    Text($"GPU {ordinal} ({Name}) has compute capability {capability}; the kernels need 8.0 (Ampere) or later. Use --device cpu."));
            _context = new CudaContext(ordinal);
            int multiprocessors = _context.GetDeviceAttribute(CUDeviceAttribute.MultiProcessorCount);
            TotalMemory = _context.GetMemoryInfo().Total;
            _stream = new CudaStream(CUStreamFlags.NonBlocking);
            Kernels = LoadKernels(kernels, assembling);
            DeviceMemory = new CudaMemory(this);
            _blas = LoadBlas();
            BlasVersion = _blas?.GetVersion();
            Details =
            [
                Text($"compute capability {capability}, {multiprocessors} multiprocessors"),
                Text($"driver   CUDA {driver}; cuBLAS {BlasVersion?.ToString() ?? "absent: the project's own products"}"),
            ];
        }
        catch (Exception e)
        {
            Dispose();
            if (e is CudaException or CudaBlasException)
                throw Failure("start", e);
            throw;
        }
    }

    /// <summary>Its kernels read keys and values in float32.</summary>
    public override WeightFormat CacheFormat => WeightFormat.Float32;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override string Description => $"cuda, {Name}";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Details { get; } = [];

    /// <inheritdoc/>
    public override long TotalMemory { get; }

    /// <inheritdoc/>
    public override long? FreeMemory => BytesFree;

    /// <inheritdoc/>
    public override DeviceMemory Memory => DeviceMemory;

    /// <inheritdoc/>
    public override int? StepLaunches => _stepLaunches;

    /// <inheritdoc/>
    internal override bool SplitsActivations => true;

    /// <summary>cuBLAS's version, or null where it is not present.</summary>
    internal Version? BlasVersion { get; }

    /// <summary>Bytes of its memory that no program has.</summary>
    /// <exception cref="DiaException">The device has failed (Device).</exception>
    internal long BytesFree
    {
        get
        {
            long free = 0;
            Try("say how much memory is free", _context, context => free = context.GetMemoryInfo().Free);
            return free;
        }
    }

    /// <summary>The stream in whose order everything happens.</summary>
    internal CudaStream Stream => _stream;

    internal bool HasBlas => _blas is not null;

    /// <summary>Kernels that were launched, or captured, so far.</summary>
    internal long Launches { get; private set; }

    internal CudaKernels Kernels { get; }

    internal CudaMemory DeviceMemory { get; }

    /// <summary>
    /// Scratch memory of at least so many bytes. It grows by doubling and never moves under work that was already given to the device or
    /// captured in a graph: what it had before stays allocated until the device is disposed.
    /// </summary>
    internal void* Scratch(long bytes)
    {
        if (bytes > _scratchBytes)
        {
            // Only what is there counts: where memory does not suffice, the next that needs so much must not be given less.
            long size = System.Math.Max(bytes, 2 * _scratchBytes);
            _scratch = DeviceMemory.AllocateBytes(size, "working memory of the kernels");
            _scratchBytes = size;
            _scratches.Add((nint)_scratch);
        }

        return _scratch;
    }

    /// <summary>Makes the context the calling thread's.</summary>
    /// <exception cref="DiaException">The device has failed (Device).</exception>
    internal void MakeCurrent() => Try("go on", _context, static c => c.SetCurrent());

    /// <summary>Does something of which the driver's or cuBLAS's failure is the device's. Allocates nothing if the action is static.</summary>
    /// <param name="doing">What it is, to tell the user: the GPU could not ….</param>
    /// <param name="on">The action's argument.</param>
    /// <param name="action">What is done.</param>
    /// <exception cref="DiaException">It failed (Device).</exception>
    internal void Try<T>(string doing, T on, Action<T> action)
    {
        try
        {
            action(on);
        }
        catch (Exception e) when (e is CudaException or CudaBlasException)
        {
            throw Failure(doing, e);
        }
    }

    /// <summary>Starts a kernel, if its grid has any block, for <see cref="CudaKernels"/>. Allocates nothing.</summary>
    /// <exception cref="DiaException">The launch failed (Device).</exception>
    internal void Launch(CudaKernel kernel, dim3 grid, int block, int sharedMemory, ReadOnlySpan<KernelArgument> arguments)
    {
        if (grid.x == 0 || grid.y == 0 || grid.z == 0)
            return;
        try
        {
            _context.SetCurrent();
            kernel.Launch(_stream, grid, new dim3(block), (uint)sharedMemory, arguments);
            Launches++;
        }
        catch (CudaException e)
        {
            throw Failure($"start the kernel {kernel.KernelName}", e);
        }
    }

    /// <summary>The same for a decoding step, whose launches are counted.</summary>
    internal CudaGraphExec CaptureStep(Action enqueue)
    {
        long before = Launches;
        CudaGraphExec graph = Capture(enqueue);
        _stepLaunches = (int)(Launches - before);
        return graph;
    }

    /// <summary>What is enqueued in the stream as one graph. It must take no memory, so it has been run once before.</summary>
    /// <exception cref="CudaException">The driver failed.</exception>
    internal CudaGraphExec Capture(Action enqueue)
    {
        _stream.BeginCapture(CUstreamCaptureMode.Local);
        try
        {
            enqueue();
        }
        catch
        {
            // A capture that is left open would make every later call fail.
            EndFailedCapture();
            throw;
        }

        using CudaGraph graph = _stream.EndCapture();
        return graph.Instantiate();
    }

    /// <summary>Starts y[rows, n] = x[rows, k]·wᵀ (+ y) for a float32 matrix w [n, k] with cuBLAS.</summary>
    /// <exception cref="DiaException">cuBLAS failed (Device).</exception>
    internal void BlasProduct(float* y, float* x, float* w, int rows, int n, int k, bool accumulate)
    {
        MakeCurrent();
        try
        {
            GiveBlasWorkspace();
            // Stored by columns, a matrix [a, b] of ours is [b, a]: yᵀ = w·xᵀ.
            _blas!.Gemm(Operation.Transpose, Operation.NonTranspose, n, rows, k, 1, w, k, x, k, accumulate ? 1 : 0, y, n);
        }
        catch (CudaBlasException e)
        {
            throw Failure($"multiply [{rows}, {k}] by [{n}, {k}] with cuBLAS", e);
        }
    }

    /// <inheritdoc/>
    internal override void Synchronize() => Try("finish its work", this, static d =>
    {
        d._context.SetCurrent();
        d._stream.Synchronize();
    });

    /// <inheritdoc/>
    internal override DeviceSampler CreateSampler(int slots, int channels, int vocabularySize) => new CudaSampler(this, slots, channels, vocabularySize);

    /// <inheritdoc/>
    internal override StepQueue CreateQueue(Action step) => new CudaStepQueue(this, step);

    /// <inheritdoc/>
    public override bool CanTrain => false;

    /// <inheritdoc/>
    internal override DeviceClock CreateClock() => new CudaClock(this);

    /// <summary>All of it: vectors as float32; scales of integers lie apart.</summary>
    internal override long PreparedBytes(WeightSpec spec, WeightStorage format) => format.IsQuantized
        ? ArenaPieces.Size(spec.Shape[0] * format.RowBytes(spec.Columns)) + CudaIntegers.ScaleBytes(format, spec.Shape[0], spec.Columns)
        : (spec.Role == WeightRole.Vector ? WeightFormat.Float32 : format).Bytes(spec);

    /// <summary>A convolution's kernel lies beside its copy in the order of the products.</summary>
    internal override long PreparingBytes(WeightSpec spec, WeightStorage format) =>
        spec.Role is WeightRole.Convolution or WeightRole.TransposedConvolution ? format.Bytes(spec) : 0;

    /// <inheritdoc/>
    internal override (MemoryPart[] Parts, long Scratch) DecodingMemory(DiaConfig config, int utterances, long narrow)
    {
        DiaDecoderConfig d = config.DecoderConfig;
        int rows = config.RowCapacity, text = config.EncoderConfig.MaxPositionEmbeddings;
        MemoryPart sampler =
            new("sampler", CudaSampler.Size(utterances, d.NumChannels, rows), $"{utterances} state{(utterances == 1 ? "" : "s")}, prompts' rows");

        // What cuBLAS reads of narrower weights is float32; attention of single rows leaves a partial result for each piece of keys.
        long widened = HasBlas ? narrow : 0;
        long pieces = System.Math.Max(CudaBackend.PartialSize(rows, d.NumAttentionHeads, d.HeadDim),
            CudaBackend.PartialSize(text, d.CrossNumAttentionHeads, d.CrossHeadDim)) * 2 * utterances;
        long scratch = ArenaPieces.Size(checked(System.Math.Max(widened, pieces) * sizeof(float)));
        MemoryPart working = new("working memory of the kernels", scratch, widened > pieces ? "the largest matrix widened" : "pieces of attention");
        return (HasBlas ? [sampler, working, new("cuBLAS", BlasWorkspace, "its working memory")] : [sampler, working], scratch);
    }

    /// <summary>
    /// Takes the memory of a plan in one allocation: what is made on the device from now on lies in it, and what the plan did not foresee beside it.
    /// </summary>
    internal override void Reserve(in MemoryNeeds needs)
    {
        DeviceMemory.Reserve(needs.Bytes);
        if (needs.Scratch == 0)
            return;
        Scratch(needs.Scratch);
        if (HasBlas)
            Try("give cuBLAS memory", this, static d => d.GiveBlasWorkspace());
    }

    /// <summary>What the user is told of an error of the driver's.</summary>
    internal DiaException Failure(string doing, Exception e) => new(
        DiaErrorKind.Device,
            $"The GPU{(string.IsNullOrEmpty(Name) ? "" : " " + Name)} could not {doing}: {e.Message.TrimEnd('.', ' ')}. Run `dia selftest --device cuda`; if that fails too, restart the driver or use --device cpu.", e);

    private protected override T Visit<T>(IBackendVisitor<T> visitor) => visitor.Visit(new CudaBackend(this));

    private protected override void Free()
    {
        try
        {
            if (_stream is not null)
                Synchronize(); // steps that run ahead of the host write into memory that is freed here
        }
        catch (DiaException)
        {
            // The device failed: that was thrown where it was found.
        }

        try
        {
            _blas?.Dispose();
            foreach (nint memory in _scratches)
                DeviceMemory.Free((void*)memory);
        }
        catch (CudaBlasException)
        {
            // The device failed: that was thrown where it was found, and its memory goes with the context.
        }

        DeviceMemory?.Dispose();
        _stream?.Dispose();
        _context?.Dispose();
    }

    private void EndFailedCapture()
    {
        try
        {
            _stream.EndCapture().Dispose();
        }
        catch (CudaException)
        {
            // What failed in it spoiled it, and is to be seen.
        }
    }

    /// <summary>The driver keeps what it has assembled: only a GPU's first start, or a new driver's, takes more than a moment.</summary>
    private CudaKernels LoadKernels(byte[]? kernels, Action? assembling)
    {
        if (assembling is null)
            return new CudaKernels(this, new CudaModule(_context, kernels));
        using var loaded = new ManualResetEventSlim();
        var watch = new Thread(() =>
        {
            if (!loaded.Wait(TimeSpan.FromSeconds(1)))
                assembling();
        }) { IsBackground = true, Name = "first start" };
        watch.Start();
        try
        {
            return new CudaKernels(this, new CudaModule(_context, kernels));
        }
        finally
        {
            loaded.Set();
            watch.Join();
        }
    }

    private CudaBlas? LoadBlas()
    {
        if (!CudaBlas.TryLoad())
            return null;
        CudaBlas blas;
        try
        {
            blas = new CudaBlas(_stream);
        }
        catch (CudaBlasException)
        {
            return null; // every one of them is for other drivers than this one
        }

        try
        {
            // Pedantic: float32 products stay float32.
            blas.MathMode = ManagedCuda.CudaBlas.Math.PedanticMath;
            return blas;
        }
        catch
        {
            blas.Dispose();
            throw;
        }
    }

    /// <summary>Once, and not before it is known whether there is an arena that it comes from.</summary>
    private void GiveBlasWorkspace()
    {
        if (_blasHasWorkspace)
            return;
        void* workspace = DeviceMemory.AllocateBytes(BlasWorkspace, "cuBLAS");
        _scratches.Add((nint)workspace);
        _blas!.SetWorkspace(workspace, BlasWorkspace);
        _blasHasWorkspace = true;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
