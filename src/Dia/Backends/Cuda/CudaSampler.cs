using System.Numerics;
using Dia.Configuration;
using Dia.Generation;
using ManagedCuda;
using ManagedCuda.BasicTypes;
using ManagedCuda.VectorTypes;
using static Dia.Backends.Cuda.KernelConstants;

namespace Dia.Backends.Cuda;

/// <summary>
/// Generation's bookkeeping on the device: the places' states, and rows and progress in pinned host memory, which the device writes and
/// the host reads when it likes. A sequence may be no more than <see cref="RingRows"/> rows ahead of what the host has read.
/// </summary>
internal sealed unsafe class CudaSampler : IDisposable
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
    private readonly int* _deviceDelays;
    private readonly void* _picks;
    private readonly nint[] _forced;

    /// <summary>Makes room for sequences; there are none yet.</summary>
    /// <param name="device">The device.</param>
    /// <param name="places">Most sequences at a time.</param>
    /// <param name="channels">Channels of a row.</param>
    /// <param name="vocabularySize">Ids of a channel.</param>
    /// <exception cref="DiaException">No memory (Device), or the model is too large for the kernel (Model).</exception>
    public CudaSampler(CudaDevice device, int places, int channels, int vocabularySize)
    {
        if (channels > MaxChannels || vocabularySize > MaxVocabulary)
            throw new DiaException(DiaErrorKind.Model, $"The model has {channels} channels of {vocabularySize} ids; the GPU's sampler holds {MaxChannels} of {MaxVocabulary}. Use --device cpu.");
        (_device, _channels, _vocabulary, Places) = (device, channels, vocabularySize, places);
        _forced = new nint[places];
        device.Enter();
        try
        {
            // [progress of each place, two words][ring of each place]
            _host = new CudaPageLockedHostMemory<int>(checked((places * 2) + (places * RingRows * channels)), CUMemHostAllocFlags.DeviceMap);
            _deviceRing = (int*)_host.GetDevicePointer();
            States = (SequenceState*)device.DeviceMemory.AllocateBytes(places * (long)sizeof(SequenceState), "the sampler");
            _picks = device.DeviceMemory.AllocateBytes(places * (long)channels * PickBytes, "the sampler");
            _deviceDelays = (int*)device.DeviceMemory.AllocateBytes(places * (long)channels * sizeof(int), "the sampler");
            for (int place = 0; place < places; place++)
                Close(place);
        }
        catch (Exception e)
        {
            Dispose();
            if (e is CudaException)
                throw device.Failure("give pinned memory", e);
            throw;
        }
    }

    /// <summary>Number of places.</summary>
    public int Places { get; }

    /// <summary>The states [places], in device memory.</summary>
    public SequenceState* States { get; }

    /// <summary>Device memory that so many places take, with prompts of so many rows.</summary>
    public static long Size(int places, int channels, int promptRows) =>
        ArenaPieces.Size(places * (long)sizeof(SequenceState)) + ArenaPieces.Size(places * (long)channels * PickBytes) + ArenaPieces.Size(places * (long)channels * sizeof(int))
        + (places * ArenaPieces.Size((long)promptRows * channels * sizeof(int)));

    /// <summary>Dynamic shared memory of a block of sample_rows in bytes.</summary>
    public static int SharedMemory(int vocabulary) => (12 * Capacity(vocabulary)) + (4 * vocabulary);

    /// <summary>Puts a sequence in a place, with its prompt's rows.</summary>
    /// <param name="place">The place.</param>
    /// <param name="sequence">The sequence, before its first generated row.</param>
    /// <param name="conditionalRow">Its row in the step.</param>
    /// <param name="unconditionalRow">Its row without the text; ignored where it has no guidance.</param>
    public void Open(int place, GenerationSequence sequence, int conditionalRow, int unconditionalRow)
    {
        GenerationConfig config = sequence.Config;
        DecoderPrompt prompt = sequence.Prompt;
        int[] forced = new int[prompt.InputRows * _channels], delays = [.. config.DelayPattern];
        for (int i = 0; i < forced.Length; i++)
            forced[i] = prompt.Id(sequence.Item, i / _channels, i % _channels);
        Close(place);
        _forced[place] = (nint)_device.DeviceMemory.AllocateBytes(forced.Length * (long)sizeof(int), "a prompt");
        fixed (int* from = forced)
            _device.Memory.Upload((void*)_forced[place], from, forced.Length * (long)sizeof(int));
        fixed (int* from = delays)
            _device.Memory.Upload(_deviceDelays + (place * _channels), from, _channels * (long)sizeof(int));
        ProgressOf(place) = 0;
        SequenceState state = new()
        {
            TopP = config.TopP,
            Seed = config.Seed,
            Forced = (int*)_forced[place],
            Delays = _deviceDelays + (place * _channels),
            Ring = _deviceRing + (Places * 2) + (place * RingRows * _channels),
            ProgressWord = (ulong*)_deviceRing + place,
            GuidanceScale = (float)(config.GuidanceScale ?? 1),
            Temperature = (float)config.Temperature,
            TopK = config.TopK is int k ? Math.Min(k, _vocabulary) : 0,
            DoSample = config.DoSample ? 1 : 0,
            UseGuidance = config.UsesGuidance ? 1 : 0,
            Eos = config.EosTokenId,
            Pad = config.PadTokenId,
            RowLimit = sequence.RowLimit,
            MaxDelay = config.MaxDelay,
            DrawItem = sequence.DrawItem,
            InputRows = prompt.InputRows,
            RingRows = RingRows,
            RowCount = sequence.RowCount,
            StepsSinceEnd = -1,
            ConditionalRow = conditionalRow,
            UnconditionalRow = unconditionalRow,
        };
        _device.Memory.Upload(States + place, &state, sizeof(SequenceState));
    }

    /// <summary>Says which rows of the logits are a sequence's from now on; −1: none, so that it is passed over.</summary>
    /// <param name="place">The place.</param>
    /// <param name="conditionalRow">Its row.</param>
    /// <param name="unconditionalRow">Its row without the text; ignored where it has no guidance.</param>
    public void Move(int place, int conditionalRow, int unconditionalRow)
    {
        int* rows = stackalloc int[] { conditionalRow, unconditionalRow };
        // By its offset: for the address of a field the compiler looks at the struct, which is in the device's memory.
        _device.Memory.Upload((byte*)(States + place) + SequenceState.RowsOffset, rows, 2 * sizeof(int));
    }

    /// <summary>Empties a place.</summary>
    public void Close(int place)
    {
        SequenceState state = new() { ConditionalRow = -1, UnconditionalRow = -1, Finished = 1 };
        _device.Memory.Upload(States + place, &state, sizeof(SequenceState));
        _device.Memory.Free((void*)_forced[place]);
        _forced[place] = 0;
    }

    /// <summary>
    /// Starts picking every sequence's next row from the logits, appending it, and writing it into the next step's inputs, whose positions
    /// and attention items move on. Allocates nothing, and its arguments do not change with the position: it can be captured.
    /// </summary>
    /// <param name="logits">Logits [rows, channels·vocabulary] in device memory, by the sequences' rows.</param>
    /// <param name="ids">The step's ids [rows, channels]; null: they are not wanted.</param>
    /// <param name="positions">The step's positions [rows]; null (after a prompt): nothing moves on.</param>
    /// <param name="items">The step's self-attention items [rows]; null with <paramref name="positions"/>.</param>
    public void Sample(float* logits, int* ids, int* positions, AttentionItem* items)
    {
        _device.Kernels.SampleRows(new dim3(_channels, Places), _picks, States, logits, _channels, _vocabulary, Capacity(_vocabulary));
        _device.Kernels.Advance(Places, States, _picks, ids, positions, items, _channels);
    }

    /// <summary>e^x as the sampler computes it, for the self-test.</summary>
    public static double[] Exponentials(CudaDevice device, double[] x)
    {
        double[] y = new double[x.Length];
        double* from = (double*)device.Memory.Allocate(2L * x.Length), to = null;
        try
        {
            to = (double*)device.Memory.Allocate(2L * x.Length);
            fixed (double* source = x, target = y)
            {
                device.Memory.Upload(from, source, x.Length * (long)sizeof(double));
                device.Kernels.Exponentials((x.Length + SamplerThreads - 1) / SamplerThreads, to, from, x.Length);
                device.Memory.Download(target, to, x.Length * (long)sizeof(double));
            }

            return y;
        }
        finally
        {
            device.Memory.Free(from);
            device.Memory.Free(to);
        }
    }

    /// <summary>How far a place's sequence is, as the device last said; it may be further by now.</summary>
    public CudaProgress Progress(int place)
    {
        ulong word = Volatile.Read(ref ProgressOf(place));
        return new CudaProgress((int)(uint)word, (CudaSequenceStatus)((word >> 32) & 0xFF), (int)(word >> 40));
    }

    /// <summary>A row [channels] of a place that <see cref="Progress"/> says is there and that is not older than <see cref="RingRows"/>.</summary>
    public ReadOnlySpan<int> Row(int place, int generated) =>
        _host.AsSpan().Slice((Places * 2) + (((place * RingRows) + (generated % RingRows)) * _channels), _channels);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (nint forced in _forced)
            _device.Memory.Free((void*)forced);
        _device.Memory.Free(States);
        _device.Memory.Free(_picks);
        _device.Memory.Free(_deviceDelays);
        _host?.Dispose();
    }

    private static int Capacity(int vocabulary) => (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(vocabulary, 2));

    private ref ulong ProgressOf(int place) => ref ((ulong*)_host.PinnedHostPointer)[place];
}

/// <summary>What the device says of a sequence.</summary>
/// <param name="Generated">Rows that it has generated.</param>
/// <param name="Status">Whether it goes on.</param>
/// <param name="Channel">Where it failed.</param>
internal readonly record struct CudaProgress(int Generated, CudaSequenceStatus Status, int Channel);

/// <summary>Whether a sequence goes on.</summary>
internal enum CudaSequenceStatus
{
    /// <summary>It goes on.</summary>
    Running,

    /// <summary>Every channel ended, or it has as many rows as it may.</summary>
    Finished,

    /// <summary>A logit is not a finite number.</summary>
    LogitNotFinite,

    /// <summary>A score is not a finite number.</summary>
    ScoreNotFinite,
}
