using System.Diagnostics.CodeAnalysis;

namespace Dia.Modeling;

/// <summary>
/// Audio ids as the reference takes them: [B, T, C], or [B·C, T] with the channels in the batch, as labels and logits have them. Either array is one.
/// </summary>
public sealed class DecoderInputIds
{
    private readonly Array _ids;

    private DecoderInputIds(Array ids) => _ids = ids;

    /// <summary>Rows (T).</summary>
    public int Rows => _ids.GetLength(1);

    /// <summary>Ids [B, T, C].</summary>
    [return: NotNullIfNotNull(nameof(ids))]
    public static implicit operator DecoderInputIds?(int[,,]? ids) => ids is null ? null : new DecoderInputIds(ids);

    /// <summary>Ids [B·C, T].</summary>
    [return: NotNullIfNotNull(nameof(ids))]
    public static implicit operator DecoderInputIds?(int[,]? ids) => ids is null ? null : new DecoderInputIds(ids);

    /// <summary>A copy [B, T, C].</summary>
    /// <param name="channels">The model's channels.</param>
    /// <exception cref="DiaException">Input: [B·C, T] of another number of channels.</exception>
    public int[,,] ToRows(int channels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        if (_ids is int[,,] rows)
            return (int[,,])rows.Clone();
        int[,] flat = (int[,])_ids;
        if (flat.GetLength(0) % channels != 0)
            throw new DiaException(DiaErrorKind.Input,
                $"decoder_input_ids is [{flat.GetLength(0)}, {flat.GetLength(1)}]; it must be [batch, rows, {channels}] or [batch·{channels}, rows].");
        var turned = new int[flat.GetLength(0) / channels, Rows, channels];
        for (int i = 0; i < flat.GetLength(0); i++)
            for (int t = 0; t < Rows; t++)
                turned[i / channels, t, i % channels] = flat[i, t];
        return turned;
    }
}
