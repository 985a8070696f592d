namespace Dia.Modeling;

/// <summary>
/// Keys and values of one sequence in every layer, [layers][keys, values][capacity, width]: one block of memory. Pages that are never
/// written are never touched.
/// </summary>
public sealed unsafe class KeyValueCache : IDisposable
{
    private readonly DiaNetwork _network;
    private float* _memory;

    /// <summary>An empty cache.</summary>
    /// <param name="network">Whose memory it takes.</param>
    /// <param name="layers">Number of layers.</param>
    /// <param name="capacity">Most rows it can hold.</param>
    /// <param name="width">Key-value heads times head_dim.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public KeyValueCache(DiaNetwork network, int layers, int capacity, int width)
    {
        _network = network;
        Capacity = capacity;
        Width = width;
        _memory = network.Allocate(2L * layers * capacity * width);
    }

    /// <summary>Most rows it can hold.</summary>
    public int Capacity { get; }

    /// <summary>Values a key or value row has.</summary>
    public int Width { get; }

    /// <summary>Rows stored so far.</summary>
    public int Length { get; set; }

    /// <summary>Keys [capacity, width] of a layer.</summary>
    public float* Keys(int layer) => _memory + (2L * layer * Capacity * Width);

    /// <summary>Values [capacity, width] of a layer.</summary>
    public float* Values(int layer) => _memory + (((2L * layer) + 1) * Capacity * Width);

    /// <inheritdoc/>
    public void Dispose()
    {
        _network.Free(_memory);
        _memory = null;
    }
}
