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
        [new OptionGroup("Output", [DiaOptions.HiddenStates, DiaOptions.Attentions]), DiaOptions.ModelGroup],
        """
        Reads (integers; all but input_ids may be missing; names may carry the prefix "in."):
          input_ids, attention_mask [batch, text]; decoder_input_ids [batch, rows, channels] or [batch·channels, rows];
          decoder_position_ids, decoder_attention_mask [batch, rows]; labels [batch·channels, rows], -100 where there is none
        Writes (float32):
          logits [batch·channels, rows, vocabulary]; loss [1] where there are labels;
          encoder_hidden_states.N, decoder_hidden_states.N with --hidden-states;
          encoder_attentions.N, decoder_attentions.N, cross_attentions.N with --attentions
        """,
        Run);

    private static void Run(Invocation run)
    {
        string input = run.Line.Words[0], output = run.Line.Words[1];
        OutputNames.Check("OUT.safetensors", output, OutputContent.Tensors, run.Line.Command.Title);
        bool hiddenStates = run.Line.Has(DiaOptions.HiddenStates), attentions = run.Line.Has(DiaOptions.Attentions);
        var inputs = ForwardFile.Read(input);
        using var files = new Checkpoints(run);
        // Nothing is reserved: a whole pass takes what its sequences need, which no plan knows.
        using Device device = DeviceChoice.Create(run, files, model: true, codec: false, reserve: false);
        using DiaForConditionalGeneration model = files.LoadModel(device);
        int[,,]? decoderIds = inputs.DecoderInputIds(model.Config.DecoderConfig.NumChannels);
        CheckSize(input, model.Config, inputs.InputIds, decoderIds, attentions);
        using OutputFile file = run.Interruption.Open(output);
        DiaOutput result = model.Forward(
            inputs.InputIds, inputs.AttentionMask, decoderIds, inputs.DecoderPositionIds, inputs.DecoderAttentionMask, inputs.Labels,
            outputHiddenStates: hiddenStates, outputAttentions: attentions);
        run.Interruption.Token.ThrowIfCancellationRequested();
        SafetensorsWriter.Save(file.Stream, Arrays(result));
        file.Commit();
        run.Reporter.Summary(
            Format.Text(
            $"{result.Batch} x {result.TextLength} text ids, {result.Batch} x {result.Rows} rows{(result.Loss is float loss ? Format.Text($", loss {loss}") : "")}"));
    }

    /// <summary>What comes out must fit into arrays: better said before than after the work.</summary>
    private static void CheckSize(string path, DiaConfig config, int[,] inputIds, int[,,]? decoderIds, bool attentions)
    {
        DiaDecoderConfig d = config.DecoderConfig;
        DiaEncoderConfig e = config.EncoderConfig;
        double batch = inputIds.GetLength(0), text = inputIds.GetLength(1), rows = decoderIds?.GetLength(1) ?? 1;
        double logits = batch * rows * d.NumChannels * d.VocabSize, states = batch * Math.Max(text * e.HiddenSize, rows * d.HiddenSize);
        double maps = attentions
            ? batch * Math.Max(Math.Max(text * text * e.NumAttentionHeads, rows * rows * d.NumAttentionHeads), rows * text * d.CrossNumAttentionHeads) : 0;
        if (Math.Max(Math.Max(logits, states), maps) > Array.MaxLength)
            throw new DiaException(DiaErrorKind.Input,
                $"{path}: {batch} x {text} text ids and {batch} x {rows} rows make a tensor of more than {Array.MaxLength} values. Pass less at once.");
    }

    private static List<SafetensorsArray> Arrays(DiaOutput result)
    {
        DiaDecoderConfig d = result.Config.DecoderConfig;
        var arrays = new List<SafetensorsArray> { new("logits", [result.Batch * d.NumChannels, result.Rows, d.VocabSize], result.Logits) };
        if (result.Loss is float loss)
            arrays.Add(new SafetensorsArray("loss", [1], new[] { loss }));
        if (result.Trace is not { } trace)
            return arrays;
        return
        [
            .. arrays,
            .. States("encoder_hidden_states", trace.EncoderHiddenStates, result.TextLength, result.Config.EncoderConfig.HiddenSize),
            .. States("decoder_hidden_states", trace.DecoderHiddenStates, result.Rows, d.HiddenSize),
            .. Maps("encoder_attentions", trace.EncoderAttentions),
            .. Maps("decoder_attentions", trace.DecoderAttentions),
            .. Maps("cross_attentions", trace.CrossAttentions),
        ];

        IEnumerable<SafetensorsArray> States(string name, IReadOnlyList<float[]> states, int length, int width) =>
            states.Select((s, i) => new SafetensorsArray($"{name}.{i}", [result.Batch, length, width], s));

        IEnumerable<SafetensorsArray> Maps(string name, IReadOnlyList<AttentionMap> maps) =>
            maps.Select((m, i) => new SafetensorsArray($"{name}.{i}", [m.Batch, m.Heads, m.Rows, m.Keys], m.Values));
    }
}
