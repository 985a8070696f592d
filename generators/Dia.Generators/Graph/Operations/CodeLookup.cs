using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>The codebook's row that a code names; the pass holds the codes.</summary>
internal sealed record CodeLookup(Value? Codes, Parameter Codebook, int Index)
    : Operation(OperationKind.CodeLookup, Codes is null ? [] : [Codes], [new(null, Codebook.Shape[1])], [Codebook])
{
    public override Cost Cost => new(0, Y.Width, TableValues: Y.Width);

    public override IEnumerable<(string, string)> Sizes => [Size("Entries", Codebook.Shape[0])];

    public override string Print(Scope s) => $"{s[Y]}.LookUpCode(b, p.Codes, codebook: {Index}, {s[Codebook]});";

    /// <summary>dcodebook[codes] += dy.</summary>
    public override void Differentiate(Adjoints a)
    {
        if (a.Of(Y) is { } dy)
            a.Add(new CodeLookupGradient(dy, Codebook, Index));
    }
}

/// <summary>dcodebook[codes] += dy, where the codebook is trained.</summary>
internal sealed record CodeLookupGradient(Value Dy, Parameter Codebook, int Index) : Operation(OperationKind.CodeLookupGradient, [Dy], [], [Codebook])
{
    public Value Dy => Inputs[0];

    public override bool Fits => Codebook.Shape[1] == Dy.Width;

    public override string Print(Scope s) =>
        s.IfTrained(Codebook, $"{s[Dy]}.LookUpCodeGradient(b, {s.Gradient(Codebook)}, p.Codes, codebook: {Index});");
}
