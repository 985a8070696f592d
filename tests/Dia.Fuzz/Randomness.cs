namespace Dia.Fuzz;

/// <summary>SplitMix64 (Steele, Lea, Flood 2014): an input depends on the seed, its target's name and its number, and on nothing else.</summary>
internal sealed class Randomness
{
    private ulong _state;

    public Randomness(ulong seed, string target, long number)
    {
        _state = seed;
        foreach (char c in target)
            _state = Next() ^ c;
        _state = Next() ^ (ulong)number;
    }

    public ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong z = (_state ^ (_state >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>From 0 to below <paramref name="limit"/>; 0 where that is 0.</summary>
    public int Below(int limit) => limit <= 0 ? 0 : (int)(Next() % (ulong)limit);

    /// <summary>True once in <paramref name="n"/> times.</summary>
    public bool OneIn(int n) => Below(n) == 0;

    public T Of<T>(IReadOnlyList<T> choices) => choices[Below(choices.Count)];
}
