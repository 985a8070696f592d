using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>The codebook's row that a code names; the pass holds the codes.</summary>
internal sealed record CodeLookup(Value? Codes, Parameter Codebook, int Index)
    : Operation(OperationKind.CodeLookup, Codes is null ? [] : [Codes], [new(null, Codebook.Shape[1])], [Codebook])
{
    public override Cost Cost => new(0, Y.Width, TableValues: Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Entries", Codebook.Shape[0])];

    public override string Print(Scope s) => $"{s[Y]}.LookUpCode(b, p, codebook: {Index}, {s[Codebook]});";
}
