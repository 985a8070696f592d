using Dia.Configuration;
using Dia.Networks;

namespace Dia.Modeling;

/// <summary>What a forward pass is given, in the reference's names.</summary>
internal sealed record ForwardArguments
{
    /// <summary>Text ids [B, S]; null: the encoder output, or the cache, has the text.</summary>
    public int[,]? InputIds { get; init; }

    /// <summary>1 where an id is text [B, S]; null: everywhere.</summary>
    public int[,]? AttentionMask { get; init; }

    /// <summary>Audio ids; null: one BOS row.</summary>
    public DecoderInputIds? DecoderInputIds { get; init; }

    /// <summary>Positions [B, T]; null: they follow what is cached.</summary>
    public int[,]? DecoderPositionIds { get; init; }

    /// <summary>1 where a row is to be seen [B, cached + T]; null: everywhere.</summary>
    public int[,]? DecoderAttentionMask { get; init; }

    /// <summary>In place of text ids.</summary>
    public EncoderOutput? EncoderOutput { get; init; }

    /// <summary>The rows before; null: none.</summary>
    public PastKeyValues? PastKeyValues { get; init; }

    /// <summary>Whether a cache is returned.</summary>
    public bool UseCache { get; init; }

    /// <summary>Whether hidden states are.</summary>
    public bool OutputHiddenStates { get; init; }

    /// <summary>Whether attention maps are.</summary>
    public bool OutputAttentions { get; init; }

    /// <summary>Labels [B·C, T], −100 where there is none; null: no loss.</summary>
    public int[,]? Labels { get; init; }

    /// <summary>What a backward pass will add to; null: none follows.</summary>
    public ParameterGradients? Gradients { get; init; }

    /// <summary>Whether the loss alone is wanted: logits stay on the device.</summary>
    public bool LossOnly { get; init; }

    /// <summary>Where the rows go in the cache [T]; null: after what it has.</summary>
    public int[]? CachePosition { get; init; }

    /// <summary>Sequences (B), once it is checked.</summary>
    public int Batch { get; private init; }

    /// <summary>Text ids of each (S), once it is checked.</summary>
    public int TextLength { get; private init; }

    /// <summary>Rows (T), once it is checked.</summary>
    public int Rows { get; private init; }

    /// <summary>Rows in the cache, once it is checked.</summary>
    public int Cached => PastKeyValues?.Length ?? 0;

    /// <summary>Rows [B, T, C], once it is checked.</summary>
    public int[,,] Ids { get; private init; } = new int[0, 0, 0];

    /// <summary>A checked copy, so that nobody can change what was checked. In a turn: nobody else adds to the cache.</summary>
    /// <exception cref="ArgumentException">There is no text, or the cache is another model's.</exception>
    /// <exception cref="DiaException">Input: shapes that do not fit each other, ids outside the vocabulary, results larger than an array can be.</exception>
    /// <exception cref="ObjectDisposedException">The cache is disposed.</exception>
    public ForwardArguments Checked(DiaPreTrainedModel model)
    {
        PastKeyValues?.CheckUsable(model);
        if (Gradients is not null && (InputIds is null || Labels is null || PastKeyValues is not null || UseCache || OutputHiddenStates || OutputAttentions))
            throw new ArgumentException("A pass with gradients takes text ids and labels, and neither takes nor gives caches, hidden states or attention maps.",
                "gradients");
        Gradients?.CheckUsable(model.Parameters);
        DiaConfig config = model.Config;
        (int batch, int length) = InputIds is not null ? (InputIds.GetLength(0), InputIds.GetLength(1))
            : EncoderOutput is not null ? (EncoderOutput.Batch, EncoderOutput.TextLength)
            : PastKeyValues is not null ? (PastKeyValues.Batch, PastKeyValues.TextLength)
            : throw new ArgumentException("Give the text: its ids, its encoder output, or a cache that holds it.", "inputIds");
        if (InputIds is not null && EncoderOutput is not null)
            throw new ArgumentException("Give the text's ids or its encoder output, not both.", "encoderOutput");
        ForwardInputs.CheckSizes(config, batch, length, DecoderInputIds?.Rows ?? 1, Cached + (long)(DecoderInputIds?.Rows ?? 1), OutputAttentions);
        int channels = config.DecoderConfig.NumChannels;
        int[,,] ids = DecoderInputIds?.ToRows(channels) ?? ForwardInputs.BosRows(batch, channels, config.BosTokenId);
        ForwardArguments copy = this with
        {
            InputIds = (int[,]?)InputIds?.Clone(),
            AttentionMask = (int[,]?)AttentionMask?.Clone(),
            DecoderPositionIds = (int[,]?)DecoderPositionIds?.Clone(),
            DecoderAttentionMask = (int[,]?)DecoderAttentionMask?.Clone(),
            Labels = (int[,]?)Labels?.Clone(),
            CachePosition = (int[]?)CachePosition?.Clone(),
            Batch = batch,
            TextLength = length,
            Rows = ids.GetLength(1),
            Ids = ids,
        };
        copy.Check(config);
        return copy;
    }

    private void Check(DiaConfig config)
    {
        DiaDecoderConfig d = config.DecoderConfig;
        if (InputIds is not null)
            ForwardInputs.CheckText(config, InputIds);
        if (EncoderOutput is { } given && given.Width != config.EncoderConfig.HiddenSize)
            throw ForwardInputs.Error(
                $"encoder_last_hidden_state is [{given.Batch}, {given.TextLength}, {given.Width}]; the model's has {config.EncoderConfig.HiddenSize} values a row.");
        if (PastKeyValues is { } past && (past.Batch != Batch || past.TextLength != TextLength))
            throw ForwardInputs.Error(
                $"the cache holds {past.Batch} sequences with {past.TextLength} text ids each, and {Batch} with {TextLength} were given: they must be the same.");
        ForwardInputs.CheckSame(AttentionMask, "attention_mask", Batch, TextLength);
        if (Ids.GetLength(0) != Batch || Ids.GetLength(2) != d.NumChannels || Rows == 0)
            throw ForwardInputs.Error(
                $"decoder_input_ids is [{Ids.GetLength(0)}, {Rows}, {Ids.GetLength(2)}]; it must be [{Batch}, rows, {d.NumChannels}] with at least one row.");
        ForwardInputs.CheckRange(Ids, "decoder_input_ids", 0, d.VocabSize - 1);
        if (Cached + (long)Rows > ForwardInputs.MaxPosition)
            throw ForwardInputs.Error($"{Cached} cached and {Rows} more rows are more than {ForwardInputs.MaxPosition}.");
        ForwardInputs.CheckSame(DecoderPositionIds, "decoder_position_ids", Batch, Rows);
        ForwardInputs.CheckRange(DecoderPositionIds, "decoder_position_ids", 0, ForwardInputs.MaxPosition);
        ForwardInputs.CheckSame(DecoderAttentionMask, "decoder_attention_mask", Batch, Cached + Rows);
        ForwardInputs.CheckSame(Labels, "labels", Batch * d.NumChannels, Rows);
        if (Labels is not null)
            foreach (int label in Labels)
                if (label != CrossEntropy.Ignored && (uint)label >= (uint)d.VocabSize)
                    throw ForwardInputs.Error($"labels holds {label}; it must be -100 or from 0 to {d.VocabSize - 1}.");
        // The cache grows at its end; a gap, or rows in the middle, would be read as what they are not.
        if (CachePosition is not null && !CachePosition.SequenceEqual(Enumerable.Range(Cached, Rows)))
            throw ForwardInputs.Error(
                $"cache_position must be {Cached} to {Cached + Rows - 1}, one a row: where the {Rows} rows go after the {Cached} that are cached.");
    }
}
