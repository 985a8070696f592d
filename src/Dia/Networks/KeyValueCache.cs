using Dia.Backends;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>
/// Keys and values of one sequence in every layer, [layers][keys, values][capacity, width]: one block of memory. Pages that are never
/// written are never touched.
/// </summary>
public sealed unsafe class KeyValueCache : IDisposable
{
    private readonly DeviceMemory _owner;
    private void* _memory;
    private float* _written; // of 16 bits: keys and values of the layer that is computed
    private int _length;

    /// <summary>An empty cache.</summary>
    /// <param name="memory">Where it lies.</param>
    /// <param name="layers">Number of layers.</param>
    /// <param name="capacity">Most rows it can hold.</param>
    /// <param name="width">Key-value heads times head_dim.</param>
    /// <param name="format">What they are kept as: float32, or in the host's memory what <see cref="Device.CacheFormat"/> says.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal KeyValueCache(DeviceMemory memory, int layers, int capacity, int width, WeightFormat format = WeightFormat.Float32)
    {
        (_owner, Layers, Capacity, Width, Format) = (memory, layers, capacity, width, format);
        _memory = memory.Allocate(Floats(Bytes(format, layers, capacity, width)));
    }

    /// <summary>Number of layers.</summary>
    public int Layers { get; }

    /// <summary>Most rows it can hold.</summary>
    public int Capacity { get; }

    /// <summary>Values a key or value row has.</summary>
    public int Width { get; }

    /// <summary>What they are kept as.</summary>
    public WeightFormat Format { get; }

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

    /// <summary>How many values a layer's keys are from the next layer's.</summary>
    public long LayerStride => Size(1, Capacity, Width);

    /// <summary>Where a pass writes the keys [rows, width] of a layer: in the cache, or beside it until <see cref="Store"/>.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public float* Keys(int layer) => Format == WeightFormat.Float32 ? (float*)At(2 * layer) : Written();

    /// <summary>Where a pass writes the values [rows, width] of a layer.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public float* Values(int layer) => Format == WeightFormat.Float32 ? (float*)At(2 * layer + 1) : Written() + (long)Capacity * Width;

    /// <summary>Takes up the keys and values of a layer that were written beside it, all its rows.</summary>
    /// <exception cref="DiaException">Model: one is not finite, or too large for the format.</exception>
    public void Store(int layer)
    {
        if (_written == null)
            return;
        StoreRows(2 * layer, Keys(layer));
        StoreRows(2 * layer + 1, Values(layer));
        if (layer == Layers - 1)
            Free(ref _written);
    }

    /// <summary>Values that a cache takes.</summary>
    public static long Size(int layers, int capacity, int width) => checked(2L * layers * capacity * width);

    /// <summary>Bytes that they are.</summary>
    internal static long Bytes(WeightFormat format, int layers, int capacity, int width) => WeightFormats.Bytes(format, Size(layers, capacity, width));

    /// <summary>The keys of layer part / 2, or where it is odd its values, as they are kept.</summary>
    internal void* At(int part) => (byte*)_memory + WeightFormats.Bytes(Format, (long)part * Capacity * Width);

    /// <summary>A copy of a part's rows [length, width].</summary>
    internal float[] Read(int part)
    {
        float[] rows = new float[checked(Length * Width)];
        if (Format == WeightFormat.Float32)
            _owner.Download(rows, (float*)At(part));
        fixed (float* to = rows)
        {
            for (long r = 0; Format != WeightFormat.Float32 && r < Length; r++)
                CacheRows.Load(to + r * Width, Row(part, r), Format, Width);
        }

        return rows;
    }

    /// <summary>Fills a part with rows [length, width].</summary>
    /// <exception cref="DiaException">Model: a value is too large for the format.</exception>
    internal void Write(int part, ReadOnlySpan<float> rows)
    {
        if (Format == WeightFormat.Float32)
        {
            _owner.Upload((float*)At(part), rows);
            return;
        }

        fixed (float* from = rows)
            StoreRows(part, from);
    }

    /// <summary>Copies its rows to another cache with room for them, by way of the host.</summary>
    internal void CopyTo(KeyValueCache other)
    {
        other.Length = Length;
        for (int part = 0; part < 2 * Layers; part++)
            other.Write(part, Read(part));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free(ref _written);
        _owner.Free(_memory);
        _memory = null;
    }

    private static long Floats(long bytes) => (bytes + sizeof(float) - 1) / sizeof(float);

    private float* Written()
    {
        if (_written == null)
            _written = _owner.Allocate(LayerStride);
        return _written;
    }

    private void StoreRows(int part, float* from)
    {
        for (long r = 0; r < Length; r++)
            CacheRows.Store(Row(part, r), Format, from + r * Width, Width);
    }

    private void* Row(int part, long row) => (byte*)At(part) + WeightFormats.Bytes(Format, row * Width);

    private void Free(ref float* memory)
    {
        _owner.Free(memory);
        memory = null;
    }
}
