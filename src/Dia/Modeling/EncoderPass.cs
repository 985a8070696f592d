using System.Runtime.InteropServices;
using Dia.Backends;

namespace Dia.Modeling;

/// <summary>One run of the encoder over a batch of equally long texts: its inputs, its arena, and what is traced.</summary>
public sealed unsafe class EncoderPass : IDisposable
{
    private readonly DiaNetwork _network;
    private readonly RotaryEmbedding _rope;
    private readonly float* _arena;
    private readonly int _capacity;
    private readonly int* _positions;
    private readonly byte* _mask;
    private readonly AttentionItem* _items;

    /// <summary>A pass over texts [batch, length].</summary>
    /// <param name="network">The network it is for.</param>
    /// <param name="rope">The encoder's rotary embedding, up to date for the texts' length.</param>
    /// <param name="ids">Text ids, [batch, length] row-major.</param>
    /// <param name="mask">1 where a byte is text, 0 where it is padding; same shape. Empty: all text.</param>
    /// <param name="batch">Number of texts.</param>
    /// <param name="trace">What to record, or null.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public EncoderPass(DiaNetwork network, RotaryEmbedding rope, ReadOnlySpan<int> ids, ReadOnlySpan<int> mask, int batch, ForwardTrace? trace = null)
    {
        _network = network;
        _rope = rope;
        Trace = trace;
        Rows = ids.Length;
        SequenceCount = batch;
        int length = Rows / batch;
        _capacity = ArenaRows.RoundUp(Rows);
        _arena = network.Allocate(network.EncoderArenaWidth * _capacity);
        Ids = (int*)NativeMemory.Alloc((nuint)Rows, sizeof(int));
        ids.CopyTo(new Span<int>(Ids, Rows));
        _positions = (int*)NativeMemory.Alloc((nuint)Rows, sizeof(int));
        _mask = (byte*)NativeMemory.Alloc((nuint)Rows);
        for (int i = 0; i < Rows; i++)
        {
            _positions[i] = i % length;
            _mask[i] = mask.IsEmpty || mask[i] != 0 ? (byte)1 : (byte)0;
        }

        _items = (AttentionItem*)NativeMemory.AllocZeroed((nuint)batch, (nuint)sizeof(AttentionItem));
        for (int i = 0; i < batch; i++)
            _items[i] = new AttentionItem { FirstRow = i * length, Rows = length, KeyCount = length, CausalStart = -1, Mask = _mask + (i * length) };
    }

    /// <summary>Text rows, all texts together.</summary>
    public int Rows { get; }

    /// <summary>Number of texts.</summary>
    public int SequenceCount { get; }

    /// <summary>Text ids [rows].</summary>
    public int* Ids { get; }

    /// <summary>What to record, or null.</summary>
    public ForwardTrace? Trace { get; }

    /// <summary>Mask of one text [length].</summary>
    public byte* Mask(int sequence) => _items[sequence].Mask;

    /// <summary>The encoder output [rows, width] of one text.</summary>
    public float* Output(int sequence, int width) => this[_network.EncoderOutput] + ((long)_items[sequence].FirstRow * width);

    /// <summary>An activation by its planned offset.</summary>
    public float* this[long offset] => _arena + (offset * _capacity);

    /// <summary>Fills cos and sin [rows, half] for the rows' positions.</summary>
    public void RopeTable<TBackend>(in TBackend b, float* cos, float* sin, int half)
        where TBackend : struct, IBackend
    {
        fixed (float* frequencies = _rope.InverseFrequencies)
            b.RopeTable(cos, sin, _positions, frequencies, Rows, half, _rope.Scaling);
    }

    /// <summary>The texts' self-attention over keys and values [rows, width] of this pass.</summary>
    public AttentionItem* SelfAttention(int layer, float* keys, float* values, int heads, int width)
    {
        int length = Rows / SequenceCount;
        float* map = Trace is null ? null : Trace.EncoderAttention(layer, SequenceCount, heads, length, length);
        for (int i = 0; i < SequenceCount; i++)
        {
            _items[i].Keys = keys + ((long)_items[i].FirstRow * width);
            _items[i].Values = values + ((long)_items[i].FirstRow * width);
            _items[i].Map = map is null ? null : map + ((long)i * heads * length * length);
        }

        return _items;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _network.Free(_arena);
        NativeMemory.Free(Ids);
        NativeMemory.Free(_positions);
        NativeMemory.Free(_mask);
        NativeMemory.Free(_items);
    }
}
