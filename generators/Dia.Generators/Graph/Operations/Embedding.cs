using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = table[ids], one id a row (text).</summary>
internal sealed record Embedding(string Name, Parameter Table) : Operation(OperationKind.Embedding, [], [new(Name, Table.Shape[1])], [Table])
{
    public override Cost Cost => new(0, Y.Width, TableValues: Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Entries", Table.Shape[0])];

    public override string Print(Scope s) => $"b.Embed({s[Y]}, p.Ids, {s[Table]}, {s[Rows]}, {Y.Width});";

    /// <summary>dtable[ids] += dy.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Add(new EmbeddingGradient(dy, Table));
    }
}

/// <summary>dtable[ids] += dy, where the table is trained.</summary>
internal sealed record EmbeddingGradient(Value Dy, Parameter Table) : Operation(OperationKind.EmbeddingGradient, [Dy], [], [Table])
{
    public Value Dy => Inputs[0];

    public override Cost Cost => new(Dy.Width, 3L * Dy.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Entries", Table.Shape[0])];

    public override string Print(Scope s) => s.IfTrained(Table, $"b.EmbedGradient({s.Gradient(Table)}, {s[Dy]}, p.Ids, {s[Rows]}, {Dy.Width});");
}
