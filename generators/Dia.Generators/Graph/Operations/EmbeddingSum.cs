using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>y = Σ over channels c of table[c·vocabulary + ids[c]] (audio).</summary>
internal sealed record EmbeddingSum(string Name, Parameter Table, int Channels)
    : Operation(OperationKind.EmbeddingSum, [], [new(Name, Table.Shape[1])], [Table])
{
    public override bool Fits => Table.Shape[0] % Channels == 0;

    public override Cost Cost => new((long)Channels * Y.Width, Y.Width, TableValues: (long)Channels * Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Heads", Channels), Size("Entries", Vocabulary)];

    private int Vocabulary => Table.Shape[0] / Channels;

    public override string Print(Scope s) =>
        $"b.EmbedSum({s[Y]}, p.Ids, {s[Table]}, {s[Rows]}, channels: {Channels}, vocabulary: {Vocabulary}, {Y.Width});";
}
