using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>One pass of the model over given tensors: the way to compare two devices, builds or libraries.</summary>
internal static class ForwardCommand
{
    public static CommandSpec Spec { get; } = new(
        "forward",
        "Run one pass of the model over given tensors and write what comes out.",
        "IN.safetensors OUT.safetensors",
        [
            new OptionGroup("Rows before", [DiaOptions.Cache, DiaOptions.CacheOut]),
            new OptionGroup("Output", [DiaOptions.HiddenStates, DiaOptions.Attentions, DiaOptions.Grad]),
            DiaOptions.ModelGroup,
        ],
        """
        Reads (integers; all but the text may be missing; names may carry the prefix "in."):
          input_ids, or encoder_last_hidden_state [batch, text, width] in its place, or the text of --cache;
          attention_mask [batch, text]; decoder_input_ids [batch, rows, channels] or [batch·channels, rows];
          decoder_position_ids [batch, rows]; decoder_attention_mask [batch, rows of the cache and these]; cache_position [rows];
          labels [batch·channels, rows], -100 where there is none
        Writes (float32):
          logits [batch·channels, rows, vocabulary], unless the checkpoint has no head; loss [1] where there are labels;
          model.last_hidden_state [batch, rows, width]; encoder_last_hidden_state unless --cache has the text;
          encoder_hidden_states.N, decoder_hidden_states.N with --hidden-states;
          encoder_attentions.N, decoder_attentions.N, cross_attentions.N with --attentions;
          grad.PARAMETER, of each parameter's shape, with --grad (on the processor)
        A cache has self.N.keys, self.N.values, cross.N.keys, cross.N.values [batch, heads, rows, width of a head], and rope_length [1]:
          the longest position that set the rotary frequencies, plus one.
        """,
        Run);

    private static void Run(Invocation run)
    {
        string input = run.Line.Words[0], output = run.Line.Words[1];
        string? cacheOut = run.Line.Get(DiaOptions.CacheOut);
        OutputNames.Check("OUT.safetensors", output, OutputContent.Tensors, run.Line.Command.Title);
        if (cacheOut is not null)
            OutputNames.Check(DiaOptions.CacheOut.Name, cacheOut, OutputContent.Tensors, run.Line.Command.Title);
        if (cacheOut is not null && Target(cacheOut) == Target(output))
            throw CommandLine.Usage($"{DiaOptions.CacheOut.Name} is '{cacheOut}', and so is OUT.safetensors: name two files.");
        // Rows may go on in the file of those before.
        bool goesOn = cacheOut is not null && run.Line.Get(DiaOptions.Cache) is { } before && Target(cacheOut) == Target(before);
        run.KeepInputs([("OUT.safetensors", output), (DiaOptions.CacheOut.Name, goesOn ? null : cacheOut)], ("IN.safetensors", input));
        CacheFile? cache = run.Line.Get(DiaOptions.Cache) is { } path ? CacheFile.Read(path) : null;
        var inputs = ForwardFile.Read(input, hasText: cache is not null);
        using var files = new Checkpoints(run) { NeedsHead = false };
        // Nothing is reserved: a whole pass takes what its sequences need, which no plan knows.
        using Device device = DeviceChoice.Create(run, files, model: true, codec: false, reserve: false);
        using DiaPreTrainedModel model = files.LoadForward(device);
        files.PlaceWeights(model, rows: 1); // one pass
        using PastKeyValues? past = cache?.Load(model);
        using OutputFile file = run.Interruption.Open(output);
        using OutputFile? cacheFile = cacheOut is null ? null : run.Interruption.Open(cacheOut);
        using ParameterGradients? gradients = run.Line.Has(DiaOptions.Grad) ? Gradients(run, input, inputs, model) : null;
        DiaModelOutput result = Forward(run, input, inputs, model, past, useCache: cacheOut is not null, gradients);
        using PastKeyValues? made = result.PastKeyValues;
        using (var whole = result as DiaOutput)
        {
            run.Interruption.Token.ThrowIfCancellationRequested();
            if (gradients is not null)
                whole!.Backward();
        }

        run.Interruption.Token.ThrowIfCancellationRequested();
        SafetensorsWriter.Save(file.Stream, [.. Arrays(result), .. gradients?.Names.Select(n => Gradient(gradients, n)) ?? []]);
        if (cacheFile is not null)
            SafetensorsWriter.Save(cacheFile.Stream, [.. CacheFile.Arrays(made!)]);
        // What cannot be written is seen before one of them appears.
        file.Stream.Flush();
        cacheFile?.Stream.Flush();
        cacheFile?.Commit();
        file.Commit();
        string loss = result is DiaOutput { Loss: float value } ? Format.Text($", loss {value}") : "";
        run.Reporter.Summary(Format.Text($"{result.Batch} x {result.TextLength} text ids, {result.Batch} x {result.Rows} rows{loss}"));
    }

    private static DiaModelOutput Forward(Invocation run, string path, ForwardFile inputs, DiaPreTrainedModel model, PastKeyValues? past, bool useCache,
        ParameterGradients? gradients)
    {
        bool hiddenStates = run.Line.Has(DiaOptions.HiddenStates), attentions = run.Line.Has(DiaOptions.Attentions);
        try
        {
            if (model is DiaForConditionalGeneration whole)
                return whole.Forward(inputs.InputIds, inputs.AttentionMask, inputs.DecoderInputIds, inputs.DecoderPositionIds, inputs.DecoderAttentionMask,
                    inputs.EncoderOutput, past, useCache, attentions, hiddenStates, inputs.Labels, inputs.CachePosition, gradients: gradients);
            if (inputs.Labels is not null)
                throw new DiaException(DiaErrorKind.Input, "labels ask for a loss, which a checkpoint without a head does not give.");
            return ((DiaModel)model).Forward(inputs.InputIds, inputs.AttentionMask, inputs.DecoderInputIds, inputs.DecoderPositionIds,
                inputs.DecoderAttentionMask, inputs.EncoderOutput, past, useCache, attentions, hiddenStates, inputs.CachePosition);
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Input)
        {
            throw new DiaException(e.Kind, $"{path}: {e.Message}", e);
        }
    }

    /// <summary>The file that a name stands for, through links.</summary>
    private static string Target(string path) => new FileInfo(path) is { LinkTarget: not null } link
        ? link.ResolveLinkTarget(returnFinalTarget: true)!.FullName
        : Path.GetFullPath(path);

    private static ParameterGradients Gradients(Invocation run, string path, ForwardFile inputs, DiaPreTrainedModel model)
    {
        OptionSpec? other = new OptionSpec[] { DiaOptions.Cache, DiaOptions.CacheOut, DiaOptions.HiddenStates, DiaOptions.Attentions }
            .FirstOrDefault(o => o is OptionSpec<bool> flag ? run.Line.Has(flag) : run.Line.Get((OptionSpec<string>)o) is not null);
        if (other is not null)
            throw CommandLine.Usage($"{DiaOptions.Grad.Name} and {other.Name} do not go together: run `dia forward` once for each.");
        if (inputs.Labels is null || inputs.InputIds is null)
            throw new DiaException(DiaErrorKind.Input,
                $"{path}: {DiaOptions.Grad.Name} needs labels and input_ids in it, as `dia prepare --labels` writes them.");
        return model is DiaForConditionalGeneration ? model.CreateGradients() : throw new DiaException(DiaErrorKind.Model,
            $"{DiaOptions.Grad.Name} needs a whole checkpoint: one without a head gives no loss.");
    }

    private static SafetensorsArray Gradient(ParameterGradients gradients, string name) =>
        new("grad." + name, [.. gradients.ShapeOf(name)], gradients.Read(name));

    private static IEnumerable<SafetensorsArray> Arrays(DiaModelOutput result)
    {
        DiaDecoderConfig d = result.Config.DecoderConfig;
        int textWidth = result.Config.EncoderConfig.HiddenSize;
        SafetensorsArray[] arrays =
        [
            .. States("encoder_hidden_states", result.EncoderHiddenStates, result.TextLength, textWidth),
            .. States("decoder_hidden_states", result.DecoderHiddenStates, result.Rows, d.HiddenSize),
            .. Maps("encoder_attentions", result.EncoderAttentions),
            .. Maps("decoder_attentions", result.DecoderAttentions),
            .. Maps("cross_attentions", result.CrossAttentions),
            new("model.last_hidden_state", [result.Batch, result.Rows, d.HiddenSize], result.LastHiddenState),
        ];
        if (result.EncoderLastHiddenState is { } encoded)
            arrays = [.. arrays, new("encoder_last_hidden_state", [result.Batch, result.TextLength, textWidth], encoded)];
        if (result is not DiaOutput output)
            return arrays;
        arrays = [.. arrays, new("logits", [result.Batch * d.NumChannels, result.Rows, d.VocabSize], output.Logits)];
        return output.Loss is float loss ? [.. arrays, new("loss", [1], new[] { loss })] : arrays;

        IEnumerable<SafetensorsArray> States(string name, IReadOnlyList<float[]> states, int length, int width) =>
            states.Select((s, i) => new SafetensorsArray($"{name}.{i}", [result.Batch, length, width], s));

        IEnumerable<SafetensorsArray> Maps(string name, IReadOnlyList<AttentionMap> maps) =>
            maps.Select((m, i) => new SafetensorsArray($"{name}.{i}", [m.Batch, m.Heads, m.Rows, m.Keys], m.Values));
    }
}
