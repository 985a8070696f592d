using Dia.Backends;

namespace Dia.Checks;

internal sealed unsafe partial class TrainingChecks<TBackend>
{
    /// <summary>
    /// Attention of three items alike in size, in their second layer: of the second some keys are masked, and what is masked is NaN; of the third all. An item
    /// alone must give the same bits.
    /// </summary>
    public void Attention(int heads, int keyHeads, int headDim, int rows, int keys, int start, float greater = 1)
    {
        const int Items = 3, Layers = KernelChecks<TBackend>.Layers;
        using CheckMemory<TBackend> memory = checks.Memory(50);
        int width = keyHeads * headDim, capacity = keys + 2, queries = Items * rows * heads * headDim;
        var caches = new Mirrored<byte>[Items];
        var masks = new Mirrored<byte>[Items];
        for (int n = 0; n < Items; n++)
        {
            float[] cache = memory.Floats(2 * Layers * capacity * width).Values.ToArray();
            byte[] mask = [.. Enumerable.Range(0, capacity).Select(j => (byte)(n == 2 || j % 3 == 1 ? 0 : 1))];
            for (int j = 1; n == 1 && j < capacity; j += 3)
                for (int part = 0; part < 2 * Layers; part++)
                    cache.AsSpan((part * capacity + j) * width, width).Fill(float.NaN);
            caches[n] = memory.Place<float>(cache).Bytes;
            masks[n] = n > 0 ? memory.Place<byte>(mask) : default;
        }

        (Mirrored<AttentionItem> items, _) = KernelChecks<TBackend>.Items(memory, [(rows, keys, start), (rows, keys, start), (rows, keys, start)], caches,
            capacity, width, masks);
        AttentionBatch host = new(items.OnHost, Items, rows, keys), device = new(items.OnDevice, Items, rows, keys);
        Mirrored<float> q = memory.Floats(queries, greater * 4 / MathF.Sqrt(headDim)), y = memory.Floats(queries), dy = memory.Floats(queries),
            dq = memory.Floats(queries), dk = memory.Floats(Items * keys * width), dv = memory.Floats(Items * keys * width);
        _scalar.Attention(y.OnHost, q.OnHost, host, 1, heads, keyHeads, headDim, null);
        backend.Attention(y.OnDevice, q.OnDevice, device, 1, heads, keyHeads, headDim, null);
        _scalar.AttentionGradient(dq.OnHost, dk.OnHost, dv.OnHost, dy.OnHost, q.OnHost, y.OnHost, host, 1, heads, keyHeads, headDim);
        backend.AttentionGradient(dq.OnDevice, dk.OnDevice, dv.OnDevice, dy.OnDevice, q.OnDevice, y.OnDevice, device, 1, heads, keyHeads, headDim);

        // As for the result: scores of up to 4·√headDim/3 are off by √headDim·u of it, and move each probability; dp, of headDim products, as much again.
        // Gradients of keys and values are sums over the rows and heads that see them.
        string shapes = Text($"{rows} rows, {keys} keys, {heads}/{keyHeads} heads of {headDim}"), name = greater > 1 ? ", great scores" : "";
        double tolerance = (30 + 8 * headDim) * greater * U;
        (Mirrored<float> Values, string Name)[] gradients = [(dq, "queries"), (dk, "keys"), (dv, "values")];
        foreach ((Mirrored<float> values, string of) in gradients)
            checks.Compare($"attention_gradient of {of}{name}", shapes, memory.Download(values), values.Values, tolerance,
                greater * Math.Sqrt(heads / keyHeads));

        for (int n = 0; n < Items; n++)
        {
            Mirrored<float> dq1 = memory.Floats(queries), dk1 = memory.Floats(keys * width), dv1 = memory.Floats(keys * width);
            AttentionBatch one = new(items.OnDevice + n, 1, rows, keys);
            backend.AttentionGradient(dq1.OnDevice, dk1.OnDevice, dv1.OnDevice, dy.OnDevice, q.OnDevice, y.OnDevice, one, 1, heads, keyHeads, headDim);
            int at = n * rows * heads * headDim, count = rows * heads * headDim;
            checks.Compare("attention_gradient alike, queries", shapes, memory.Download(dq1).AsSpan(at, count), memory.Download(dq).AsSpan(at, count), 0);
            checks.Compare("attention_gradient alike, keys", shapes, memory.Download(dk1), memory.Download(dk).AsSpan(n * keys * width, keys * width), 0);
            checks.Compare("attention_gradient alike, values", shapes, memory.Download(dv1), memory.Download(dv).AsSpan(n * keys * width, keys * width), 0);
        }
    }
}
