using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = Σ over channels c of table[c·vocabulary + ids[c]] (audio).</summary>
internal sealed record EmbeddingSum(Value Y, Parameter Table, int Channels) : Operation(OperationKind.EmbeddingSum, [], [Y], [Table])
{
    public EmbeddingSum(string name, Parameter table, int channels)
        : this(new Value(name, table.Shape[1]), table, channels) => Check(table.Shape[0] % channels == 0);

    public override Cost Cost => new((long)Channels * Y.Width, Y.Width, TableValues: (long)Channels * Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Heads", Channels), Size("Entries", Vocabulary)];

    private int Vocabulary => Table.Shape[0] / Channels;

    public override string Print(Scope s) =>
        $"b.EmbedSum({s[Y]}, p.Ids, {s[Table]}, {s[Rows]}, channels: {Channels}, vocabulary: {Vocabulary}, {Y.Width});";
}
