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

    /// <summary>Keys [KeyCount, keyHeads·headDim].</summary>
    public float* Keys;

    /// <summary>Values [KeyCount, keyHeads·headDim].</summary>
    public float* Values;

    /// <summary>Number of keys, masked ones included.</summary>
    public int KeyCount;

    /// <summary>One byte per key, 0 = masked; null: no key is masked.</summary>
    public byte* Mask;

    /// <summary>Position of the first query row in the key sequence; negative: not causal, every row sees every key.</summary>
    public int CausalStart;

    /// <summary>Where the attention probabilities [heads, Rows, KeyCount] go; null: they are not wanted.</summary>
    public float* Map;
}
