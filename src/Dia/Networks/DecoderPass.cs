using Dia.Backends;
using Dia.Configuration;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>One sequence of a decoder pass: its caches, and where its rows stand.</summary>
public sealed unsafe class DecoderStream
{
    /// <summary>Its own keys and values; the pass appends to them.</summary>
    public required KeyValueCache Self { get; init; }

    /// <summary>Keys and values of the encoder output; null for an unconditional sequence.</summary>
    public required KeyValueCache? Cross { get; init; }

    /// <summary>Its rotary embedding, up to date for its longest position.</summary>
    public required RotaryEmbedding Rope { get; init; }

    /// <summary>One byte per text row in device memory, 0 = masked; null: none is.</summary>
    public byte* TextMask { get; init; }

    /// <summary>One byte per audio row in device memory, 0 = masked; null: none is.</summary>
    public byte* AudioMask { get; init; }
}

/// <summary>
/// One run of the decoder: rows of one or more sequences, conditional ones first, then the unconditional ones of guidance. It can be
/// filled and run again and again without allocating. Between the last <see cref="Add"/> and the run comes <see cref="Send"/>. Ids were checked before.
/// </summary>
public sealed unsafe class DecoderPass : IDisposable
{
    /// <summary>Rows of a prompt that run at once: enough to be bound by arithmetic, few enough to bound the arena.</summary>
    internal const int PromptRows = 256;

    private const int IdPart = 0, PositionPart = 1, FrequencyPart = 2, SelfPart = 3, CrossPart = 4;

    private readonly DeviceMemory _memory;
    private readonly long _output;
    private readonly int _channels;
    private readonly int _half;
    private readonly int _capacity;
    private readonly float* _arena;
    private readonly DeviceBlock _inputs;
    private readonly DecoderStream[] _sequences;
    private WeightFormat _cacheFormat;
    private float _ropeScaling;
    private int _maxRows;
    private int _selfKeys;
    private int _crossKeys;

    /// <summary>A pass with room for so many rows and sequences.</summary>
    /// <param name="network">The network it is for.</param>
    /// <param name="config">Its decoder's configuration.</param>
    /// <param name="capacity">Most rows.</param>
    /// <param name="sequences">Most sequences.</param>
    /// <param name="phase">Whether it is for rows of prompts or for steps, of one row a sequence.</param>
    /// <param name="trace">What to record, or null.</param>
    /// <param name="arenas">The plan; null: the network's own.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal DecoderPass(DiaNetwork network, DiaDecoderConfig config, int capacity, int sequences, Phase phase, ForwardTrace? trace = null,
        ArenaSizes? arenas = null)
    {
        ArenaSizes sizes = arenas ?? network.Arenas;
        (_memory, _output) = (network.Memory, sizes.DecoderOutput);
        Phase = phase;
        (_channels, _half) = (config.NumChannels, config.HeadDim / 2);
        Trace = trace;
        _capacity = ArenaSizes.Rows(capacity);
        _sequences = new DecoderStream[sequences];
        _inputs = new DeviceBlock(network.Memory, InputSizes(_capacity, sequences, _channels, _half));
        try
        {
            _arena = network.Memory.Allocate(sizes.DecoderWidth * _capacity);
        }
        catch
        {
            _inputs.Dispose();
            throw;
        }
    }

    /// <summary>Bytes of the inputs, one after the other: ids, positions, frequencies, items of self- and of cross-attention.</summary>
    /// <param name="capacity">Most rows, as the arena has them.</param>
    /// <param name="sequences">Most sequences.</param>
    /// <param name="channels">Ids of a row.</param>
    /// <param name="half">Frequencies of a sequence.</param>
    internal static long[] InputSizes(int capacity, int sequences, int channels, int half) =>
        [(long)capacity * channels * sizeof(int), (long)capacity * sizeof(int), (long)sequences * half * sizeof(float),
            (long)sequences * sizeof(AttentionItem), (long)sequences * sizeof(AttentionItem)];

    /// <summary>Prompts or steps.</summary>
    public Phase Phase { get; }

    /// <summary>Rows in this pass.</summary>
    public int Rows { get; private set; }

    /// <summary>Rows of conditional sequences: the first ones.</summary>
    public int ConditionalRows { get; private set; }

    /// <summary>Sequences in this pass.</summary>
    public int SequenceCount { get; private set; }

    /// <summary>Conditional sequences: the first ones.</summary>
    public int ConditionalCount { get; private set; }

    /// <summary>Audio ids [rows, channels], in device memory.</summary>
    public int* Ids => _inputs.Device<int>(IdPart);

    /// <summary>Positions [rows], in device memory.</summary>
    public int* Positions => _inputs.Device<int>(PositionPart);

    /// <summary>The constants of unconditional cross-attention [layers, hidden]; null where no sequence is unconditional.</summary>
    public float* UnconditionalCross { get; set; }

    /// <summary>What to record, or null.</summary>
    public ForwardTrace? Trace { get; }

    /// <summary>The decoder output [rows, hidden].</summary>
    public float* Output => this[_output];

    /// <summary>An activation by its planned offset.</summary>
    public float* this[long offset] => _arena + offset * _capacity;

    /// <summary>The sequences' self-attention, over what is cached and this pass's rows.</summary>
    public AttentionBatch SelfAttention => new(_inputs.Device<AttentionItem>(SelfPart), SequenceCount, _maxRows, _selfKeys, _cacheFormat);

    /// <summary>The conditional sequences' cross-attention.</summary>
    public AttentionBatch CrossAttention => new(_inputs.Device<AttentionItem>(CrossPart), ConditionalCount, _maxRows, _crossKeys, _cacheFormat);

    /// <summary>Forgets the rows of the last run.</summary>
    public void Clear()
    {
        Rows = ConditionalRows = SequenceCount = ConditionalCount = 0;
        _maxRows = _selfKeys = _crossKeys = 0;
    }

    /// <summary>Adds rows of a sequence. Conditional sequences must come before unconditional ones.</summary>
    /// <param name="sequence">Its caches; they must have room for the rows.</param>
    /// <param name="ids">Audio ids [rows, channels].</param>
    /// <param name="positions">Each row's position; empty: they follow what is cached.</param>
    public void Add(DecoderStream sequence, ReadOnlySpan<int> ids, ReadOnlySpan<int> positions = default)
    {
        int rows = ids.Length / _channels, cached = sequence.Self.Length;
        if (ids.Length != rows * _channels || (!positions.IsEmpty && positions.Length != rows))
            throw new ArgumentException("The ids are not whole rows, or the positions not as many.", nameof(ids));
        bool isAfterUnconditional = sequence.Cross is not null && ConditionalCount < SequenceCount;
        if (SequenceCount == _sequences.Length || Rows + rows > _capacity || cached + rows > sequence.Self.Capacity || isAfterUnconditional)
            throw new InvalidOperationException("The decoder pass has no room for these rows.");
        ids.CopyTo(new Span<int>(_inputs.Host<int>(IdPart) + (long)Rows * _channels, ids.Length));
        for (int r = 0; r < rows; r++)
            _inputs.Host<int>(PositionPart)[Rows + r] = positions.IsEmpty ? cached + r : positions[r];
        if (SequenceCount > 0 && sequence.Self.Format != _cacheFormat)
            throw new ArgumentException("The caches of a pass are of one format.", nameof(sequence));
        _cacheFormat = sequence.Self.Format;
        _sequences[SequenceCount] = sequence;
        _ropeScaling = sequence.Rope.Scaling;
        sequence.Rope.InverseFrequencies.CopyTo(new Span<float>(_inputs.Host<float>(FrequencyPart) + (long)SequenceCount * _half, _half));
        _inputs.Host<AttentionItem>(SelfPart)[SequenceCount] = NewItem(sequence.Self, rows, cached + rows, cached, sequence.AudioMask);
        if (sequence.Cross is { } cross)
        {
            _inputs.Host<AttentionItem>(CrossPart)[SequenceCount] = NewItem(cross, rows, cross.Length, -1, sequence.TextMask);
            _crossKeys = Math.Max(_crossKeys, cross.Length);
            ConditionalCount++;
            ConditionalRows += rows;
        }

        // The cache's capacity rather than its length: what is made of the bound stays right while a sequence grows.
        _selfKeys = Math.Max(_selfKeys, sequence.Self.Capacity);
        _maxRows = Math.Max(_maxRows, rows);
        SequenceCount++;
        Rows += rows;
    }

    /// <summary>Makes the device see the rows that were added.</summary>
    public void Send() => _inputs.Send();

    /// <summary>Counts the rows of this run as cached.</summary>
    public void Advance()
    {
        for (int i = 0; i < SequenceCount; i++)
            _sequences[i].Self.Length += _inputs.Host<AttentionItem>(SelfPart)[i].Rows;
    }

    /// <summary>Fills cos and sin [rows, half] for the rows' positions, by each sequence's own frequencies.</summary>
    public void RopeTable<TBackend>(in TBackend b, float* cos, float* sin, int half)
        where TBackend : struct, IBackend =>
        b.RopeTable(cos, sin, Positions, _inputs.Device<float>(FrequencyPart), SelfAttention, half, _ropeScaling);

    /// <summary>Where a layer's self-attention probabilities go, or null.</summary>
    public float* SelfMaps(int layer, int heads) =>
        Trace is null ? null : Trace.DecoderAttention(layer, SequenceCount, heads, FirstSelf.Rows, FirstSelf.KeyCount);

    /// <summary>Where a layer's cross-attention probabilities go, or null.</summary>
    public float* CrossMaps(int layer, int heads) =>
        Trace is null ? null : Trace.CrossAttention(layer, ConditionalCount, heads, FirstSelf.Rows, _crossKeys);

    /// <inheritdoc/>
    public void Dispose()
    {
        _memory.Free(_arena);
        _inputs.Dispose();
    }

    // A traced pass has sequences of equal lengths (a forward pass).
    private AttentionItem FirstSelf => _inputs.Host<AttentionItem>(SelfPart)[0];

    private AttentionItem NewItem(KeyValueCache cache, int rows, int keys, int causalStart, byte* mask) => new()
    {
        FirstRow = Rows, Rows = rows, Keys = cache.At(0), Values = cache.At(1), LayerStride = cache.LayerStride, KeyCount = keys,
            CausalStart = causalStart, Mask = mask,
    };
}
