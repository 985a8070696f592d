using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>One call of the reference's generate on given tensors.</summary>
internal static class GenerateCommand
{
    public static CommandSpec Spec { get; } = new(
        "generate",
        "Generate rows from given tensors, as the reference's generate, and write them.",
        "IN.safetensors OUT.safetensors",
        [
            GenerateOptions.SamplingGroup,
            GenerateOptions.ControlsGroup,
            new OptionGroup("Output", [GenerateOptions.Scores, GenerateOptions.Logits, DiaOptions.HiddenStates, DiaOptions.Attentions]),
            DiaOptions.ModelGroup,
        ],
        """
        Reads (integers; all but input_ids may be missing; names may carry the prefix "in."):
          input_ids, attention_mask [batch, text]; decoder_input_ids [batch, rows, channels] or [batch·channels, rows], delayed, the pad
          id where nothing is known (without them: one row of BOS, and no delay); decoder_attention_mask [batch, rows], 0 on left padding
        Writes (batch counts the sequences of all texts; with guidance streams are twice as many, those without the text behind those with it):
          sequences [batch, rows, channels] (int64), prompt, delay, EOS and PAD included;
          scores [steps, batch·channels, vocabulary] with --scores, minus infinity where an id is no candidate;
          raw_logits [steps, streams·channels, vocabulary] with --logits;
          encoder_hidden_states.N, decoder_hidden_states.stepS.N with --hidden-states;
          encoder_attentions.N, decoder_attentions.stepS.N, cross_attentions.stepS.N with --attentions: streams first, as the reference has them

        Example:
          dia prepare --text "[S1] Hello there." -o in.safetensors && dia generate in.safetensors out.safetensors --max-tokens 200 --cfg-scale 3
        """,
        Run);

    private static void Run(Invocation run)
    {
        string input = run.Line.Words[0], output = run.Line.Words[1];
        OutputNames.Check("OUT.safetensors", output, OutputContent.Tensors, run.Line.Command.Title);
        run.KeepInputs([("OUT.safetensors", output)], ("IN.safetensors", input));
        GenerateOptions.Read(run.Line, new GenerationConfig()); // what contradicts itself is said before any work
        ForwardFile inputs = Inputs(input);
        using var files = new Checkpoints(run);
        // Nothing is reserved: how many rows there will be is the call's own matter, which no plan knows.
        using Device device = DeviceChoice.Create(run, files, model: true, codec: false, reserve: false);
        using DiaForConditionalGeneration model = files.LoadModel(device);
        files.Report(model, device);
        GenerationConfig config = GenerateOptions.Read(run.Line, model.GenerationConfig());
        files.PlaceWeights(model, config.RowLimit(1), Math.Clamp(inputs.InputIds?.GetLength(0) ?? 1, 1, MemoryPlan.MaxBatch));
        using OutputFile file = run.Interruption.Open(output);
        GenerationResult result = Generate(run, input, inputs, model, config);
        Write(file.Stream, result, model.Config);
        file.Commit();
        string seed = config.DoSample ? Format.Text($", seed {config.Seed}") : "", ends = string.Join(", ", result.Stops.Distinct()).ToLowerInvariant();
        run.Reporter.Summary(
            Format.Text($"{result.Stops.Count} x {result.Sequences.GetLength(1)} rows of {result.Sequences.GetLength(2)} ids, ended by {ends}{seed}"));
    }

    /// <summary>What does not belong to a generation is refused: it would be thought to have an effect.</summary>
    private static ForwardFile Inputs(string path)
    {
        var inputs = ForwardFile.Read(path, hasText: false);
        (string Name, object? Value)[] others =
        [
            ("encoder_last_hidden_state", inputs.EncoderOutput), ("decoder_position_ids", inputs.DecoderPositionIds), ("cache_position", inputs.CachePosition),
            ("labels", inputs.Labels),
        ];
        if (others.FirstOrDefault(o => o.Value is not null).Name is { } name)
            throw new DiaException(DiaErrorKind.Input, $"{path} holds {name}, which dia forward reads but a generation has no use for: leave it out.");
        if (inputs.DecoderAttentionMask is not null && inputs.DecoderInputIds is null)
            throw new DiaException(DiaErrorKind.Input,
                $"{path} holds decoder_attention_mask without the decoder_input_ids that it is of: leave it out, or add them.");
        return inputs;
    }

    private static GenerationResult Generate(Invocation run, string path, ForwardFile inputs, DiaForConditionalGeneration model, GenerationConfig config)
    {
        try
        {
            return model.GenerateOutputs(inputs.InputIds!, inputs.AttentionMask, inputs.DecoderInputIds?.ToRows(model.Config.DecoderConfig.NumChannels),
                inputs.DecoderAttentionMask, config, new GenerationOptions { Observer = new Progress(run.Reporter) }, run.Interruption.Token);
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Input)
        {
            throw new DiaException(e.Kind, $"{path}: {e.Message}", e);
        }
        finally
        {
            run.Reporter.ClearProgress();
        }
    }

    /// <summary>Each step's values are written one after the other: all of them in one array would be twice the memory, and may be too much for one.</summary>
    private static void Write(Stream stream, GenerationResult result, DiaConfig model)
    {
        int batch = result.Stops.Count, channels = result.Sequences.GetLength(2), vocabulary = model.DecoderConfig.VocabSize;
        var entries = new List<SafetensorsEntry> { new("sequences", SafetensorsDType.I64, [batch, result.Sequences.GetLength(1), channels]) };
        var values = new Dictionary<string, IReadOnlyList<float[]>>();
        Add("scores", result.Scores, batch);
        Add("raw_logits", result.Logits, result.Streams);
        AddStates("encoder_hidden_states", result.EncoderHiddenStates);
        AddMaps("encoder_attentions", result.EncoderAttentions);
        for (int step = 0; step < result.DecoderHiddenStates?.Count; step++)
            AddStates(Format.Text($"decoder_hidden_states.step{step}"), result.DecoderHiddenStates[step]);
        for (int step = 0; step < result.DecoderAttentions?.Count; step++)
        {
            AddMaps(Format.Text($"decoder_attentions.step{step}"), result.DecoderAttentions[step]);
            AddMaps(Format.Text($"cross_attentions.step{step}"), result.CrossAttentions![step]);
        }

        using var writer = new SafetensorsWriter(stream, entries);
        foreach (SafetensorsEntry entry in writer.Tensors)
        {
            if (entry.DType == SafetensorsDType.I64)
                writer.Write<long>(entry.Name, [.. result.Sequences.Cast<int>().Select(id => (long)id)]);
            else
                foreach (float[] part in values[entry.Name])
                    writer.Write<float>(entry.Name, part);
        }

        writer.Commit();

        void Add(string name, IReadOnlyList<float[]>? steps, int items)
        {
            if (steps is not null)
                Entry(name, [steps.Count, items * channels, vocabulary], steps);
        }

        void AddStates(string name, IReadOnlyList<float[]>? states)
        {
            for (int i = 0; i < states?.Count; i++)
            {
                int width = name.StartsWith("encoder", StringComparison.Ordinal) ? model.EncoderConfig.HiddenSize : model.DecoderConfig.HiddenSize;
                Entry(Format.Text($"{name}.{i}"), [result.Streams, states[i].Length / result.Streams / width, width], [states[i]]);
            }
        }

        void AddMaps(string name, IReadOnlyList<AttentionMap>? maps)
        {
            for (int i = 0; i < maps?.Count; i++)
                Entry(Format.Text($"{name}.{i}"), [maps[i].Batch, maps[i].Heads, maps[i].Rows, maps[i].Keys], [maps[i].Values]);
        }

        void Entry(string name, long[] shape, IReadOnlyList<float[]> parts)
        {
            entries.Add(new SafetensorsEntry(name, SafetensorsDType.F32, shape));
            values.Add(name, parts);
        }
    }

    /// <summary>Shows how many rows there are.</summary>
    private sealed class Progress(Reporter reporter) : IGenerationObserver
    {
        private readonly ProgressClock _clock = new(reporter);

        public void RowAdded(int item, int row, ReadOnlySpan<int> ids)
        {
            if (_clock.IsDue(out double seconds))
                reporter.Progress(Format.Text($"{row + 1} rows in {seconds:0.0} s"));
        }
    }
}
