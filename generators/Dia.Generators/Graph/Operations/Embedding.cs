using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = table[ids], one id a row (text).</summary>
internal sealed record Embedding(string Name, Parameter Table) : Operation(OperationKind.Embedding, [], [new(Name, Table.Shape[1])], [Table])
{
    public override Cost Cost => new(0, Y.Width, TableValues: Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Entries", Table.Shape[0])];

    public override string Print(Scope s) => $"b.Embed({s[Y]}, p.Ids, {s[Table]}, {s[Rows]}, {Y.Width});";
}
