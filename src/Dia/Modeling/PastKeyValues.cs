using System.Numerics;
using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Modeling;

/// <summary>
/// The keys and values of rows that were given before, and of their text, as the reference's <c>EncoderDecoderCache</c>: a forward pass returns it, the next
/// one takes it and appends its rows. It holds memory of the model's device until it is disposed, and grows as it is filled. It also remembers how far
/// its rotary frequencies have moved (dynamic and longrope).
/// </summary>
public sealed unsafe class PastKeyValues : IDisposable
{
    private readonly DiaPreTrainedModel _model;
    private readonly WeightFormat _format;
    private readonly KeyValueCache[] _cross;
    private KeyValueCache[] _self;
    private bool _disposed; // changed in a turn only

    /// <summary>An empty one, in a turn; who makes it fills its cross-attention part.</summary>
    /// <param name="model">Whose it is.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="textLength">Rows of the encoder output.</param>
    /// <param name="capacity">Rows for which there is room at first.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal PastKeyValues(DiaPreTrainedModel model, int batch, int textLength, int capacity)
    {
        DiaDecoderConfig d = model.Config.DecoderConfig;
        (_model, TextLength, Rope, _format) = (model, textLength, model.Compiled.DecoderRope(), model.CacheFormat);
        _cross = Caches(batch, textLength, d.CrossNumKeyValueHeads * d.CrossHeadDim);
        try
        {
            _self = Caches(batch, capacity, d.NumKeyValueHeads * d.HeadDim);
        }
        catch
        {
            Free(_cross);
            throw;
        }

        foreach (KeyValueCache cache in _cross)
            cache.Length = textLength;
    }

    /// <summary>A cache of what <see cref="SelfAttention"/>, <see cref="CrossAttention"/> and <see cref="RopeLength"/> of another gave.</summary>
    /// <param name="model">The model that it is to be used with.</param>
    /// <param name="selfAttention">Keys and values of the rows so far, layer by layer.</param>
    /// <param name="crossAttention">Keys and values of the text, layer by layer.</param>
    /// <param name="ropeLength">The rotary state; null: that after one pass over all rows at positions 0, 1, 2, ...</param>
    /// <exception cref="DiaException">Input: layers or shapes are not the model's. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public static PastKeyValues Create(DiaPreTrainedModel model, IReadOnlyList<CacheLayer> selfAttention, IReadOnlyList<CacheLayer> crossAttention,
        int? ropeLength = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(selfAttention);
        ArgumentNullException.ThrowIfNull(crossAttention);
        DiaDecoderConfig d = model.Config.DecoderConfig;
        int batch = Check("self", selfAttention, d.NumHiddenLayers, d.NumKeyValueHeads, d.HeadDim, 0);
        if (Check("cross", crossAttention, d.NumHiddenLayers, d.CrossNumKeyValueHeads, d.CrossHeadDim, 1) != batch)
            throw CacheLayer.Error($"self.0.keys is of {batch} sequences where cross.0.keys is of {crossAttention[0].Batch}.");
        if (ropeLength is < 0 or > ForwardInputs.MaxPosition)
            throw CacheLayer.Error($"rope_length is {ropeLength}; it must be from 0 to {ForwardInputs.MaxPosition}.");
        using Lock.Scope turn = model.Tenant.Enter();
        int rows = selfAttention[0].Rows;
        var past = new PastKeyValues(model, batch, crossAttention[0].Rows, Room(rows));
        try
        {
            for (int i = 0; i < batch; i++)
                past._self[i].Length = rows;
            for (int layer = 0; layer < d.NumHiddenLayers; layer++)
            {
                selfAttention[layer].Write(past._self, layer);
                crossAttention[layer].Write(past._cross, layer);
            }

            past.Rope.MoveTo(ropeLength ?? rows);
            return past;
        }
        catch
        {
            past.Dispose();
            throw;
        }
    }

    /// <summary>Sequences (B).</summary>
    public int Batch => _cross.Length;

    /// <summary>Rows that it holds of each sequence, as the reference's <c>get_seq_length</c>.</summary>
    public int Length => _self[0].Length;

    /// <summary>Rows of the text (S).</summary>
    public int TextLength { get; }

    /// <summary>The longest position plus one that set the rotary frequencies; only dynamic and longrope change it.</summary>
    public int RopeLength => Rope.Length;

    internal RotaryEmbedding Rope { get; }

    /// <summary>A copy of the self-attention's keys and values, layer by layer.</summary>
    /// <exception cref="ObjectDisposedException">It, the model or its device is disposed.</exception>
    public IReadOnlyList<CacheLayer> SelfAttention() => Read(() => _self, _model.Config.DecoderConfig.NumKeyValueHeads);

    /// <summary>A copy of the cross-attention's keys and values, layer by layer.</summary>
    /// <exception cref="ObjectDisposedException">It, the model or its device is disposed.</exception>
    public IReadOnlyList<CacheLayer> CrossAttention() => Read(() => _cross, _model.Config.DecoderConfig.CrossNumKeyValueHeads);

    /// <summary>Frees its memory.</summary>
    public void Dispose()
    {
        using Lock.Scope turn = _model.Tenant.EnterToFree();
        if (_disposed)
            return;
        _disposed = true;
        Free(_self);
        Free(_cross);
    }

    /// <summary>Refuses to be used by another model, or once disposed; in a turn.</summary>
    internal void CheckUsable(DiaPreTrainedModel model)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_model != model)
            throw new ArgumentException("This cache is another model's: its keys mean nothing to this one.", "pastKeyValues");
    }

    /// <summary>The text's cache of a sequence, to be filled.</summary>
    internal KeyValueCache Cross(int sequence) => _cross[sequence];

    /// <summary>A sequence for a pass.</summary>
    /// <param name="index">Which.</param>
    /// <param name="textMask">Its text's mask [S], in device memory.</param>
    /// <param name="audioMask">Its rows' mask, those of the pass included, in device memory; null: none is masked.</param>
    internal DecoderStream Stream(int index, byte* textMask, byte* audioMask) =>
        new() { Self = _self[index], Cross = _cross[index], Rope = Rope, TextMask = textMask, AudioMask = audioMask };

    /// <summary>Makes room for more rows; where that fails, it is as it was.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal void Reserve(int rows)
    {
        if (Length + rows <= _self[0].Capacity)
            return;
        KeyValueCache[] grown = Caches(Batch, Room(Length + rows), _self[0].Width);
        try
        {
            for (int i = 0; i < Batch; i++)
                _self[i].CopyTo(grown[i]);
        }
        catch
        {
            Free(grown);
            throw;
        }

        Free(_self);
        _self = grown;
    }

    /// <summary>Room for rows of a cache that will get more: it doubles.</summary>
    internal static int Room(int rows) => (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(rows, 16));

    private CacheLayer[] Read(Func<KeyValueCache[]> caches, int heads)
    {
        using Lock.Scope turn = _model.Tenant.Enter();
        ObjectDisposedException.ThrowIf(_disposed, this);
        return [.. Enumerable.Range(0, _model.Config.DecoderConfig.NumHiddenLayers).Select(layer =>
            CacheLayer.Read(caches(), layer, heads))];
    }

    private static int Check(string part, IReadOnlyList<CacheLayer> layers, int count, int heads, int headDim, int leastRows)
    {
        if (layers.Count != count)
            throw CacheLayer.Error($"there are {layers.Count} layers of {part}-attention; the model has {count}.");
        for (int i = 0; i < count; i++)
        {
            CacheLayer layer = layers[i];
            if (layer.Heads != heads || layer.HeadDim != headDim || layer.Rows < leastRows || layer.Rows > ForwardInputs.MaxPosition || layer.Batch < 1)
                throw CacheLayer.Error($"{part}.{i}.keys is {layer.Shape}; it must be [batch, {heads}, rows, {headDim}].");
            if (layer.Batch != layers[0].Batch || layer.Rows != layers[0].Rows)
                throw CacheLayer.Error($"{part}.{i}.keys is {layer.Shape} where {part}.0.keys is {layers[0].Shape}.");
        }

        return layers[0].Batch;
    }

    private KeyValueCache[] Caches(int batch, int capacity, int width)
    {
        var caches = new KeyValueCache[batch];
        try
        {
            for (int i = 0; i < batch; i++)
                caches[i] = new KeyValueCache(_model.Network.Memory, _model.Config.DecoderConfig.NumHiddenLayers, capacity, width, _format);
            return caches;
        }
        catch
        {
            Free(caches);
            throw;
        }
    }

    private static void Free(KeyValueCache?[] caches)
    {
        foreach (KeyValueCache? cache in caches)
            cache?.Dispose();
    }
}
