using Dia.Backends;

namespace Dia.Networks;

/// <summary>
/// Keys and values of one sequence in every layer, [layers][keys, values][capacity, width]: one block of memory. Pages that are never
/// written are never touched.
/// </summary>
public sealed unsafe class KeyValueCache : IDisposable
{
    private readonly DeviceMemory _owner;
    private float* _memory;
    private int _length;

    /// <summary>An empty cache.</summary>
    /// <param name="memory">Where it lies.</param>
    /// <param name="layers">Number of layers.</param>
    /// <param name="capacity">Most rows it can hold.</param>
    /// <param name="width">Key-value heads times head_dim.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal KeyValueCache(DeviceMemory memory, int layers, int capacity, int width)
    {
        _owner = memory;
        Capacity = capacity;
        Width = width;
        _memory = memory.Allocate(Size(layers, capacity, width));
    }

    /// <summary>Most rows it can hold.</summary>
    public int Capacity { get; }

    /// <summary>Values a key or value row has.</summary>
    public int Width { get; }

    /// <summary>Rows stored so far.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or more than there is room for.</exception>
    public int Length
    {
        get => _length;
        set
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)value, (uint)Capacity, nameof(Length));
            _length = value;
        }
    }

    /// <summary>Float32 values from a layer's keys to the next layer's.</summary>
    public long LayerStride => Size(1, Capacity, Width);

    /// <summary>Keys [capacity, width] of a layer.</summary>
    public float* Keys(int layer) => _memory + layer * LayerStride;

    /// <summary>Values [capacity, width] of a layer.</summary>
    public float* Values(int layer) => Keys(layer) + LayerStride / 2;

    /// <summary>Float32 values that a cache takes.</summary>
    public static long Size(int layers, int capacity, int width) => checked(2L * layers * capacity * width);

    /// <summary>Copies its rows to another cache with room for them, by way of the host.</summary>
    internal void CopyTo(KeyValueCache other, int layers)
    {
        other.Length = Length;
        for (int layer = 0; layer < layers; layer++)
        {
            _owner.Upload(other.Keys(layer), _owner.Read(Keys(layer), checked(Length * Width)));
            _owner.Upload(other.Values(layer), _owner.Read(Values(layer), checked(Length * Width)));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _owner.Free(_memory);
        _memory = null;
    }
}
