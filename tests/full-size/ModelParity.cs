using System.Text.Json;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;

namespace Dia.FullSize;

/// <summary>Dia 1.6B against tests/fixtures/full/dia.safetensors.</summary>
internal sealed class ModelParity(Report report)
{
    // Ids are equal only where the best score is ahead by more than float32 sums of thousands of terms may differ.
    private const float SafeGap = 1e-2f;

    private readonly TensorFile _expected = Fixtures.Tensors("full", "dia.safetensors");
    private readonly JsonElement _json = Fixtures.Json("full", "full.json").GetProperty("dia");

    public void Run(string folder, int threads)
    {
        FirstValues.Check(report, folder, "dia");
        using Device device = new CpuDevice(threads);
        using DiaForConditionalGeneration model = Checkpoints.Model(folder, device);
        var processor = new DiaProcessor(new DiaFeatureExtractor(samplingRate: 44100), new Text.DiaTokenizer());
        DiaInputs inputs = processor.Process([_json.GetProperty("text").GetString()!]);
        report.Judge("dia: text ids", $"{inputs.InputIds.Length} ids", "equal", inputs.InputIds.Cast<int>().SequenceEqual(_expected.Ints("input_ids")));
        Forward(model, inputs);
        Greedy(model, inputs, "dia");
        model.CacheFormat = device.CacheFormat;
        Greedy(model, inputs, "dia, caches in 16 bits");
    }

    private void Forward(DiaForConditionalGeneration model, DiaInputs inputs)
    {
        DiaOutput output = model.Forward(inputs.InputIds, inputs.AttentionMask, outputHiddenStates: true);
        report.Near("dia: encoder output, of the largest", _expected.Floats("encoder_last_hidden_state"), output.EncoderLastHiddenState!, 1e-3);
        report.Near("dia: hidden state after the BOS row, of the largest", _expected.Floats("bos_decoder_last_hidden_state"),
            output.DecoderHiddenStates[^1], 1e-3);
        report.Near("dia: logits after the BOS row, of the largest", _expected.Floats("bos_logits"), output.Logits, 1e-3);
        JsonElement rms = _json.GetProperty("rms_of_hidden_states");
        CompareRms("encoder", rms, output.EncoderHiddenStates);
        CompareRms("decoder", rms, output.DecoderHiddenStates);
    }

    private void CompareRms(string part, JsonElement json, IReadOnlyList<float[]> states)
    {
        double[] expected = [.. json.GetProperty(part).EnumerateArray().Select(e => e.GetDouble())];
        if (expected.Length != states.Count)
        {
            report.Judge($"dia: RMS of {part} hidden states", $"{states.Count} states", $"{expected.Length} states", false);
            return;
        }

        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs(Math.Sqrt(states[i].Average(v => (double)v * v)) - expected[i]) / expected[i];
            if (!(error <= worst))
                worst = error;
        }

        report.AtMost($"dia: RMS of {expected.Length} {part} hidden states, relative", worst, 1e-3);
    }

    private void Greedy(DiaForConditionalGeneration model, DiaInputs inputs, string name)
    {
        GenerationConfig config = model.GenerationConfig() with
        {
            DoSample = false,
            GuidanceScale = _json.GetProperty("guidance_scale").GetDouble(),
            TopK = _json.GetProperty("top_k").GetInt32(),
            MaxNewTokens = _json.GetProperty("max_new_tokens").GetInt32(),
        };
        int[,] expected = _expected.Ints2("greedy.sequences");
        float[] gaps = _expected.Floats("greedy.gap");
        int channels = expected.GetLength(1), steps = gaps.Length / channels, promptRows = expected.GetLength(0) - steps;

        int safe = 0;
        while (safe < steps && gaps.AsSpan(safe * channels, channels).IndexOfAnyInRange(float.NegativeInfinity, SafeGap) < 0)
            safe++;
        int[,,] rows = model.Generate(inputs, config);
        int equal = 0;
        while (equal < steps && promptRows + equal < rows.GetLength(1) && RowsEqual(expected, rows, promptRows + equal))
            equal++;
        report.Judge($"{name}: greedy rows equal before the first difference", $"{equal} of {steps}", $">= {safe}", equal >= safe
            && rows.GetLength(1) == expected.GetLength(0));

        var fed = new BestIds(channels);
        using (DecoderSession session = model.OpenSession(inputs.InputIds!, inputs.AttentionMask, promptRows + steps, guidance: true))
        {
            var prompt = new DecoderPrompt(inputs.DecoderInputIds, inputs.DecoderAttentionMask, 1, config, model.Config.DecoderConfig.VocabSize);
            var teacher = new TeacherSession(session, expected);
            new GenerationLoop(new GenerationSteps(teacher, 1, channels, model.Config.DecoderConfig.VocabSize, fed), config, prompt,
                model.Config.DecoderConfig.VocabSize, promptRows + steps).Run();
        }

        CompareBest(inputs, model.Config.PadTokenId, expected, gaps, fed.Steps, promptRows, name);
    }

    private static bool RowsEqual(int[,] expected, int[,,] rows, int row)
    {
        for (int c = 0; c < expected.GetLength(1); c++)
            if (expected[row, c] != rows[0, row, c])
                return false;
        return true;
    }

    /// <summary>Cells that the prompt or the end of the channel decides say nothing of the scores: they are left out.</summary>
    private void CompareBest(DiaInputs inputs, int pad, int[,] expected, float[] gaps, List<int[]> best, int promptRows, string name)
    {
        int channels = expected.GetLength(1), compared = 0, different = 0;
        for (int step = 0; step < best.Count; step++)
        {
            int row = promptRows + step;
            for (int c = 0; c < channels; c++)
            {
                bool forced = row < inputs.DecoderInputIds.GetLength(1) && inputs.DecoderInputIds[0, row, c] != pad;
                if (forced || expected[row, c] == pad || !(gaps[step * channels + c] > SafeGap))
                    continue;
                compared++;
                if (best[step][c] != expected[row, c])
                    different++;
            }
        }

        report.Judge($"{name}: reference rows fed back, best ids that differ, {best.Count} steps", $"{different} of {compared}", "0",
            different == 0 && best.Count == gaps.Length / channels && compared > gaps.Length / 2);
    }

    /// <summary>Keeps the best id of every step and channel.</summary>
    private sealed class BestIds(int channels) : IScoreObserver
    {
        public List<int[]> Steps { get; } = [];

        public void Scored(int item, int step, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, ReadOnlySpan<float> scores)
        {
            var best = new int[channels];
            for (int c = 0; c < channels; c++)
                best[c] = TokenSampler.Best(scores.Slice(c * scores.Length / channels, scores.Length / channels));
            Steps.Add(best);
        }
    }

    /// <summary>Gives the network the reference's rows, whatever was picked.</summary>
    private sealed class TeacherSession(DecoderSession session, int[,] rows) : IDecoderSession
    {
        private int _row;

        public void Prompt(int item, ReadOnlySpan<int> prompt, int rowCount, Span<float> logits)
        {
            _row = rowCount;
            session.Prompt(item, Rows(0, rowCount), rowCount, logits);
        }

        public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> picked, Span<float> logits) =>
            session.Step(items, Rows(_row++, 1), logits);

        public void Dispose()
        {
        }

        private int[] Rows(int first, int count)
        {
            int channels = rows.GetLength(1);
            var ids = new int[count * channels];
            for (int i = 0; i < ids.Length; i++)
                ids[i] = rows[first + i / channels, i % channels];
            return ids;
        }
    }
}
