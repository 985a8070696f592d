using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Modeling;

/// <summary>Dia without a head: text and rows of audio codes to hidden states, as the reference's <c>DiaModel</c>.</summary>
public sealed class DiaModel : DiaPreTrainedModel
{
    private DiaModel(ModelCheckpoint checkpoint, Device device)
        : base(checkpoint, device, head: false)
    {
    }

    /// <summary>A model with random weights, as the reference initialises them: norms 1, all others normal(0, initializer_range of their part).</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="seed">The same seed gives the same weights, on every machine.</param>
    /// <exception cref="DiaException">Model: no compiled class fits. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public DiaModel(DiaConfig config, IEnumerable<CompiledNetwork> models, Device device, ulong seed = 0)
        : base(config, models, device, seed, head: false)
    {
    }

    /// <summary>Loads a checkpoint, with a head or without. The head's weights are left alone.</summary>
    /// <param name="folder">The model's folder: config.json, model.safetensors or shards.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: missing, malformed, or no compiled class fits. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public static DiaModel FromPretrained(ModelFolder folder, IEnumerable<CompiledNetwork> models, Device device, ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(folder, models, needsHead: false);
        foreach (string warning in checkpoint.Warnings)
            warnings?.Add(warning);
        return FromPretrained(checkpoint, device);
    }

    /// <summary>Makes the model of a checkpoint that is open; it may be disposed before the model.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="device">Where it runs.</param>
    /// <exception cref="DiaException">Model: malformed. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The checkpoint or the device is disposed.</exception>
    public static DiaModel FromPretrained(ModelCheckpoint checkpoint, Device device) => new(checkpoint, device);

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
    /// <param name="cachePosition">Where the rows go in the cache [T]: after what it has, which null says too.</param>
    /// <exception cref="ArgumentException">There is no text, or the cache is another model's.</exception>
    /// <exception cref="DiaException">Input: shapes that do not fit each other, ids outside the vocabulary, or results larger than an array can be. Device: no
    /// memory.</exception>
    /// <exception cref="ObjectDisposedException">The model, its device or the cache is disposed.</exception>
    public DiaModelOutput Forward(
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
        int[]? cachePosition = null) =>
        new(ForwardPass.Run(this, new ForwardArguments
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
            CachePosition = cachePosition,
        }, head: false));

    /// <inheritdoc/>
    private protected override string SavedName(string name) => name[CompiledModel.BasePrefix.Length..];
}
