namespace Dia;

/// <summary>
/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC11). It has
/// no state: a draw depends on its counter and key alone, so it does not matter which item, thread or device draws first.
/// </summary>
internal static class Philox4x32
{
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;

    /// <summary>The four output words for a counter of four words and a key of two.</summary>
    public static (uint X0, uint X1, uint X2, uint X3) Block(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong product0 = (ulong)Multiplier0 * c0;
            ulong product1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(product1 >> 32) ^ c1 ^ k0, (uint)product1, (uint)(product0 >> 32) ^ c3 ^ k1, (uint)product0);
            unchecked
            {
                k0 += Weyl0;
                k1 += Weyl1;
            }
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>
    /// The uniform number in [0, 1) of one cell, numerics.md, "The draw": key = the seed, low word first; counter = (row, channel,
    /// item, 0); the first two output words, the first as the high one, give 53 bits.
    /// </summary>
    public static double Uniform(ulong seed, int row, int channel, int item) => Uniform(seed, (uint)row, (uint)channel, (uint)item, Drawn.Id);

    /// <summary>The uniform number in [0, 1) of a place of training: counter = (number, its high word, index, what is drawn).</summary>
    public static double Uniform(ulong seed, long number, int index, Drawn what) => Uniform(seed, (uint)number, (uint)(number >> 32), (uint)index, what);

    private static double Uniform(ulong seed, uint c0, uint c1, uint c2, Drawn what)
    {
        (uint high, uint low, _, _) = Block(c0, c1, c2, (uint)what, (uint)seed, (uint)(seed >> 32));
        return ((((ulong)high << 32) | low) >> 11) * (1.0 / (1UL << 53));
    }
}

/// <summary>What is drawn: the last word of the counter, so that one seed gives all of them numbers of their own.</summary>
internal enum Drawn : uint
{
    /// <summary>An id of a row that is generated.</summary>
    Id,

    /// <summary>Weights that no checkpoint sets.</summary>
    Weight,

    /// <summary>What an adapter's dropout drops.</summary>
    Dropped,

    /// <summary>What a new adapter begins with.</summary>
    Adapter,

    /// <summary>How long an example counts as in an epoch.</summary>
    Length,

    /// <summary>Where a batch comes in an epoch.</summary>
    Place,

    /// <summary>Whether an example's text is zeroed.</summary>
    Unconditional,
}
