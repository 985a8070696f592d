using Dia.Backends;
using Dia.Weights;

namespace Dia.Checks;

// Attention and the rotary embedding.
public sealed unsafe partial class KernelChecks<TBackend>
{
    internal const int Layers = 2;

    /// <summary>The formats that a device which computes in the host's memory keeps keys and values in; a GPU has float32.</summary>
    private WeightFormat[] CacheFormats => _backend.Memory.IsHost ? [WeightFormat.Float32, WeightFormat.Float16] : [WeightFormat.Float32];

    /// <summary>The rotary table, queries, and keys that are appended to caches.</summary>
    public void Rotary(int heads, int keyHeads, int headDim)
    {
        foreach (WeightFormat format in CacheFormats)
            Rotary(heads, keyHeads, headDim, format);
    }

    private void Rotary(int heads, int keyHeads, int headDim, WeightFormat format)
    {
        using CheckMemory<TBackend> memory = Memory(20);
        int half = headDim / 2, width = keyHeads * headDim, capacity = 12;
        (int Rows, int Keys, int Start)[] layout = [(3, 3, 0), (1, 6, 5), (4, 10, 6)];
        Mirrored<byte>[] caches = [.. layout.Select(_ => Cache(memory, memory.Floats(2 * Layers * capacity * width).Values, width, format))];
        (Mirrored<AttentionItem> items, int rows) = Items(memory, layout, caches, capacity, width, null, format);
        AttentionBatch host = new(items.OnHost, layout.Length, 4, capacity, format), device = new(items.OnDevice, layout.Length, 4, capacity, format);
        Mirrored<float> cos = memory.Floats(rows * half), sin = memory.Floats(rows * half), frequencies = memory.Floats(layout.Length * half, 0.5f, 0.5f);
        int[] positions = [.. Enumerable.Range(0, rows).Select(r => r * r * 431)];
        Mirrored<int> at = memory.Place<int>(positions);
        _scalar.RopeTable(cos.OnHost, sin.OnHost, at.OnHost, frequencies.OnHost, host, half, 1.25f);
        _backend.RopeTable(cos.OnDevice, sin.OnDevice, at.OnDevice, frequencies.OnDevice, device, half, 1.25f);
        string shapes = Text($"[{rows}, {heads}, {headDim}]");

        // The float32 angle's sine and cosine rounded, then scaled: one rounding each, and double's own error can move the first.
        Compare("rope_table cos", shapes, memory.Download(cos), cos.Values, 2 * U);
        Compare("rope_table sin", shapes, memory.Download(sin), sin.Values, 2 * U);
        Mirrored<float> x = memory.Floats(rows * heads * headDim), keys = memory.Floats(rows * width), values = memory.Floats(rows * width);
        _scalar.Rope(x.OnHost, cos.OnHost, sin.OnHost, rows, heads, half);
        _backend.Rope(x.OnDevice, cos.OnDevice, sin.OnDevice, rows, heads, half);
        Compare("rope", shapes, memory.Download(x), x.Values, 6 * U);
        _scalar.RopeKeyValues(keys.OnHost, values.OnHost, cos.OnHost, sin.OnHost, host, 1, keyHeads, half);
        _backend.RopeKeyValues(keys.OnDevice, values.OnDevice, cos.OnDevice, sin.OnDevice, device, 1, keyHeads, half);
        Compare("rope_key_values", shapes, memory.Download(keys), keys.Values, 6 * U);
        // In 16 bits a value whose last bits differ may be rounded to the next: twice half a step of 2^-10.
        double tolerance = format == WeightFormat.Float32 ? 6 * U : Math.ScaleB(1, -10) + 6 * U;
        foreach (Mirrored<byte> cache in caches)
            Compare($"rope_key_values cache {format}", shapes, Wide(memory.Download(cache), width, format), Wide(cache.Values, width, format), tolerance);
    }

    /// <summary>Values as a cache holds them: what is a NaN is one there too, which only a kernel that reads what it must not would see.</summary>
    private static Mirrored<byte> Cache(CheckMemory<TBackend> memory, ReadOnlySpan<float> values, int width, WeightFormat format)
    {
        if (format == WeightFormat.Float32)
            return memory.Place(values).Bytes;
        ushort[] cache = new ushort[values.Length];
        float[] row = new float[width];
        fixed (ushort* to = cache)
        fixed (float* from = row)
        {
            for (int i = 0; i < values.Length; i += width)
            {
                values.Slice(i, width).CopyTo(row);
                if (Array.Exists(row, float.IsNaN))
                    cache.AsSpan(i, width).Fill(0x7e00);
                else
                    CacheRows.Store(to + i, format, from, width);
            }
        }

        return memory.Place<ushort>(cache).Bytes;
    }

    private static float[] Wide(ReadOnlySpan<byte> cache, int width, WeightFormat format)
    {
        float[] values = new float[cache.Length / WeightFormats.Bytes(format, 1)];
        fixed (byte* from = cache)
        fixed (float* to = values)
        {
            for (int i = 0; i < values.Length; i += width)
                CacheRows.Load(to + i, from + WeightFormats.Bytes(format, i), format, width);
        }

        return values;
    }

    /// <summary>Attention of single rows and of blocks: causal, masked, with a row that sees no key, and with maps.</summary>
    public void Attention(int heads, int keyHeads, int headDim)
    {
        Attention("rows", heads, keyHeads, headDim, [(1, 1, 0), (1, 64, 63), (1, 65, 64), (1, 150, -1), (1, 70, -1)], false);
        Attention("blocks", heads, keyHeads, headDim, [(5, 5, 0), (17, 40, 23), (2, 33, -1), (1, 70, -1)], false);
        Attention("blocks with maps", heads, keyHeads, headDim, [(6, 6, 0), (3, 35, -1), (2, 35, -1)], true);
        Attention("rows with maps", heads, keyHeads, headDim, [(1, 9, 8), (1, 35, -1)], true);

        // Scores whose powers of e are beyond float32: the maximum must be subtracted.
        Attention("rows, great scores", heads, keyHeads, headDim, [(1, 70, 69), (1, 64, 63), (1, 35, -1), (1, 35, -1)], false, 100);
        Attention("blocks with maps, great scores", heads, keyHeads, headDim, [(6, 6, 0), (5, 40, 35), (3, 35, -1), (2, 35, -1)], true, 100);
    }

    internal void Attention(string name, int heads, int keyHeads, int headDim, (int Rows, int Keys, int Start)[] layout, bool mapped, float greater = 1)
    {
        foreach (WeightFormat format in CacheFormats)
            Attention(format == WeightFormat.Float32 ? name : $"{name}, {format}", heads, keyHeads, headDim, layout, mapped, greater, format);
    }

    private void Attention(string name, int heads, int keyHeads, int headDim, (int Rows, int Keys, int Start)[] layout, bool mapped, float greater,
        WeightFormat format)
    {
        using CheckMemory<TBackend> memory = Memory(21);
        int width = keyHeads * headDim, mostKeys = layout.Max(i => i.Keys), capacity = mostKeys + 2;
        Mirrored<byte>[] caches = new Mirrored<byte>[layout.Length];
        Mirrored<byte>[] masks = new Mirrored<byte>[layout.Length];
        for (int n = 0; n < layout.Length; n++)
        {
            float[] cache = memory.Floats(2 * Layers * capacity * width).Values.ToArray();

            // The last item but one has every third key masked, and what is masked is NaN; the last one every key.
            byte[] mask = [.. Enumerable.Range(0, capacity).Select(j => (byte)(n == layout.Length - 1 || j % 3 == 1 ? 0 : 1))];
            for (int j = 1; n == layout.Length - 2 && j < capacity; j += 3)
            {
                for (int part = 0; part < 2 * Layers; part++)
                    cache.AsSpan((part * capacity + j) * width, width).Fill(float.NaN);
            }

            caches[n] = Cache(memory, cache, width, format);
            masks[n] = n >= layout.Length - 2 ? memory.Place<byte>(mask) : default;
        }

        (Mirrored<AttentionItem> items, int rows) = Items(memory, layout, caches, capacity, width, masks, format);
        int mostRows = layout.Max(i => i.Rows);
        Mirrored<float> q = memory.Floats(rows * heads * headDim, greater * 4 / MathF.Sqrt(headDim)), y = memory.Floats(rows * heads * headDim);
        Mirrored<float> maps = memory.Floats(layout.Sum(i => heads * i.Rows * i.Keys));
        AttentionBatch host = new(items.OnHost, layout.Length, mostRows, capacity, format),
            device = new(items.OnDevice, layout.Length, mostRows, capacity, format);
        _scalar.Attention(y.OnHost, q.OnHost, host, 1, heads, keyHeads, headDim, mapped ? maps.OnHost : null);
        _backend.Attention(y.OnDevice, q.OnDevice, device, 1, heads, keyHeads, headDim, mapped ? maps.OnDevice : null);
        string shapes = Text($"{heads}/{keyHeads} heads of {headDim}");

        // Scores of up to 4·√headDim/3 are off by √headDim·u of it; that moves each weight, and the results with them.
        double tolerance = (20 + 4 * headDim) * greater * U;
        float[] whole = memory.Download(y);
        Compare("attention " + name, shapes, whole, y.Values, tolerance);
        if (mapped)
        {
            Compare("attention maps of " + name, shapes, memory.Download(maps), maps.Values, tolerance);
            return;
        }

        // Each item alone gives the same bits.
        for (int n = 0, row = 0; n < layout.Length; row += layout[n++].Rows)
        {
            // Another kind of kernel may make an item of one row where no item has more.
            if (layout[n].Rows == 1 != (mostRows == 1))
                continue;
            AttentionBatch one = new(items.OnDevice + n, 1, layout[n].Rows, layout[n].Keys, format);
            Mirrored<float> alone = memory.Floats(rows * heads * headDim);
            _backend.Attention(alone.OnDevice, q.OnDevice, one, 1, heads, keyHeads, headDim, null);
            int at = row * heads * headDim, count = layout[n].Rows * heads * headDim;
            Compare($"attention {name} alike", shapes, memory.Download(alone).AsSpan(at, count), whole.AsSpan(at, count), 0);
        }
    }

    internal static (Mirrored<AttentionItem> Items, int Rows) Items(CheckMemory<TBackend> memory, (int Rows, int Keys, int Start)[] layout,
        Mirrored<byte>[] caches, int capacity, int width, Mirrored<byte>[]? masks, WeightFormat format = WeightFormat.Float32)
    {
        AttentionItem[] host = new AttentionItem[layout.Length], device = new AttentionItem[layout.Length];
        int rows = 0;
        for (int n = 0; n < layout.Length; n++)
        {
            AttentionItem item = new() { FirstRow = rows, Rows = layout[n].Rows, KeyCount = layout[n].Keys, CausalStart = layout[n].Start,
                LayerStride = 2L * capacity * width };
            Mirrored<byte> values = caches[n].From(checked((int)WeightFormats.Bytes(format, capacity * width)));
            Mirrored<byte> mask = masks is null ? default : masks[n];
            host[n] = item with { Keys = caches[n].OnHost, Values = values.OnHost, Mask = mask.OnHost };
            device[n] = item with { Keys = caches[n].OnDevice, Values = values.OnDevice, Mask = mask.OnDevice };
            rows += layout[n].Rows;
        }

        // What the device reads holds the device's addresses.
        return (new Mirrored<AttentionItem>(memory.Place<AttentionItem>(host).Host, memory.Place<AttentionItem>(device).Device, layout.Length), rows);
    }
}
