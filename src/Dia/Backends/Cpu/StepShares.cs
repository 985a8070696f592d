namespace Dia.Backends.Cpu;

/// <summary>
/// How the outputs of a decoding step's product are shared by threads: in rounds that give each thread a part. A round divides half of what is left, the
/// last one all of it: long parts first, as memory brings the beginning of each late, and short ones at the end, so that the threads end together.
/// </summary>
internal readonly struct StepShares
{
    private const int MostRounds = 8;

    // Bytes of weights that the last parts have at least.
    private const int LeastBytes = 65536;

    private readonly int _n, _tile, _tiles, _roundParts, _rounds;

    /// <param name="n">Outputs.</param>
    /// <param name="tile">Outputs of a tile, which is not divided.</param>
    /// <param name="work">Multiply-adds of an output. Too few in all are one thread's.</param>
    /// <param name="bytes">Bytes of weights of an output.</param>
    /// <param name="threads">Threads.</param>
    public StepShares(int n, int tile, long work, long bytes, int threads)
    {
        (_n, _tile, _tiles) = (n, tile, (n + tile - 1) / tile);
        _roundParts = n * work < Gemm.InlineWork ? 1 : threads;
        long share = n * bytes / ((long)_roundParts * LeastBytes);
        _rounds = _roundParts == 1 ? 1 : Math.Min(MostRounds, BitOperations.Log2((ulong)share | 1) + 1);
    }

    /// <summary>Parts in all.</summary>
    public int Parts => _rounds * _roundParts;

    /// <summary>The first output of a part; of the one behind the last, the number of outputs.</summary>
    public int First(int part)
    {
        int round = part / _roundParts, left = _tiles >> round;
        if (round == _rounds)
            return _n;
        int size = round == _rounds - 1 ? left : left - (left >> 1);
        return Math.Min(_n, (_tiles - left + (int)((long)size * (part % _roundParts) / _roundParts)) * _tile);
    }
}
