using Dia.Networks;

namespace Dia.Modeling;

/// <summary>Keys and values of one layer of a <see cref="PastKeyValues"/>, each [B, heads, rows, head_dim].</summary>
public sealed class CacheLayer
{
    /// <summary>A layer of given keys and values; they are not copied.</summary>
    /// <param name="keys">Keys [B, heads, rows, head_dim].</param>
    /// <param name="values">Values, same shape.</param>
    /// <param name="batch">Sequences (B).</param>
    /// <param name="heads">Key-value heads.</param>
    /// <param name="rows">Rows of each sequence.</param>
    /// <param name="headDim">Values of a head.</param>
    /// <exception cref="ArgumentException">The arrays are not of that shape.</exception>
    public CacheLayer(float[] keys, float[] values, int batch, int heads, int rows, int headDim)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(values);
        (Keys, Values, Batch, Heads, Rows, HeadDim) = (keys, values, batch, heads, rows, headDim);
        if (batch < 0 || heads < 0 || rows < 0 || headDim < 0 || (double)batch * heads * rows * headDim != keys.Length || values.Length != keys.Length)
            throw new ArgumentException($"{keys.Length} keys and {values.Length} values are not {Shape} each.", nameof(keys));
    }

    /// <summary>Keys [B, heads, rows, head_dim], those of self-attention turned by their positions.</summary>
    public float[] Keys { get; }

    /// <summary>Values [B, heads, rows, head_dim].</summary>
    public float[] Values { get; }

    /// <summary>Sequences (B).</summary>
    public int Batch { get; }

    /// <summary>Key-value heads.</summary>
    public int Heads { get; }

    /// <summary>Rows of each sequence.</summary>
    public int Rows { get; }

    /// <summary>Values of a head.</summary>
    public int HeadDim { get; }

    /// <summary>The shape, for messages.</summary>
    internal string Shape => $"[{Batch}, {Heads}, {Rows}, {HeadDim}]";

    internal static DiaException Error(string what) => new(DiaErrorKind.Input, what);

    /// <summary>A layer of caches, one a sequence; they have equal lengths.</summary>
    internal static CacheLayer Read(KeyValueCache[] caches, int layer, int heads)
    {
        int rows = caches[0].Length, width = caches[0].Width;
        var result = new CacheLayer(new float[(long)caches.Length * rows * width], new float[(long)caches.Length * rows * width], caches.Length, heads, rows,
            width / heads);
        for (int i = 0; i < caches.Length; i++)
        {
            Turn(caches[i].Read(2 * layer), result.Of(result.Keys, i), rows, heads);
            Turn(caches[i].Read(2 * layer + 1), result.Of(result.Values, i), rows, heads);
        }

        return result;
    }

    /// <summary>Fills a layer of caches, one a sequence, which have its length.</summary>
    internal void Write(KeyValueCache[] caches, int layer)
    {
        float[] rows = new float[Rows * caches[0].Width];
        for (int i = 0; i < caches.Length; i++)
        {
            Turn(Of(Keys, i), rows, Heads, Rows);
            caches[i].Write(2 * layer, rows);
            Turn(Of(Values, i), rows, Heads, Rows);
            caches[i].Write(2 * layer + 1, rows);
        }
    }

    private Span<float> Of(float[] array, int sequence) => array.AsSpan(sequence * Heads * Rows * HeadDim, Heads * Rows * HeadDim);

    /// <summary>[first, second, n] to [second, first, n].</summary>
    private static void Turn(ReadOnlySpan<float> from, Span<float> to, int first, int second)
    {
        if (from.IsEmpty)
            return;
        int n = from.Length / (first * second);
        for (int a = 0; a < first; a++)
            for (int b = 0; b < second; b++)
                from.Slice((a * second + b) * n, n).CopyTo(to[((b * first + a) * n)..]);
    }
}
