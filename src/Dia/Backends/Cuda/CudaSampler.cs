using Dia.Configuration;
using ManagedCuda;
using ManagedCuda.BasicTypes;
using ManagedCuda.VectorTypes;
using static Dia.Backends.Cuda.KernelConstants;

namespace Dia.Backends.Cuda;

/// <summary>
/// The sampler's kernels, with rows and progress in pinned host memory. A sequence may be no more than <see cref="RingRows"/> rows ahead of what the
/// host has read.
/// </summary>
internal sealed unsafe class CudaSampler : DeviceSampler
{
    /// <summary>Most ids of a channel: what the kernel's shared memory holds.</summary>
    public const int MaxVocabulary = 4096;

    /// <summary>Rows that are kept for the host.</summary>
    public const int RingRows = 64;

    private readonly CudaDevice _device;
    private readonly int _channels;
    private readonly int _vocabulary;
    private readonly CudaPageLockedHostMemory<int> _host;
    private readonly int* _deviceRing;
    private readonly SequenceState* _states;
    private readonly int* _deviceDelays;
    private readonly void* _picks;
    private readonly nint[] _forced;

    /// <summary>Makes room for sequences; there are none yet.</summary>
    /// <param name="device">The device.</param>
    /// <param name="slots">Most sequences at a time.</param>
    /// <param name="channels">Channels of a row.</param>
    /// <param name="vocabularySize">Ids of a channel.</param>
    /// <exception cref="DiaException">No memory (Device), or the model is too large for the kernel (Model).</exception>
    public CudaSampler(CudaDevice device, int slots, int channels, int vocabularySize)
    {
        if (channels > MaxChannels || vocabularySize > MaxVocabulary)
            throw new DiaException(DiaErrorKind.Model,
                $"The model has {channels} channels of {vocabularySize} ids; the GPU's sampler holds {MaxChannels} of {MaxVocabulary}. Use --device cpu.");
        (_device, _channels, _vocabulary) = (device, channels, vocabularySize);
        _forced = new nint[slots];
        device.MakeCurrent();
        try
        {
            // [progress of each slot, two words][ring of each slot]
            _host = new CudaPageLockedHostMemory<int>(checked(slots * 2 + slots * RingRows * channels), CUMemHostAllocFlags.DeviceMap);
            _deviceRing = (int*)_host.GetDevicePointer();
            _states = (SequenceState*)device.DeviceMemory.AllocateBytes(slots * (long)sizeof(SequenceState), "the sampler");
            _picks = device.DeviceMemory.AllocateBytes(slots * (long)channels * PickBytes, "the sampler");
            _deviceDelays = (int*)device.DeviceMemory.AllocateBytes(slots * (long)channels * sizeof(int), "the sampler");
            for (int slot = 0; slot < slots; slot++)
                Close(slot);
        }
        catch (Exception e)
        {
            Dispose();
            if (e is CudaException)
                throw device.Failure("give pinned memory", e);
            throw;
        }
    }

    /// <summary>Device memory that so many slots take, with prompts of so many rows.</summary>
    public static long Size(int slots, int channels, int promptRows) =>
        ArenaPieces.Size(slots * (long)sizeof(SequenceState)) + ArenaPieces.Size(slots * (long)channels * PickBytes)
            + ArenaPieces.Size(slots * (long)channels * sizeof(int))
        + slots * ArenaPieces.Size((long)promptRows * channels * sizeof(int));

    /// <summary>Dynamic shared memory of a block of sample_rows in bytes.</summary>
    public static int SharedMemory(int vocabulary) => 12 * Capacity(vocabulary) + 4 * vocabulary;

    /// <inheritdoc/>
    public override void Open(int slot, in SampledSequence sequence, int conditionalRow, int unconditionalRow)
    {
        GenerationConfig config = sequence.Config;
        int[] forced = sequence.Cells, delays = [.. config.DelayPattern];
        Close(slot);
        _forced[slot] = (nint)_device.DeviceMemory.AllocateBytes(forced.Length * (long)sizeof(int), "a prompt");
        fixed (int* from = forced)
            _device.Memory.Upload((void*)_forced[slot], from, forced.Length * (long)sizeof(int));
        fixed (int* from = delays)
            _device.Memory.Upload(_deviceDelays + slot * _channels, from, _channels * (long)sizeof(int));
        ProgressOf(slot) = 0;
        SequenceState state = new()
        {
            TopP = config.TopP,
            Seed = config.Seed,
            Forced = (int*)_forced[slot],
            Delays = _deviceDelays + slot * _channels,
            Ring = _deviceRing + _forced.Length * 2 + slot * RingRows * _channels,
            ProgressWord = (ulong*)_deviceRing + slot,
            GuidanceScale = (float)(config.GuidanceScale ?? 1),
            Temperature = (float)config.Temperature,
            TopK = config.TopK is int k ? Math.Min(k, _vocabulary) : 0,
            DoSample = config.DoSample ? 1 : 0,
            UseGuidance = config.UsesGuidance ? 1 : 0,
            Eos = config.EosTokenId,
            Pad = config.PadTokenId,
            RowLimit = sequence.RowLimit,
            MaxDelay = delays.Max(),
            DrawItem = sequence.DrawItem,
            InputRows = forced.Length / _channels,
            RingRows = RingRows,
            RowCount = sequence.RowCount,
            StepsSinceEnd = -1,
            ConditionalRow = conditionalRow,
            UnconditionalRow = unconditionalRow,
        };
        _device.Memory.Upload(_states + slot, &state, sizeof(SequenceState));
    }

    /// <inheritdoc/>
    public override void Move(int slot, int conditionalRow, int unconditionalRow)
    {
        int* rows = stackalloc int[] { conditionalRow, unconditionalRow };
        // By its offset: for the address of a field the compiler looks at the struct, which is in the device's memory.
        _device.Memory.Upload((byte*)(_states + slot) + SequenceState.RowsOffset, rows, 2 * sizeof(int));
    }

    /// <inheritdoc/>
    public override void Close(int slot)
    {
        SequenceState state = new() { ConditionalRow = -1, UnconditionalRow = -1, Finished = 1 };
        _device.Memory.Upload(_states + slot, &state, sizeof(SequenceState));
        _device.Memory.Free((void*)_forced[slot]);
        _forced[slot] = 0;
    }

    /// <inheritdoc/>
    public override void Sample(float* logits, int* ids, int* positions, AttentionItem* items)
    {
        _device.Kernels.SampleRows(new dim3(_channels, _forced.Length), _picks, _states, logits, _channels, _vocabulary, Capacity(_vocabulary));
        _device.Kernels.Advance(_forced.Length, _states, _picks, ids, positions, items, _channels);
    }

    /// <inheritdoc/>
    public override double[] Exponentials(double[] x)
    {
        double[] y = new double[x.Length];
        double* from = (double*)_device.Memory.Allocate(2L * x.Length), to = null;
        try
        {
            to = (double*)_device.Memory.Allocate(2L * x.Length);
            fixed (double* source = x, target = y)
            {
                _device.Memory.Upload(from, source, x.Length * (long)sizeof(double));
                _device.Kernels.Exponentials((x.Length + SamplerThreads - 1) / SamplerThreads, to, from, x.Length);
                _device.Memory.Download(target, to, x.Length * (long)sizeof(double));
            }

            return y;
        }
        finally
        {
            _device.Memory.Free(from);
            _device.Memory.Free(to);
        }
    }

    /// <inheritdoc/>
    public override void ReportOverRow(int slot)
    {
        SequenceState state;
        _device.Memory.Download(&state, _states + slot, sizeof(SequenceState));
        state.ProgressWord = (ulong*)state.Ring;
        _device.Memory.Upload(_states + slot, &state, sizeof(SequenceState));
    }

    /// <inheritdoc/>
    public override SamplerProgress Progress(int slot)
    {
        ulong word = Volatile.Read(ref ProgressOf(slot));
        return new SamplerProgress((int)(uint)word, (SamplerStatus)((word >> 32) & 0xFF), (int)(word >> 40));
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<int> Row(int slot, int generated) =>
        _host.AsSpan().Slice(_forced.Length * 2 + (slot * RingRows + generated % RingRows) * _channels, _channels);

    /// <inheritdoc/>
    public override void Dispose()
    {
        foreach (nint forced in _forced)
            _device.Memory.Free((void*)forced);
        _device.Memory.Free(_states);
        _device.Memory.Free(_picks);
        _device.Memory.Free(_deviceDelays);
        _host?.Dispose();
    }

    private static int Capacity(int vocabulary) => (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(vocabulary, 2));

    private ref ulong ProgressOf(int slot) => ref ((ulong*)_host.PinnedHostPointer)[slot];
}
