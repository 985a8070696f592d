using Dia.Generators.Graph;

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
    /// <summary>Lifetimes over the operations of one pass: an activation that recurs in every layer gets one place for all of them.</summary>
    public static ArenaPlan ForStages(IReadOnlyList<Stage> stages, int alignment)
    {
        var live = new Dictionary<string, (long Size, int First, int Last)>();
        // Layers look alike, so operation numbers count within a stage: a value that only lives inside layers occupies the
        // same part of each. One that is read before it is written in some stage is carried between stages: it lives always.
        int longest = stages.Max(s => s.Operations.Count);
        foreach (Stage stage in stages)
        {
            var written = new HashSet<string>();
            int i = 0;
            foreach (Operation operation in stage.Operations)
            {
                foreach (Value value in operation.Reads)
                    Touch(live, value, i, longest, carried: !written.Contains(value.Name));
                foreach (Value value in operation.Writes)
                {
                    Touch(live, value, i, longest, carried: false);
                    written.Add(value.Name);
                }

                i++;
            }
        }

        return Place(live.Select(p => (p.Key, p.Value.Size, p.Value.First, p.Value.Last)), alignment);
    }

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

    private static void Touch(Dictionary<string, (long Size, int First, int Last)> live, Value value, int at, int end, bool carried)
    {
        (long size, int first, int last) = live.TryGetValue(value.Name, out var l) ? l : (value.Width, at, at);
        if (size != value.Width)
            throw new InvalidOperationException($"The graph uses '{value.Name}' with two widths, {size} and {value.Width}.");
        live[value.Name] = carried ? (size, 0, end) : (size, Math.Min(first, at), Math.Max(last, at));
    }

    private static long Align(long value, int alignment) => (value + alignment - 1) / alignment * alignment;
}
