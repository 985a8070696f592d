using Dia.Backends;
using Dia.Configuration;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Weights;

namespace Dia.Generation;

/// <summary>Dia with generation: text to rows of audio codes.</summary>
public sealed partial class DiaForConditionalGeneration : DiaPreTrainedModel
{
    private readonly GenerationConfig _generationConfig;

    /// <summary>A model with random weights, as the reference initialises them: norms 1, all others normal(0, initializer_range of their part).</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="seed">The same seed gives the same weights, on every machine.</param>
    /// <exception cref="DiaException">Model: no compiled class fits. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public DiaForConditionalGeneration(DiaConfig config, IEnumerable<CompiledNetwork> models, Device device, ulong seed = 0)
        : base(config, models, device, seed, head: true) => (_generationConfig, GenerationKeys) = (new GenerationConfig().WithTokensOf(config), []);

    private DiaForConditionalGeneration(ModelCheckpoint checkpoint, Device device)
        : base(checkpoint, device, head: true) =>
        (_generationConfig, GenerationKeys, GenerationText) = (checkpoint.GenerationConfig, checkpoint.GenerationKeys, checkpoint.GenerationText);

    /// <summary>The keys that the checkpoint's generation_config.json has; for others <see cref="GenerationConfig"/> has the reference's defaults.</summary>
    public IReadOnlyList<string> GenerationKeys { get; }

    /// <inheritdoc/>
    private protected override string? GenerationText { get; }

    /// <summary>Loads a checkpoint.</summary>
    /// <param name="folder">The model's folder: config.json, generation_config.json, model.safetensors or shards.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: missing, malformed, or no compiled class fits. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public static DiaForConditionalGeneration FromPretrained(ModelFolder folder, IEnumerable<CompiledNetwork> models, Device device,
        ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(folder, models);
        foreach (string warning in checkpoint.Warnings)
            warnings?.Add(warning);
        return FromPretrained(checkpoint, device);
    }

    /// <summary>Makes the model of a checkpoint that is open; it may be disposed before the model.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="device">Where it runs.</param>
    /// <exception cref="DiaException">Model: malformed, or without the head's weights. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The checkpoint or the device is disposed.</exception>
    public static DiaForConditionalGeneration FromPretrained(ModelCheckpoint checkpoint, Device device)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return checkpoint.HasHead ? new(checkpoint, device) : throw new DiaException(DiaErrorKind.Model,
            $"{checkpoint.Folder.Description} is a model without its head: there are no weights that make logits of hidden states. Name a whole checkpoint.");
    }

    /// <summary>The checkpoint's generation defaults as a configuration for <see cref="Generate"/>, with this model's token ids and delays.</summary>
    public GenerationConfig GenerationConfig() => _generationConfig;

    /// <summary>Generates rows of audio codes, as the reference's <c>generate</c>.</summary>
    /// <param name="inputs">Text and decoder rows, as <see cref="DiaProcessor"/> makes them.</param>
    /// <param name="config">How; null: the checkpoint's defaults.</param>
    /// <param name="observer">Sees rows as they come; an <see cref="IScoreObserver"/> scores too.</param>
    /// <param name="drawAlone">Every item draws as if it ran alone.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <returns>The sequences [B · num_return_sequences, rows, C]: prompt, delay, EOS and PAD included.</returns>
    /// <exception cref="DiaException">
    /// Usage or Input: values that do not fit, or a delay pattern that has not the model's channels. Model: logits that are not finite. Device: no memory.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed, also while this runs.</exception>
    public int[,,] Generate(DiaInputs inputs, GenerationConfig? config = null, IGenerationObserver? observer = null, bool drawAlone = false,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        config = (config ?? GenerationConfig()) with { OutputScores = false, OutputLogits = false, OutputHiddenStates = false, OutputAttentions = false };
        var options = new GenerationOptions { Observer = observer, DrawAlone = drawAlone };
        return Run(inputs.InputIds, inputs.AttentionMask, inputs.DecoderInputIds, inputs.DecoderAttentionMask, config, options, nameof(inputs),
            cancellationToken).Sequences;
    }

    /// <summary>The same with all that the reference returns where <c>return_dict_in_generate</c> is set: what the configuration asks for.</summary>
    /// <param name="inputIds">Text ids [B, S].</param>
    /// <param name="attentionMask">1 where a byte is text [B, S]; null: everywhere.</param>
    /// <param name="decoderInputIds">Rows to start from [B, rows, C], delayed, PAD where nothing is known; null: one BOS row, and no delay.</param>
    /// <param name="decoderAttentionMask">0 on left padding [B, rows]; null: there is none.</param>
    /// <param name="config">How; null: the checkpoint's defaults.</param>
    /// <param name="options">Observer, stopping criteria, processors; null: none.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="DiaException">
    /// Usage or Input: values that do not fit, or a delay pattern that has not the model's channels. Model: logits that are not finite. Device: no memory.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed, also while this runs.</exception>
    public GenerationResult GenerateOutputs(
        int[,] inputIds,
        int[,]? attentionMask = null,
        int[,,]? decoderInputIds = null,
        int[,]? decoderAttentionMask = null,
        GenerationConfig? config = null,
        GenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(inputIds);
        return Run(inputIds, attentionMask, decoderInputIds, decoderAttentionMask, config ?? GenerationConfig(), options ?? new GenerationOptions(),
            nameof(inputIds), cancellationToken);
    }

    private GenerationResult Run(int[,]? inputIds, int[,]? attentionMask, int[,,]? decoderInputIds, int[,]? decoderAttentionMask, GenerationConfig config,
        GenerationOptions options, string argument, CancellationToken cancellationToken)
    {
        (int channels, int vocabulary) = (Config.DecoderConfig.NumChannels, Config.DecoderConfig.VocabSize);
        config = config.CopyFor(Config);
        options = options with { StoppingCriteria = [.. options.StoppingCriteria], LogitsProcessors = [.. options.LogitsProcessors] };
        (int[,] ids, int[,]? mask) = ForwardInputs.CopyText(Config, inputIds, attentionMask, argument);
        int capacity = Array.MaxLength / channels;
        CheckMemory((long)ids.GetLength(0) * config.NumReturnSequences, ids.GetLength(1), config.RowLimit(1, capacity), config.UsesGuidance);
        (ids, mask) = (Repeat(ids, config.NumReturnSequences)!, Repeat(mask, config.NumReturnSequences));
        var prompt = new DecoderPrompt(Repeat(decoderInputIds, config.NumReturnSequences), Repeat(decoderAttentionMask, config.NumReturnSequences),
            ids.GetLength(0), config, vocabulary);
        int limit = config.RowLimit(prompt.Rows, capacity), batch = prompt.Batch;
        var recorder = new GenerationRecorder(batch, config, options.Observer as IScoreObserver);
        using TracedSession? traced = config.OutputHiddenStates || config.OutputAttentions ? OpenTraced(ids, mask, prompt, limit, config) : null;
        using DecoderSession? session = traced is null ? OpenSession(ids, mask, limit, config.UsesGuidance) : null;
        using IGenerationSteps steps = traced is not null
            ? new GenerationSteps(traced, batch, channels, vocabulary, recorder, together: true)
            : GenerationSteps.For(session!, LogitsControls.AreSet(config) || options.LogitsProcessors.Count > 0, recorder.IsNeeded ? recorder : null,
                recorder.Records);
        var loop = new GenerationLoop(steps, config, prompt, vocabulary, limit, options);
        return new GenerationResult(loop.Run(cancellationToken), [.. loop.Sequences.Select(s => s.Stop)], ids.GetLength(1), config, recorder, traced);
    }

    private TracedSession OpenTraced(int[,] ids, int[,]? mask, DecoderPrompt prompt, int limit, GenerationConfig config)
    {
        int batch = prompt.Batch, streams = config.UsesGuidance ? 2 * batch : batch;
        ForwardInputs.CheckSizes(Config, streams, ids.GetLength(1), prompt.Rows, prompt.Rows, config.OutputAttentions);
        int[,,] rows = new int[batch, prompt.Rows, config.Channels];
        for (int item = 0; item < batch; item++)
            for (int row = 0; row < prompt.Rows; row++)
                for (int channel = 0; channel < config.Channels; channel++)
                    rows[item, row, channel] = prompt.Id(item, row, channel);
        int[] leftPadding = [.. Enumerable.Range(0, batch).Select(prompt.LeftPadding)];
        return new TracedSession(this, ids, mask, rows, leftPadding, limit, config.UsesGuidance, config.OutputHiddenStates, config.OutputAttentions);
    }

    /// <summary>Each item as often, one after the other, as the reference expands its inputs.</summary>
    private static T? Repeat<T>(T? items, int times)
        where T : class
    {
        if (items is not Array array || times == 1 || array.Length == 0)
            return items;
        int length = array.Length / array.GetLength(0), count = checked(array.GetLength(0) * times);
        Array repeated = array.Rank == 2 ? new int[count, array.GetLength(1)] : new int[count, array.GetLength(1), array.GetLength(2)];
        for (int item = 0; item < count; item++)
            Array.Copy(array, (long)item / times * length, repeated, (long)item * length, length);
        return (T)(object)repeated;
    }
}
