using Dia.Backends;

namespace Dia.Networks;

/// <summary>
/// Hidden states and attention maps of a forward pass, as the reference lists them: the embedding, the outputs of layers 0 to N − 2,
/// and the output of the final norm; one attention map [batch, heads, rows, keys] a layer.
/// </summary>
/// <param name="memory">Where the model computes.</param>
/// <param name="hiddenStates">Whether to record hidden states.</param>
/// <param name="attentions">Whether to record attention maps.</param>
public sealed unsafe class ForwardTrace(DeviceMemory memory, bool hiddenStates, bool attentions) : IDisposable
{
    private readonly List<float[]> _encoderHiddenStates = [];
    private readonly List<float[]> _decoderHiddenStates = [];
    private readonly List<AttentionMap> _encoderAttentions = [];
    private readonly List<AttentionMap> _decoderAttentions = [];
    private readonly List<AttentionMap> _crossAttentions = [];
    private readonly List<(nint Device, float[] Values)> _onDevice = [];

    /// <summary>Encoder hidden states, each [batch·length, width].</summary>
    public IReadOnlyList<float[]> EncoderHiddenStates => _encoderHiddenStates;

    /// <summary>Decoder hidden states, each [batch·rows, width].</summary>
    public IReadOnlyList<float[]> DecoderHiddenStates => _decoderHiddenStates;

    /// <summary>Encoder self-attention maps.</summary>
    public IReadOnlyList<AttentionMap> EncoderAttentions => _encoderAttentions;

    /// <summary>Decoder self-attention maps.</summary>
    public IReadOnlyList<AttentionMap> DecoderAttentions => _decoderAttentions;

    /// <summary>Decoder cross-attention maps.</summary>
    public IReadOnlyList<AttentionMap> CrossAttentions => _crossAttentions;

    /// <summary>Called by emitted code.</summary>
    public void EncoderHiddenState(int index, float* x, int rows, int width) => Record(_encoderHiddenStates, index, x, rows, width);

    /// <summary>Called by emitted code.</summary>
    public void DecoderHiddenState(int index, float* x, int rows, int width) => Record(_decoderHiddenStates, index, x, rows, width);

    internal float* EncoderAttention(int layer, int batch, int heads, int rows, int keys) => Map(_encoderAttentions, layer, batch, heads, rows, keys);

    internal float* DecoderAttention(int layer, int batch, int heads, int rows, int keys) => Map(_decoderAttentions, layer, batch, heads, rows, keys);

    internal float* CrossAttention(int layer, int batch, int heads, int rows, int keys) => Map(_crossAttentions, layer, batch, heads, rows, keys);

    /// <summary>Brings the attention maps to the host; they are read after this.</summary>
    public void Complete()
    {
        foreach ((nint device, float[] values) in _onDevice)
            memory.Download(values, (float*)device);
        Dispose();
    }

    /// <summary>Frees what a pass that broke off left on the device.</summary>
    public void Dispose()
    {
        foreach ((nint device, _) in _onDevice)
            memory.Free((void*)device);
        _onDevice.Clear();
    }

    private void Record(List<float[]> list, int index, float* x, int rows, int width)
    {
        if (!hiddenStates)
            return;
        System.Diagnostics.Debug.Assert(list.Count == index, "hidden states come in order");
        float[] values = new float[checked(rows * width)];
        memory.Download(values, x);
        list.Add(values);
    }

    private float* Map(List<AttentionMap> list, int layer, int batch, int heads, int rows, int keys)
    {
        if (!attentions)
            return null;
        System.Diagnostics.Debug.Assert(list.Count == layer, "attention maps come in order");
        // Pinned: the processor's kernel writes into it.
        float[] map = GC.AllocateUninitializedArray<float>(checked(batch * heads * rows * keys), pinned: true);
        list.Add(new AttentionMap(map, batch, heads, rows, keys));
        if (!memory.IsHost)
        {
            float* device = memory.Allocate(map.Length);
            _onDevice.Add(((nint)device, map));
            return device;
        }

        fixed (float* p = map)
            return p;
    }
}

/// <summary>Attention probabilities of a layer.</summary>
/// <param name="Values">[batch, heads, rows, keys].</param>
/// <param name="Batch">Sequences.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="Rows">Query rows.</param>
/// <param name="Keys">Keys.</param>
public sealed record AttentionMap(float[] Values, int Batch, int Heads, int Rows, int Keys);
