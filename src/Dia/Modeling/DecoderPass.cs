using System.Runtime.InteropServices;
using Dia.Backends;

namespace Dia.Modeling;

/// <summary>One sequence of a decoder pass: its caches, and where its rows stand.</summary>
public sealed unsafe class DecoderSequence
{
    /// <summary>Its own keys and values; the pass appends to them.</summary>
    public required KeyValueCache Self { get; init; }

    /// <summary>Keys and values of the encoder output; null for an unconditional sequence.</summary>
    public required KeyValueCache? Cross { get; init; }

    /// <summary>Its rotary embedding, up to date for its longest position.</summary>
    public required RotaryEmbedding Rope { get; init; }

    /// <summary>One byte per text row, 0 = masked; null: none is.</summary>
    public byte* TextMask { get; init; }

    /// <summary>One byte per audio row, 0 = masked; null: none is.</summary>
    public byte* AudioMask { get; init; }
}

/// <summary>
/// One run of the decoder: rows of one or more sequences, conditional ones first, then the unconditional ones of guidance. It can be
/// filled and run again and again without allocating.
/// </summary>
public sealed unsafe class DecoderPass : IDisposable
{
    private readonly DiaNetwork _network;
    private readonly int _channels;
    private readonly int _capacity;
    private readonly float* _arena;
    private readonly int* _positions;
    private readonly AttentionItem* _self;
    private readonly AttentionItem* _cross;
    private readonly DecoderSequence[] _sequences;

    /// <summary>A pass with room for so many rows and sequences.</summary>
    /// <param name="network">The network it is for.</param>
    /// <param name="channels">Codebooks of an audio row.</param>
    /// <param name="capacity">Most rows.</param>
    /// <param name="sequences">Most sequences.</param>
    /// <param name="trace">What to record, or null.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public DecoderPass(DiaNetwork network, int channels, int capacity, int sequences, ForwardTrace? trace = null)
    {
        _network = network;
        _channels = channels;
        Trace = trace;
        _capacity = ArenaRows.RoundUp(capacity);
        _sequences = new DecoderSequence[sequences];
        _arena = network.Allocate(network.DecoderArenaWidth * _capacity);
        Ids = (int*)NativeMemory.AllocZeroed((nuint)((long)_capacity * channels), sizeof(int));
        _positions = (int*)NativeMemory.AllocZeroed((nuint)_capacity, sizeof(int));
        _self = (AttentionItem*)NativeMemory.AllocZeroed((nuint)sequences, (nuint)sizeof(AttentionItem));
        _cross = (AttentionItem*)NativeMemory.AllocZeroed((nuint)sequences, (nuint)sizeof(AttentionItem));
    }

    /// <summary>Rows in this pass.</summary>
    public int Rows { get; private set; }

    /// <summary>Rows of conditional sequences: the first ones.</summary>
    public int ConditionalRows { get; private set; }

    /// <summary>Sequences in this pass.</summary>
    public int SequenceCount { get; private set; }

    /// <summary>Conditional sequences: the first ones.</summary>
    public int ConditionalCount { get; private set; }

    /// <summary>Audio ids [rows, channels].</summary>
    public int* Ids { get; }

    /// <summary>The constants of unconditional cross-attention [layers, hidden]; null where no sequence is unconditional.</summary>
    public float* UnconditionalCross { get; set; }

    /// <summary>What to record, or null.</summary>
    public ForwardTrace? Trace { get; }

    /// <summary>The decoder output [rows, hidden].</summary>
    public float* Output => this[_network.DecoderOutput];

    /// <summary>An activation by its planned offset.</summary>
    public float* this[long offset] => _arena + (offset * _capacity);

    /// <summary>Forgets the rows of the last run.</summary>
    public void Clear()
    {
        Rows = ConditionalRows = SequenceCount = ConditionalCount = 0;
    }

    /// <summary>Adds rows of a sequence. Conditional sequences must come before unconditional ones.</summary>
    /// <param name="sequence">Its caches; they must have room for the rows.</param>
    /// <param name="ids">Audio ids [rows, channels].</param>
    /// <param name="positions">Each row's position; empty: they follow what is cached.</param>
    public void Add(DecoderSequence sequence, ReadOnlySpan<int> ids, ReadOnlySpan<int> positions = default)
    {
        int rows = ids.Length / _channels, cached = sequence.Self.Length;
        if (Rows + rows > _capacity || cached + rows > sequence.Self.Capacity || (sequence.Cross is not null && ConditionalCount < SequenceCount))
            throw new InvalidOperationException("The decoder pass has no room for these rows.");
        ids.CopyTo(new Span<int>(Ids + ((long)Rows * _channels), ids.Length));
        for (int r = 0; r < rows; r++)
            _positions[Rows + r] = positions.IsEmpty ? cached + r : positions[r];
        _sequences[SequenceCount] = sequence;
        _self[SequenceCount] = new AttentionItem { FirstRow = Rows, Rows = rows, KeyCount = cached + rows, CausalStart = cached, Mask = sequence.AudioMask };
        if (sequence.Cross is { } cross)
        {
            _cross[SequenceCount] = new AttentionItem { FirstRow = Rows, Rows = rows, KeyCount = cross.Length, CausalStart = -1, Mask = sequence.TextMask };
            ConditionalCount++;
            ConditionalRows += rows;
        }

        SequenceCount++;
        Rows += rows;
    }

    /// <summary>Counts the rows of this run as cached.</summary>
    public void Advance()
    {
        for (int i = 0; i < SequenceCount; i++)
            _sequences[i].Self.Length += _self[i].Rows;
    }

    /// <summary>Fills cos and sin [rows, half] for the rows' positions, by each sequence's own frequencies.</summary>
    public void RopeTable<TBackend>(in TBackend b, float* cos, float* sin, int half)
        where TBackend : struct, IBackend
    {
        for (int i = 0; i < SequenceCount; i++)
        {
            long first = _self[i].FirstRow;
            RotaryEmbedding rope = _sequences[i].Rope;
            fixed (float* frequencies = rope.InverseFrequencies)
                b.RopeTable(cos + (first * half), sin + (first * half), _positions + first, frequencies, _self[i].Rows, half, rope.Scaling);
        }
    }

    /// <summary>Copies a layer's keys and values [rows, width] behind what the sequences have cached.</summary>
    public void StoreKeyValues(float* keys, float* values, int layer, int width)
    {
        for (int i = 0; i < SequenceCount; i++)
        {
            KeyValueCache cache = _sequences[i].Self;
            long from = (long)_self[i].FirstRow * width, to = (long)cache.Length * width, bytes = (long)_self[i].Rows * width * sizeof(float);
            System.Buffer.MemoryCopy(keys + from, cache.Keys(layer) + to, bytes, bytes);
            System.Buffer.MemoryCopy(values + from, cache.Values(layer) + to, bytes, bytes);
        }
    }

    /// <summary>The sequences' self-attention in a layer, over what is cached and this pass's rows.</summary>
    public AttentionItem* SelfAttention(int layer, int heads)
    {
        for (int i = 0; i < SequenceCount; i++)
        {
            _self[i].Keys = _sequences[i].Self.Keys(layer);
            _self[i].Values = _sequences[i].Self.Values(layer);
        }

        if (Trace is not null)
            SetMaps(_self, SequenceCount, Trace.DecoderAttention(layer, SequenceCount, heads, _self[0].Rows, _self[0].KeyCount), heads);
        return _self;
    }

    /// <summary>The conditional sequences' cross-attention in a layer.</summary>
    public AttentionItem* CrossAttention(int layer, int heads)
    {
        for (int i = 0; i < ConditionalCount; i++)
        {
            _cross[i].Keys = _sequences[i].Cross!.Keys(layer);
            _cross[i].Values = _sequences[i].Cross!.Values(layer);
        }

        if (Trace is not null)
            SetMaps(_cross, ConditionalCount, Trace.CrossAttention(layer, ConditionalCount, heads, _cross[0].Rows, _cross[0].KeyCount), heads);
        return _cross;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _network.Free(_arena);
        NativeMemory.Free(Ids);
        NativeMemory.Free(_positions);
        NativeMemory.Free(_self);
        NativeMemory.Free(_cross);
    }

    // A traced pass has sequences of equal lengths (a forward pass), so their maps lie one after the other.
    private static void SetMaps(AttentionItem* items, int count, float* map, int heads)
    {
        for (int i = 0; i < count; i++)
            items[i].Map = map is null ? null : map + ((long)i * heads * items[i].Rows * items[i].KeyCount);
    }
}
