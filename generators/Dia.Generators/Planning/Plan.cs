using Dia.Generators.Graph;

namespace Dia.Generators.Planning;

/// <summary>Where the values of functions that share an arena lie, and which continue in the memory of another.</summary>
internal sealed class Plan
{
    private readonly Dictionary<Value, Value> _roots = [];
    private readonly Dictionary<Value, string> _names = [];
    private readonly Dictionary<Value, Store> _stored;

    private Plan(IEnumerable<Store> stored) => _stored = stored.ToDictionary(s => s.X);

    /// <summary>The buffers.</summary>
    public ArenaPlan Arena { get; private set; } = new([], 0);

    /// <summary>The buffer's shape, by its name.</summary>
    public Dictionary<string, string> Shapes { get; } = [];

    /// <summary>Plans functions that run one after the other.</summary>
    /// <param name="functions">In order.</param>
    /// <param name="results">Values that are read after all of them.</param>
    /// <param name="rows">Rows of a value: 1 where the plan is per row.</param>
    /// <param name="alignment">Of the buffers, in values.</param>
    public static Plan Of(IReadOnlyList<FunctionGraph> functions, Value[] results, Func<Value, long> rows, int alignment)
    {
        Operation[] operations = [.. functions.SelectMany(f => f.Operations)];
        Dictionary<Value, int> last = LastReads(functions, results);
        var plan = new Plan(operations.OfType<Store>());
        // What is changed in place on its way to where it is stored is there before.
        foreach (Operation operation in Enumerable.Reverse(operations))
            if (operation is { MustBeInPlace: true, InPlace: { Home: Home.Arena } input } && plan.Stored(operation.Y) is { } store)
                plan._stored[input] = store;
        var lives = new Dictionary<Value, (long Size, int First, int Last)>();
        for (int i = 0; i < operations.Length; i++)
        {
            Value? from = plan.Continues(operations[i], last, i);
            foreach (Value value in operations[i].Outputs.Where(v => v.Home == Home.Arena && !plan._stored.ContainsKey(v)))
            {
                bool continues = from is not null && value == operations[i].Y; // other results have memory of their own
                Value root = plan._roots[value] = continues ? plan._roots[from!] : value;
                long size = rows(value) * value.Width;
                lives[root] = !continues ? (size, i, last[value]) : (Math.Max(size, lives[root].Size), lives[root].First, last[value]);
            }
        }

        plan.Place(lives, rows, alignment);
        return plan;
    }

    /// <summary>The operation, counted over functions that run one after the other, after which each value is read no more.</summary>
    public static Dictionary<Value, int> LastReads(IReadOnlyList<FunctionGraph> functions, Value[] results)
    {
        Operation[] operations = [.. functions.SelectMany(f => f.Operations)];
        var last = new Dictionary<Value, int>();
        for (int i = 0; i < operations.Length; i++)
            foreach (Value value in operations[i].Inputs.Concat(operations[i].Outputs))
                last[value] = i;
        foreach (Value result in results)
            last[result] = operations.Length;
        return last;
    }

    /// <summary>The value in whose memory this one lies: itself, unless it was computed in place.</summary>
    public Value Root(Value value) => _roots[value];

    /// <summary>Whether the plan places a value.</summary>
    public bool Places(Value value) => _roots.ContainsKey(value);

    /// <summary>Where a value goes that is stored: it is computed there. Null for others.</summary>
    public Store? Stored(Value value) => _stored.TryGetValue(value, out Store? store) ? store : null;

    /// <summary>The buffer of a value.</summary>
    public ArenaBuffer Buffer(Value value) => Arena.Buffers.First(b => b.Name == Name(value));

    /// <summary>The name of a value's buffer.</summary>
    public string Name(Value value) => _names[Root(value)];

    /// <summary>The input that an operation works in, or null.</summary>
    private Value? Continues(Operation operation, Dictionary<Value, int> last, int at)
    {
        if (operation.InPlace is not { } input)
            return null;
        if (last[input] <= at)
            return _roots.ContainsKey(input) ? input : null;
        return !operation.MustBeInPlace ? null
            : throw new InvalidOperationException($"{operation.Kind} works in the memory of {input.Name}, which is read again later.");
    }

    /// <summary>Layers look alike, so the buffers of equal names lie at equal offsets: they are one in the plan that is written.</summary>
    private void Place(Dictionary<Value, (long Size, int First, int Last)> lives, Func<Value, long> rows, int alignment)
    {
        Value[] roots = [.. lives.Keys.OrderBy(v => v.Number)];
        var numbered = ArenaPlan.Place(roots.Select(v => ($"{v.Name}\0{v.Number:00000}", lives[v].Size, lives[v].First, lives[v].Last)), alignment);
        var places = numbered.Buffers.ToDictionary(b => b.Name);
        var buffers = new Dictionary<string, ArenaBuffer>();
        foreach (Value root in roots)
        {
            ArenaBuffer place = places[$"{root.Name}\0{root.Number:00000}"];
            string name = char.ToUpperInvariant(root.Name[0]) + root.Name.Substring(1), free = name;
            for (int i = 2; buffers.TryGetValue(free, out ArenaBuffer? other) && (other.Offset != place.Offset || other.Size != place.Size); i++)
                free = char.IsDigit(name[name.Length - 1]) ? $"{name}_{i}" : name + i;
            _names[root] = free;
            if (!buffers.ContainsKey(free))
                buffers.Add(free, place with { Name = free });
            string count = rows(root) == 1 ? "rows" : Emission.CodeWriter.Number(rows(root));
            Shapes[free] = $"[{count}, {Emission.CodeWriter.Number(root.Width)}]";
        }

        Arena = new ArenaPlan([.. buffers.Values], numbered.Total);
    }
}
