namespace Dia.Processing;

/// <summary>What <see cref="DiaProcessor"/> makes for the model. B batch, S text ids, T rows, C channels.</summary>
public sealed class DiaInputs
{
    /// <summary>Text ids, padded right with 0, [B, S].</summary>
    public required int[,] InputIds { get; init; }

    /// <summary>1 on text, 0 on padding, [B, S].</summary>
    public required int[,] AttentionMask { get; init; }

    /// <summary>Rows of codes under the delay pattern, left-padded with BOS, PAD where nothing is known, [B, T, C].</summary>
    public required int[,,] DecoderInputIds { get; init; }

    /// <summary>0 on left padding, 1 elsewhere, [B, T].</summary>
    public required int[,] DecoderAttentionMask { get; init; }

    /// <summary>Training targets, [B · C, T], -100 where there is none; null unless asked for.</summary>
    public int[,]? Labels { get; init; }
}
