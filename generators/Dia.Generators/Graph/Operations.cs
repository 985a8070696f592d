using Dia.Configuration;

namespace Dia.Generators.Graph;

/// <summary>What the rows of an activation are counted in.</summary>
internal enum Rows
{
    /// <summary>Every row of the pass.</summary>
    All,

    /// <summary>The rows of conditional sequences: they come first and see the text.</summary>
    Conditional,

    /// <summary>The unconditional rows of guidance: they come last.</summary>
    Unconditional,
}

/// <summary>An activation [rows, width]. Equal names are one buffer, reused from layer to layer.</summary>
internal sealed record Value(string Name, int Width);

/// <summary>A parameter of the checkpoint.</summary>
/// <param name="Name">Its name there.</param>
/// <param name="Shape">Its shape, outermost dimension first.</param>
/// <param name="Role">The member of Dia.Weights.WeightRole that says how it is used.</param>
internal sealed record Parameter(string Name, EquatableArray<int> Shape, string Role);

/// <summary>One operation of a graph: what it computes, on what, with which parameter. Emission, plan and weight table follow from these.</summary>
internal abstract record Operation
{
    /// <summary>Activations it reads.</summary>
    public abstract IEnumerable<Value> Reads { get; }

    /// <summary>Activations it writes.</summary>
    public abstract IEnumerable<Value> Writes { get; }

    /// <summary>Parameters it uses.</summary>
    public virtual IEnumerable<Parameter> Parameters => [];
}

/// <summary>A remark for the reader of the emitted code: the formula of the operations that follow.</summary>
internal sealed record Remark(string Text) : Operation
{
    public override IEnumerable<Value> Reads => [];
    public override IEnumerable<Value> Writes => [];
}

/// <summary>y = table[ids], one id a row (text).</summary>
internal sealed record Embed(Value Y, Parameter Table) : Operation
{
    public override IEnumerable<Value> Reads => [];
    public override IEnumerable<Value> Writes => [Y];
    public override IEnumerable<Parameter> Parameters => [Table];
}

/// <summary>y = Σ over channels c of table[c·vocabulary + ids[c]] (audio).</summary>
internal sealed record EmbedSum(Value Y, Parameter Table, int Channels, int Vocabulary) : Operation
{
    public override IEnumerable<Value> Reads => [];
    public override IEnumerable<Value> Writes => [Y];
    public override IEnumerable<Parameter> Parameters => [Table];
}

/// <summary>cos and sin of the angles of each row's position.</summary>
internal sealed record RopeTable(Value Cos, Value Sin) : Operation
{
    public override IEnumerable<Value> Reads => [];
    public override IEnumerable<Value> Writes => [Cos, Sin];
}

/// <summary>Rotates the heads of x in place by the angles of the row's position.</summary>
internal sealed record Rope(Value X, Value Cos, Value Sin, int Heads, int Half) : Operation
{
    public override IEnumerable<Value> Reads => [X, Cos, Sin];
    public override IEnumerable<Value> Writes => [X];
}

/// <summary>y = x·rsqrt(mean(x²) + eps)·w.</summary>
internal sealed record RmsNorm(Value Y, Value X, Parameter W, string Eps, Rows Rows = Rows.All) : Operation
{
    public override IEnumerable<Value> Reads => [X];
    public override IEnumerable<Value> Writes => [Y];
    public override IEnumerable<Parameter> Parameters => [W];
}

/// <summary>y = x·wᵀ, or y += x·wᵀ.</summary>
internal sealed record Linear(Value Y, Value X, Parameter W, bool Accumulate = false, Rows Rows = Rows.All) : Operation
{
    public override IEnumerable<Value> Reads => Accumulate ? [X, Y] : [X];
    public override IEnumerable<Value> Writes => [Y];
    public override IEnumerable<Parameter> Parameters => [W];
}

/// <summary>y = up·act(gate), x = (gate, up).</summary>
internal sealed record GatedActivation(Value Y, Value X, string Activation) : Operation
{
    public override IEnumerable<Value> Reads => [X];
    public override IEnumerable<Value> Writes => [Y];
}

/// <summary>Rotates a layer's keys in place and appends keys and values to the sequences' caches.</summary>
internal sealed record RopeKeyValues(Value Keys, Value Values, Value Cos, Value Sin, int Layer, int KeyHeads, int Half) : Operation
{
    public override IEnumerable<Value> Reads => [Keys, Values, Cos, Sin];
    public override IEnumerable<Value> Writes => [Keys];
}

/// <summary>Which keys an attention reads.</summary>
internal enum AttentionKind
{
    /// <summary>The text's own, both directions (encoder).</summary>
    Encoder,

    /// <summary>The cached ones of the sequence, causal (decoder).</summary>
    Self,

    /// <summary>The encoder output's (decoder).</summary>
    Cross,
}

/// <summary>y = softmax(q·keysᵀ)·values, scale 1, grouped heads.</summary>
internal sealed record Attention(Value Y, Value Q, AttentionKind Kind, int Layer, int Heads, int KeyHeads, int HeadDim, Value? Keys = null, Value? Values = null) : Operation
{
    public override IEnumerable<Value> Reads => Keys is null ? [Q] : [Q, Keys, Values!];
    public override IEnumerable<Value> Writes => [Y];
    public Rows Rows => Kind == AttentionKind.Cross ? Rows.Conditional : Rows.All;
}

/// <summary>Adds the constant that cross-attention is for unconditional rows (numerics.md, the exact saving).</summary>
internal sealed record AddUnconditionalCross(Value Y, int Layer) : Operation
{
    public override IEnumerable<Value> Reads => [Y];
    public override IEnumerable<Value> Writes => [Y];
}

/// <summary>Offers a hidden state to whoever asked for it.</summary>
internal sealed record HiddenState(Value X, string List, int Index) : Operation
{
    public override IEnumerable<Value> Reads => [X];
    public override IEnumerable<Value> Writes => [];
}

/// <summary>A group of operations that is emitted as one method: the embedding, a layer, the final norm.</summary>
/// <param name="Name">The method's name, without the variant.</param>
/// <param name="Summary">What the method's comment says.</param>
/// <param name="Operations">In order.</param>
internal sealed record Stage(string Name, string Summary, EquatableArray<Operation> Operations);
