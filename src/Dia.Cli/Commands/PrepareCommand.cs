using Dia.Cli.Input;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>Texts and recordings to the model's inputs.</summary>
internal static class PrepareCommand
{
    public static CommandSpec Spec { get; } = new(
        "prepare",
        "Make the tensors that `dia forward` and `dia generate` read, of texts and recordings.",
        "",
        [
            new OptionGroup("Input", [DiaOptions.Texts, DiaOptions.Recordings, DiaOptions.Labels]),
            new OptionGroup("Output", [DiaOptions.Output]),
            DiaOptions.CodecGroup,
        ],
        """
        Examples:
          dia prepare --text "[S1] Hello there." --text "[S2] Hi." -o in.safetensors
          dia prepare --text "[S1] What I say in me.wav. [S1] And so on." --audio me.wav -o in.safetensors
          dia prepare --text "[S1] What I say in me.wav." --audio me.wav --labels -o in.safetensors
          dia forward in.safetensors out.safetensors                       # writes the loss too

        As the reference library's processor does it: texts are taken as they stand, of any length, without a tag put in front.
        Recordings are averaged to mono, resampled to the codec's rate and padded with silence to whole frames; nothing is cut. Of the
        model only the configuration is read; the codec is needed for recordings alone.

        Writes (int64): input_ids, attention_mask [batch, text]; decoder_input_ids [batch, rows, channels]; decoder_attention_mask
        [batch, rows]; with --labels labels [batch·channels, rows], -100 where there is none.
        """,
        Run);

    private static void Run(Invocation run)
    {
        IReadOnlyList<string> texts = run.Line.GetAll(DiaOptions.Texts), names = run.Line.GetAll(DiaOptions.Recordings);
        bool labels = run.Line.Has(DiaOptions.Labels);
        CheckCounts(texts, names, labels);
        string output = run.OutputPath(OutputContent.Tensors);
        run.KeepInputs([("-o", output)]);
        AudioBuffer[] audio = [.. names.Select(name => VoiceInput.ReadAudio(run, name))];
        for (int i = 0; i < audio.Length; i++)
            if (audio[i].Frames == 0)
                throw new DiaException(DiaErrorKind.Input, $"{VoiceInput.Name(names[i])} holds no samples.");
        using var files = new Checkpoints(run);
        DiaConfig config = files.ModelConfig;
        using Device? device = names.Count > 0 ? DeviceChoice.Create(run, files, model: false, codec: true) : null;
        using DacModel? codec = device is null ? null : files.LoadCodec(device, config);
        DiaProcessor processor = DiaProcessor.Create(config, codec);
        using OutputFile file = run.Interruption.Open(output);
        AudioBuffer[]? heard = codec is null ? null : [.. audio.Select(a => new AudioBuffer(a.ToMono(codec.SamplingRate), codec.SamplingRate))];
        DiaInputs inputs = processor.Process(texts, heard, generation: !labels, outputLabels: labels);
        SafetensorsWriter.Save(file.Stream, Arrays(inputs));
        file.Commit();
        run.Reporter.Summary(Format.Text(
            $"{texts.Count} x {inputs.InputIds.GetLength(1)} text ids, {texts.Count} x {inputs.DecoderInputIds.GetLength(1)} rows{(labels ? ", labels" : "")}"));
    }

    private static void CheckCounts(IReadOnlyList<string> texts, IReadOnlyList<string> audio, bool labels)
    {
        if (texts.Count == 0)
            throw CommandLine.Usage($"dia prepare needs {DiaOptions.Texts.Name} {DiaOptions.Texts.Value}.");
        if (audio.Count > 0 && audio.Count != texts.Count)
            throw CommandLine.Usage(
                $"{DiaOptions.Texts.Name} is given {Times(texts.Count)} and {DiaOptions.Recordings.Name} {Times(audio.Count)}: give a recording for each text, or none.");
        if (labels && audio.Count == 0)
            throw CommandLine.Usage($"{DiaOptions.Labels.Name} is for recordings: give {DiaOptions.Recordings.Name} {DiaOptions.Recordings.Value} for each text.");
        if (audio.Count(name => name == "-") > 1)
            throw CommandLine.Usage($"{DiaOptions.Recordings.Name} - can be given once: there is one standard input.");

        static string Times(int count) => count == 1 ? "once" : Format.Text($"{count} times");
    }

    private static List<SafetensorsArray> Arrays(DiaInputs inputs)
    {
        var arrays = new List<SafetensorsArray>
        {
            Array("input_ids", inputs.InputIds),
            Array("attention_mask", inputs.AttentionMask),
            Array("decoder_input_ids", inputs.DecoderInputIds),
            Array("decoder_attention_mask", inputs.DecoderAttentionMask),
        };
        if (inputs.Labels is { } labels)
            arrays.Add(Array("labels", labels));
        return arrays;
    }

    private static SafetensorsArray Array(string name, Array values) =>
        new(name, [.. Enumerable.Range(0, values.Rank).Select(d => (long)values.GetLength(d))], values.Cast<int>().Select(v => (long)v).ToArray());
}
