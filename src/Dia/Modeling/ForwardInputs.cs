using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>Checks what is given to a forward pass: a kernel that looks up an id trusts it.</summary>
internal static class ForwardInputs
{
    /// <summary>The largest position of a row.</summary>
    public const int MaxPosition = 1 << 24;

    /// <summary>One BOS row for each sequence [batch, 1, channels].</summary>
    public static int[,,] BosRows(int batch, int channels, int bosTokenId)
    {
        var rows = new int[batch, 1, channels];
        for (int b = 0; b < batch; b++)
            for (int c = 0; c < channels; c++)
                rows[b, 0, c] = bosTokenId;
        return rows;
    }

    /// <summary>The ids of a text or of several.</summary>
    /// <exception cref="DiaException">Input.</exception>
    public static void CheckText(DiaConfig config, Array inputIds)
    {
        if (inputIds.Length == 0)
            throw Error("input_ids is empty: give at least one byte of text.");
        CheckRange(inputIds, "input_ids", 0, config.EncoderConfig.VocabSize - 1);
    }

    /// <summary>A copy of the text, so that nobody can change what was checked.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="inputIds">Text ids.</param>
    /// <param name="attentionMask">1 where an id is text; null: everywhere.</param>
    /// <param name="argument">The caller's argument that they are in.</param>
    /// <exception cref="ArgumentException">There are no ids.</exception>
    /// <exception cref="DiaException">Input.</exception>
    public static (int[,] Ids, int[,]? Mask) CopyText(DiaConfig config, int[,]? inputIds, int[,]? attentionMask, string argument)
    {
        if (inputIds is null)
            throw new ArgumentException("It holds no InputIds.", argument);
        (int[,] ids, int[,]? mask) = ((int[,])inputIds.Clone(), (int[,]?)attentionMask?.Clone());
        CheckText(config, ids);
        CheckSame(mask, "attention_mask", ids.GetLength(0), ids.GetLength(1));
        return (ids, mask);
    }

    /// <summary>What a forward pass gives must fit arrays.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Text ids of each.</param>
    /// <param name="rows">Rows of each.</param>
    /// <param name="keys">Those and what is cached.</param>
    /// <param name="attentions">Whether there are attention maps.</param>
    /// <exception cref="DiaException">Input.</exception>
    public static void CheckSizes(DiaConfig config, long batch, long length, long rows, long keys, bool attentions)
    {
        (DiaEncoderConfig e, DiaDecoderConfig d) = (config.EncoderConfig, config.DecoderConfig);
        Check("encoder output", batch * length, e.HiddenSize);
        Check("logits", batch * rows, (long)d.NumChannels * d.VocabSize);
        Check("decoder's hidden states", batch * rows, d.HiddenSize);
        if (!attentions)
            return;
        Check("encoder's attention maps", batch * e.NumAttentionHeads, length * length);
        Check("decoder's attention maps", batch * d.NumAttentionHeads, rows * keys);
        Check("attention maps of the text", batch * d.CrossNumAttentionHeads, rows * length);

        static void Check(string what, long count, long width)
        {
            if (width > 0 && count > Array.MaxLength / width)
                throw Error($"the {what} would have {count} x {width} values, more than an array holds: give fewer sequences at a time, or shorter ones.");
        }
    }

    /// <summary>The shape of a matrix.</summary>
    /// <exception cref="DiaException">Input.</exception>
    public static void CheckSame(int[,]? array, string name, int rows, int columns)
    {
        if (array is not null && (array.GetLength(0) != rows || array.GetLength(1) != columns))
            throw Error($"{name} is [{array.GetLength(0)}, {array.GetLength(1)}]; it must be [{rows}, {columns}].");
    }

    /// <summary>The range of ids.</summary>
    /// <exception cref="DiaException">Input.</exception>
    public static void CheckRange(Array? array, string name, int lowest, int highest)
    {
        if (array is null)
            return;
        foreach (int id in array)
            if (id < lowest || id > highest)
                throw Error($"{name} holds {id}; it must be from {lowest} to {highest}.");
    }

    /// <summary>An error of what was given.</summary>
    public static DiaException Error(string message) => new(DiaErrorKind.Input, message);
}
