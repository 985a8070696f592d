using Dia.Backends;

namespace Dia.Networks;

/// <summary>One run of the encoder over a batch of equally long texts: its inputs, its arena, and what is traced.</summary>
public sealed unsafe class EncoderPass : IDisposable
{
    private const int IdPart = 0, PositionPart = 1, FrequencyPart = 2, ItemPart = 3, MaskPart = 4;

    private readonly long _output;
    private readonly DeviceMemory _memory;
    private readonly float _ropeScaling;
    private readonly int _capacity;
    private readonly float* _arena;
    private readonly DeviceBlock _inputs;

    /// <summary>A pass over texts [batch, length].</summary>
    /// <param name="network">The network it is for.</param>
    /// <param name="rope">The encoder's rotary embedding, up to date for the texts' length.</param>
    /// <param name="ids">Text ids, [batch, length] row-major.</param>
    /// <param name="mask">1 where a byte is text, 0 where it is padding; same shape. Empty: all text.</param>
    /// <param name="batch">Number of texts.</param>
    /// <param name="trace">What to record, or null.</param>
    /// <param name="arenas">The plan; null: the network's own.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal EncoderPass(DiaNetwork network, RotaryEmbedding rope, ReadOnlySpan<int> ids, ReadOnlySpan<int> mask, int batch, ForwardTrace? trace = null,
        ArenaSizes? arenas = null)
    {
        ArenaSizes sizes = arenas ?? network.Arenas;
        (_memory, _output) = (network.Memory, sizes.EncoderOutput);
        _ropeScaling = rope.Scaling;
        Trace = trace;
        Rows = ids.Length;
        SequenceCount = batch;
        int length = Rows / batch, half = rope.InverseFrequencies.Length;
        _capacity = ArenaSizes.Rows(Rows);
        _inputs = new DeviceBlock(network.Memory, InputSizes(Rows, batch, half));
        try
        {
            _arena = network.Memory.Allocate(sizes.EncoderWidth * _capacity);
            Fill(ids, mask, length, rope.InverseFrequencies);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private void Fill(ReadOnlySpan<int> ids, ReadOnlySpan<int> mask, int length, ReadOnlySpan<float> frequencies)
    {
        ids.CopyTo(new Span<int>(_inputs.Host<int>(IdPart), Rows));
        for (int i = 0; i < Rows; i++)
        {
            _inputs.Host<int>(PositionPart)[i] = i % length;
            _inputs.Host<byte>(MaskPart)[i] = mask.IsEmpty || mask[i] != 0 ? (byte)1 : (byte)0;
        }

        for (int i = 0; i < SequenceCount; i++)
        {
            frequencies.CopyTo(new Span<float>(_inputs.Host<float>(FrequencyPart) + (long)i * frequencies.Length, frequencies.Length));
            _inputs.Host<AttentionItem>(ItemPart)[i] =
                new AttentionItem { FirstRow = i * length, Rows = length, KeyCount = length, CausalStart = -1, Mask = Mask(i) };
        }

        _inputs.Send();
    }

    /// <summary>Bytes of the inputs, one after the other: ids, positions, frequencies, items, masks.</summary>
    internal static long[] InputSizes(int rows, int batch, int half) =>
        [rows * (long)sizeof(int), rows * (long)sizeof(int), (long)batch * half * sizeof(float), (long)batch * sizeof(AttentionItem), rows];

    /// <summary>Which work its products are.</summary>
    public Phase Phase { get; init; } = Phase.Prefill;

    /// <summary>Text rows, all texts together.</summary>
    public int Rows { get; }

    /// <summary>Number of texts.</summary>
    public int SequenceCount { get; }

    /// <summary>Text ids [rows].</summary>
    public int* Ids => _inputs.Device<int>(IdPart);

    /// <summary>What to record, or null.</summary>
    public ForwardTrace? Trace { get; }

    /// <summary>Mask of one text [length].</summary>
    public byte* Mask(int sequence) => _inputs.Device<byte>(MaskPart) + (long)sequence * Length;

    /// <summary>The encoder output [rows, width] of one text.</summary>
    public float* Output(int sequence, int width) => this[_output] + (long)sequence * Length * width;

    /// <summary>An activation by its planned offset.</summary>
    public float* this[long offset] => _arena + offset * _capacity;

    /// <summary>Rows of a text.</summary>
    public int Length => Rows / SequenceCount;

    private AttentionBatch Batch => new(_inputs.Device<AttentionItem>(ItemPart), SequenceCount, Length, Length);

    /// <summary>Fills cos and sin [rows, half] for the rows' positions.</summary>
    public void RopeTable<TBackend>(in TBackend b, float* cos, float* sin, int half)
        where TBackend : struct, IBackend =>
        b.RopeTable(cos, sin, _inputs.Device<int>(PositionPart), _inputs.Device<float>(FrequencyPart), Batch, half, _ropeScaling);

    /// <summary>The texts' self-attention over keys and values [rows, width] of this pass.</summary>
    public AttentionBatch SelfAttention(float* keys, float* values, int width)
    {
        AttentionItem* items = _inputs.Host<AttentionItem>(ItemPart);
        if (items[0].Keys == keys && items[0].Values == values)
            return Batch;
        for (int i = 0; i < SequenceCount; i++)
        {
            items[i].Keys = keys + (long)items[i].FirstRow * width;
            items[i].Values = values + (long)items[i].FirstRow * width;
        }

        _inputs.Send();
        return Batch;
    }

    /// <summary>Where a layer's attention probabilities go, or null.</summary>
    public float* SelfMaps(int layer, int heads) => Trace is null ? null : Trace.EncoderAttention(layer, SequenceCount, heads, Length, Length);

    /// <inheritdoc/>
    public void Dispose()
    {
        _memory.Free(_arena);
        _inputs.Dispose();
    }
}
