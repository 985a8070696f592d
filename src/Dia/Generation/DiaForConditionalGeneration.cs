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

    private DiaForConditionalGeneration(ModelCheckpoint checkpoint, Device device)
        : base(checkpoint, device, head: true) => (_generationConfig, GenerationKeys) = (checkpoint.GenerationConfig, checkpoint.GenerationKeys);

    /// <summary>The keys that the checkpoint's generation_config.json has; for others <see cref="GenerationConfig"/> has the reference's defaults.</summary>
    public IReadOnlyList<string> GenerationKeys { get; }

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
    /// <param name="observer">Sees scores and rows as they come.</param>
    /// <param name="drawAlone">Every item draws as if it ran alone.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <returns>The sequences [B, rows, C]: prompt, delay, EOS and PAD included.</returns>
    /// <exception cref="DiaException">
    /// Usage or Input: values that do not fit, or a delay pattern that has not the model's channels. Model: logits that are not finite. Device: no memory.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed, also while this runs.</exception>
    public int[,,] Generate(DiaInputs inputs, GenerationConfig? config = null, IGenerationObserver? observer = null, bool drawAlone = false,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        config = (config ?? GenerationConfig()).CopyFor(Config.DecoderConfig);
        (int[,] ids, int[,]? mask) = ForwardInputs.CopyText(Config, inputs.InputIds, inputs.AttentionMask, nameof(inputs));
        var prompt = new DecoderPrompt(inputs.DecoderInputIds, inputs.DecoderAttentionMask, ids.GetLength(0), config, Config.DecoderConfig.VocabSize);
        int limit = config.RowLimit(prompt.Rows, RowCapacity);
        using DecoderSession session = OpenSession(ids, mask, limit, config.UsesGuidance);
        using IGenerationSteps steps = GenerationSteps.For(session, observer);
        return new GenerationLoop(steps, config, prompt, Config.DecoderConfig.VocabSize, limit, drawAlone).Run(cancellationToken);
    }
}
