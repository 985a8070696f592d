using Dia.Generators.Differentiation;
using Dia.Generators.Emission;
using Dia.Graph;

namespace Dia.Generators.Graph;

/// <summary>What an observed value is.</summary>
internal enum Observed
{
    /// <summary>A hidden state of the encoder.</summary>
    EncoderHiddenState,

    /// <summary>A hidden state of the decoder.</summary>
    DecoderHiddenState,

    /// <summary>The codec encoder's output.</summary>
    Latents,

    /// <summary>What a quantizer makes of what is left of the latents.</summary>
    Projected,

    /// <summary>The sum of the quantizers' code vectors.</summary>
    Quantized,
}

/// <summary>Offers a value to whoever asked for it.</summary>
internal sealed record Observe(Value X, Observed As, int Index) : Operation(OperationKind.Observe, [X], [], [])
{
    public Value X => Inputs[0];

    public override string Print(Scope s) => As switch
    {
        Observed.EncoderHiddenState or Observed.DecoderHiddenState => $"p.Trace?.{As}({Index}, {s[X]}, {s[Rows]}, {X.Width});",
        Observed.Projected => $"p.Trace?.{As}({Index}, {s[X]});",
        _ => $"p.Trace?.{As}({s[X]});",
    };

    public override void Differentiate(Adjoints a)
    {
    }
}
