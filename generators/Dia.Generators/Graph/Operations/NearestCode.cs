using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>The number of the codebook's row nearest to x by cosine, the first of equals.</summary>
internal sealed record NearestCode(Value Y, Value X, Parameter Codebook) : Operation(OperationKind.NearestCode, [X], [Y], [Codebook])
{
    public NearestCode(Value x, Parameter codebook, int index)
        : this(new Value(null, 1, home: Home.Codes, index: index), x, codebook) => Check(codebook.Shape[1] == x.Width);

    public override Cost Cost => new(2L * Codebook.Shape[0] * X.Width, X.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("K", X.Width), Size("Entries", Codebook.Shape[0])];

    public override string Print(Scope s) => $"{s[X]}.NearestCode(b, p, codebook: {Y.Index}, {s[Codebook]}, entries: {Codebook.Shape[0]});";
}
