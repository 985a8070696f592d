using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>
/// One operation: what it computes, of what, with which parameters. Each kind is one file in Operations: record, shape rule, cost, how it prints,
/// and its adjoint. Nothing of it says where values lie, but for what a backend can do in place only.
/// </summary>
/// <param name="Kind">What it computes.</param>
/// <param name="Inputs">The values it reads.</param>
/// <param name="Outputs">The values it defines.</param>
/// <param name="Parameters">The parameters it uses; the first is the one that counts as its weight.</param>
internal abstract record Operation(OperationKind Kind, Value[] Inputs, Value[] Outputs, Parameter[] Parameters)
{
    /// <summary>A remark for the reader of the emitted code: the formula of this and the operations that follow.</summary>
    public string? Remark { get; init; }

    /// <summary>Its first result.</summary>
    public Value Y => Outputs[0];

    /// <summary>The shape rule: whether its operands fit each other.</summary>
    public virtual bool Fits => true;

    /// <summary>The input whose memory the output takes where nothing reads it afterwards.</summary>
    public virtual Value? InPlace => null;

    /// <summary>Whether backends have it in place only.</summary>
    public virtual bool MustBeInPlace => InPlace is not null;

    /// <summary>The rows that it does.</summary>
    public virtual Rows Rows => Outputs.Length > 0 ? Outputs[0].Rows : Inputs[0].Rows;

    /// <summary>Which rows of its inputs it reads.</summary>
    public virtual ConvolutionWindow Window => ConvolutionWindow.RowByRow;

    /// <summary>What a row of it costs.</summary>
    public virtual Cost Cost => default;

    /// <summary>Its sizes, by their names in the table of operations.</summary>
    public virtual IEnumerable<(string Name, string Size)> Sizes => [];

    /// <summary>Its adjoint: writes the operations by which the gradients of its results become those of its operands and parameters.</summary>
    public virtual void Differentiate(Adjoints a) => throw new InvalidOperationException($"{Kind} has no adjoint.");

    /// <summary>The emitted statements, a line each; empty: none.</summary>
    public abstract string Print(Scope s);

    protected static (string, string) Size(string name, long size) => (name, CodeWriter.Number(size));
}

/// <summary>What a row of an operation costs. Its weight is read once for all rows, but for tables.</summary>
/// <param name="Flops">Floating-point operations; a multiply-add is two.</param>
/// <param name="Values">Float32 values read and written.</param>
/// <param name="FlopsOfKey">More of the first for each key.</param>
/// <param name="ValuesOfKey">More of the second for each key of a sequence.</param>
/// <param name="TableValues">Values of the weight that the row reads, where it does not read all.</param>
internal readonly record struct Cost(long Flops, long Values, long FlopsOfKey = 0, long ValuesOfKey = 0, long TableValues = 0);
