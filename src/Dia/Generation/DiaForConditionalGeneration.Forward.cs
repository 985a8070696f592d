using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;

namespace Dia.Generation;

// A pass over whole sequences.
public sealed partial class DiaForConditionalGeneration
{
    /// <summary>
    /// One pass over whole sequences, as the reference's <c>forward</c>. The text comes as ids, as encoder output, or in a cache. Unlike in the reference a
    /// cache is made only where it is asked for, whatever <c>use_cache</c> of the configuration says: the caller has to dispose it.
    /// </summary>
    /// <param name="inputIds">Text ids [B, S].</param>
    /// <param name="attentionMask">1 where an id is text [B, S]; null: everywhere. Given again with each pass, also where the text is in a cache.</param>
    /// <param name="decoderInputIds">Audio ids [B, T, C] or [B·C, T]; null: one BOS row.</param>
    /// <param name="decoderPositionIds">Positions [B, T]; null: they follow the rows in the cache, from 0.</param>
    /// <param name="decoderAttentionMask">1 where a row is to be seen, those in the cache first [B, cached + T]; null: everywhere.</param>
    /// <param name="encoderOutput">In place of text ids: what <see cref="DiaPreTrainedModel.Encode"/> gave, or any values.</param>
    /// <param name="pastKeyValues">The rows before these, and the text, whatever is given for it beside this; it gets these rows too.</param>
    /// <param name="useCache">Whether to return a new cache where none is given.</param>
    /// <param name="outputAttentions">Whether to record attention maps.</param>
    /// <param name="outputHiddenStates">Whether to record hidden states.</param>
    /// <param name="labels">Labels [B·C, T], −100 where there is none; null: no loss.</param>
    /// <param name="cachePosition">Where the rows go in the cache [T]: after what it has, which null says too.</param>
    /// <param name="numItemsInBatch">What the summed loss is divided by; null: the number of labels.</param>
    /// <param name="gradients">What <see cref="DiaOutput.Backward"/> will add to; the output then holds memory until it is disposed.</param>
    /// <exception cref="ArgumentException">There is no text, or the cache or the gradients are another model's.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="numItemsInBatch"/> is not a finite number above 0.</exception>
    /// <exception cref="DiaException">Input: shapes that do not fit each other, ids outside the vocabulary, or results larger than an array can be. Device: no
    /// memory.</exception>
    /// <exception cref="ObjectDisposedException">The model, its device or the cache is disposed.</exception>
    public DiaOutput Forward(
        int[,]? inputIds = null,
        int[,]? attentionMask = null,
        DecoderInputIds? decoderInputIds = null,
        int[,]? decoderPositionIds = null,
        int[,]? decoderAttentionMask = null,
        EncoderOutput? encoderOutput = null,
        PastKeyValues? pastKeyValues = null,
        bool useCache = false,
        bool outputAttentions = false,
        bool outputHiddenStates = false,
        int[,]? labels = null,
        int[]? cachePosition = null,
        double? numItemsInBatch = null,
        ParameterGradients? gradients = null)
    {
        return Forward(new ForwardArguments
        {
            InputIds = inputIds,
            AttentionMask = attentionMask,
            DecoderInputIds = decoderInputIds,
            DecoderPositionIds = decoderPositionIds,
            DecoderAttentionMask = decoderAttentionMask,
            EncoderOutput = encoderOutput,
            PastKeyValues = pastKeyValues,
            UseCache = useCache,
            OutputAttentions = outputAttentions,
            OutputHiddenStates = outputHiddenStates,
            Labels = labels,
            CachePosition = cachePosition,
            Gradients = gradients,
        }, numItemsInBatch);
    }

    /// <summary>
    /// The same where the loss alone is wanted: the output's logits are empty, and its hidden states too where gradients are given.
    /// </summary>
    /// <param name="inputs">Text, rows and labels.</param>
    /// <param name="gradients">What <see cref="DiaOutput.Backward"/> will add to; null: no backward pass follows.</param>
    /// <param name="numItemsInBatch">What the summed loss is divided by; null: the number of labels.</param>
    internal DiaOutput ForwardLoss(DiaInputs inputs, ParameterGradients? gradients, double? numItemsInBatch = null) => Forward(new ForwardArguments
    {
        InputIds = inputs.InputIds,
        AttentionMask = inputs.AttentionMask,
        DecoderInputIds = inputs.DecoderInputIds,
        DecoderAttentionMask = inputs.DecoderAttentionMask,
        Labels = inputs.Labels,
        Gradients = gradients,
        LossOnly = true,
    }, numItemsInBatch);

    private DiaOutput Forward(ForwardArguments arguments, double? numItemsInBatch)
    {
        if (numItemsInBatch is double items && !(items > 0 && double.IsFinite(items)))
            throw new ArgumentOutOfRangeException(nameof(numItemsInBatch), items, "The summed loss is divided by it: a finite number above 0.");
        return new DiaOutput(ForwardPass.Run(this, arguments, head: true), numItemsInBatch);
    }
}
