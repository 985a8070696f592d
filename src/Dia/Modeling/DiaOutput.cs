using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>What a forward pass gives.</summary>
public sealed class DiaOutput
{
    /// <summary>Logits [B·C, T, V].</summary>
    public required float[] Logits { get; init; }

    /// <summary>Sequences (B).</summary>
    public required int Batch { get; init; }

    /// <summary>Audio rows of each (T).</summary>
    public required int Rows { get; init; }

    /// <summary>Text ids of each (S).</summary>
    public required int TextLength { get; init; }

    /// <summary>The model's configuration.</summary>
    public required DiaConfig Config { get; init; }

    /// <summary>The encoder output [B, S, width].</summary>
    public required float[] EncoderLastHiddenState { get; init; }

    /// <summary>The loss; null where no labels were given, NaN where all of them are −100.</summary>
    public required float? Loss { get; init; }

    /// <summary>Hidden states and attention maps; null where none were asked for.</summary>
    public required ForwardTrace? Trace { get; init; }
}
