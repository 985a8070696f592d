using Dia.Generators.Differentiation;
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

    /// <summary>dtable[c·vocabulary + ids[c]] += dy for each channel c.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Add(new EmbeddingSumGradient(dy, Table, Channels));
    }
}

/// <summary>dtable[c·vocabulary + ids[c]] += dy for each channel c, where the table is trained.</summary>
internal sealed record EmbeddingSumGradient(Value Dy, Parameter Table, int Channels) : Operation(OperationKind.EmbeddingSumGradient, [Dy], [], [Table])
{
    public Value Dy => Inputs[0];

    public override Cost Cost => new((long)Channels * Dy.Width, (1 + 2L * Channels) * Dy.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Heads", Channels), Size("Entries", Vocabulary)];

    private int Vocabulary => Table.Shape[0] / Channels;

    public override string Print(Scope s) => s.IfTrained(Table,
        $"b.EmbedSumGradient({s.Gradient(Table)}, {s[Dy]}, p.Ids, {s[Rows]}, channels: {Channels}, vocabulary: {Vocabulary}, {Dy.Width});");
}
