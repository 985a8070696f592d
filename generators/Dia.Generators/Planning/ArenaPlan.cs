namespace Dia.Generators.Planning;

/// <summary>A buffer of the arena: where it lies and when it lives.</summary>
/// <param name="Name">The activation's name.</param>
/// <param name="Size">Values (per row, where the plan is per row).</param>
/// <param name="Offset">Values from the start of the arena (times the rows, where the plan is per row).</param>
/// <param name="First">First operation that touches it.</param>
/// <param name="Last">Last operation that touches it.</param>
internal sealed record ArenaBuffer(string Name, long Size, long Offset, int First, int Last);

/// <summary>Offsets for activations such that two whose lifetimes overlap never share memory.</summary>
internal sealed record ArenaPlan(IReadOnlyList<ArenaBuffer> Buffers, long Total)
{
    /// <summary>First fit, largest first; equal sizes in order of name, so that the plan is the same everywhere.</summary>
    public static ArenaPlan Place(IEnumerable<(string Name, long Size, int First, int Last)> values, int alignment)
    {
        var placed = new List<ArenaBuffer>();
        foreach (var (name, size, first, last) in values.OrderByDescending(v => v.Size).ThenBy(v => v.Name, StringComparer.Ordinal))
        {
            long offset = 0;
            foreach (ArenaBuffer other in placed.Where(b => b.First <= last && first <= b.Last).OrderBy(b => b.Offset))
            {
                if (offset + size <= other.Offset)
                    break;
                offset = Math.Max(offset, Align(other.Offset + other.Size, alignment));
            }

            placed.Add(new ArenaBuffer(name, size, offset, first, last));
        }

        placed.Sort((a, b) => a.First != b.First ? a.First.CompareTo(b.First) : string.CompareOrdinal(a.Name, b.Name));
        return new ArenaPlan(placed, placed.Count == 0 ? 0 : Align(placed.Max(b => b.Offset + b.Size), alignment));
    }

    private static long Align(long value, int alignment) => (value + alignment - 1) / alignment * alignment;
}
