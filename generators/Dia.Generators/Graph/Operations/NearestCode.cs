using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>The number of the codebook's row nearest to x by cosine, the first of equals.</summary>
internal sealed record NearestCode(Value X, Parameter Codebook, int Index)
    : Operation(OperationKind.NearestCode, [X], [new(null, 1, home: Home.Codes, index: Index)], [Codebook])
{
    public Value X => Inputs[0];

    public override bool Fits => Codebook.Shape[1] == X.Width;

    public override Cost Cost => new(2L * Codebook.Shape[0] * X.Width, X.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("K", X.Width), Size("Entries", Codebook.Shape[0])];

    public override string Print(Scope s) => $"{s[X]}.NearestCode(b, p.Codes, codebook: {Index}, {s[Codebook]}, entries: {Codebook.Shape[0]});";

    /// <summary>A choice has no slope.</summary>
    public override void Differentiate(Adjoints a)
    {
    }
}
