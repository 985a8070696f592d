using Dia.Weights;

namespace Dia.Backends;

/// <summary>
/// The attention of one sequence of a batch: its query rows and the keys they see. Query row r (0-based within the item)
/// sees key j when <c>Mask</c> allows j and, if causal, j ≤ CausalStart + r. A row that sees no key attends evenly to all
/// KeyCount keys (numerics.md: a masked score is the lowest finite float).
/// </summary>
public unsafe struct AttentionItem
{
    /// <summary>Index of the item's first row among the call's query rows.</summary>
    public int FirstRow;

    /// <summary>Number of query rows.</summary>
    public int Rows;

    /// <summary>Keys of layer 0 [KeyCount, keyHeads·headDim], in the batch's format.</summary>
    public void* Keys;

    /// <summary>Values of layer 0 [KeyCount, keyHeads·headDim], in the batch's format.</summary>
    public void* Values;

    /// <summary>How many values a layer's keys are from the next layer's, and values from values.</summary>
    public long LayerStride;

    /// <summary>Number of keys, masked ones included.</summary>
    public int KeyCount;

    /// <summary>Position of the first query row in the key sequence; negative: not causal, every row sees every key.</summary>
    public int CausalStart;

    /// <summary>One byte per key, 0 = masked; null: no key is masked.</summary>
    public byte* Mask;
}

/// <summary>Sequences that attend together. The items are in the device's memory; the bounds let the host size the work without reading them.</summary>
/// <param name="items">The sequences, in device memory.</param>
/// <param name="count">How many.</param>
/// <param name="maxRows">No item has more query rows.</param>
/// <param name="maxKeys">No item has more keys.</param>
/// <param name="format">What keys and values are kept as: float32, or the device's <see cref="Device.CacheFormat"/>.</param>
public readonly unsafe struct AttentionBatch(AttentionItem* items, int count, int maxRows, int maxKeys, WeightFormat format = WeightFormat.Float32)
{
    /// <summary>The sequences, in device memory.</summary>
    public AttentionItem* Items => items;

    /// <summary>How many.</summary>
    public int Count => count;

    /// <summary>No item has more query rows.</summary>
    public int MaxRows => maxRows;

    /// <summary>No item has more keys.</summary>
    public int MaxKeys => maxKeys;

    /// <summary>What keys and values are kept as.</summary>
    public WeightFormat Format => format;
}
