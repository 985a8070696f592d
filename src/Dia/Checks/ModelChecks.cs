using Dia.Backends;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Text;

namespace Dia.Checks;

/// <summary>
/// Runs a model on a device and on the scalar backend: a whole pass, a prompt and steps with the same rows, and generation. A large model
/// gets little to do: the scalar backend takes seconds for each of its rows.
/// </summary>
/// <param name="device">What is checked.</param>
/// <param name="reference">The scalar backend.</param>
/// <param name="report">Receives each check.</param>
internal sealed class ModelChecks(Device device, Device reference, Action<KernelCheck> report)
{
    private const int LargeModel = 50_000_000;

    /// <summary>Runs the checks.</summary>
    /// <param name="checkpoint">The model's checkpoint.</param>
    /// <exception cref="DiaException">The device fails (Device).</exception>
    public void Run(ModelCheckpoint checkpoint)
    {
        using var expected = DiaForConditionalGeneration.FromPretrained(checkpoint, reference);
        using var actual = DiaForConditionalGeneration.FromPretrained(checkpoint, device);
        bool large = actual.Specs.Sum(w => w.Count) > LargeModel;
        int[] text = new DiaTokenizer().Encode(large ? "[S1] Hi." : "[S1] Hello there. [S2] Hi, how are you?");
        if (text.Length > actual.Config.EncoderConfig.MaxPositionEmbeddings)
            text = text[..actual.Config.EncoderConfig.MaxPositionEmbeddings];

        // Each layer's sums are off by about √k·2^-24 of their size, for k up to some thousands, and pass that on: 1e-5 a layer covers both.
        double tolerance = 1e-5 * (actual.Config.EncoderConfig.NumHiddenLayers + actual.Config.DecoderConfig.NumHiddenLayers);
        string name = actual.CompiledName;
        Forward(name, expected, actual, text, large ? 2 : 9, tolerance);
        Steps(name, expected, actual, text, large ? 1 : 6, large ? 1 : 10, tolerance);
        if (!large)
            Greedy(name, expected, actual, text, tolerance);
        Captured(name, actual, text, large ? 24 : 60);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>The greatest difference, relative to the largest expected value.</summary>
    public static double Error(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        double largest = 0, difference = actual.Length == expected.Length ? 0 : double.PositiveInfinity;
        for (int i = 0; i < expected.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs((double)expected[i]));
            double d = Math.Abs((double)actual[i] - expected[i]);
            difference = Math.Max(difference, double.IsFinite(d) ? d : double.PositiveInfinity);
        }

        return difference == 0 ? 0 : difference / largest;
    }

    private static int[,] Batch(int[] ids)
    {
        int[,] batch = new int[1, ids.Length];
        for (int i = 0; i < ids.Length; i++)
            batch[0, i] = ids[i];
        return batch;
    }

    /// <summary>Rows of ids below EOS, from a seed.</summary>
    private static int[] Rows(DiaConfig config, int rows)
    {
        var random = new Random(40);
        int[] ids = new int[rows * config.DecoderConfig.NumChannels];
        for (int i = 0; i < ids.Length; i++)
            ids[i] = i < config.DecoderConfig.NumChannels ? config.BosTokenId : random.Next(config.EosTokenId);
        return ids;
    }

    /// <summary>Encoder and decoder over blocks of rows.</summary>
    private void Forward(string name, DiaForConditionalGeneration expected, DiaForConditionalGeneration actual, int[] text, int rows, double tolerance)
    {
        DiaDecoderConfig d = actual.Config.DecoderConfig;
        int[] ids = Rows(actual.Config, rows);
        int[,,] decoder = new int[1, rows, d.NumChannels];
        for (int i = 0; i < ids.Length; i++)
            decoder[0, i / d.NumChannels, i % d.NumChannels] = ids[i];
        DiaOutput e = expected.Forward(Batch(text), decoderInputIds: decoder, outputHiddenStates: true, outputAttentions: true);
        DiaOutput a = actual.Forward(Batch(text), decoderInputIds: decoder, outputHiddenStates: true, outputAttentions: true);
        Report($"{name}: encoder", Text($"[{text.Length}, {actual.Config.EncoderConfig.HiddenSize}]"),
            Error(a.EncoderLastHiddenState!, e.EncoderLastHiddenState!), tolerance);
        double states = e.DecoderHiddenStates.Zip(a.DecoderHiddenStates).Max(p => Error(p.Second, p.First));
        Report($"{name}: decoder's hidden states", Text($"[{rows}, {d.HiddenSize}]"), states, tolerance);
        double maps = Maps(e, a, t => t.EncoderAttentions, t => t.DecoderAttentions, t => t.CrossAttentions);
        Report($"{name}: attention maps", Text($"{text.Length} ids, {rows} rows"), maps, tolerance);
        Report($"{name}: logits of a block", Text($"[{rows}, {d.NumChannels}, {d.VocabSize}]"), Error(a.Logits, e.Logits), tolerance);
    }

    private static double Maps(DiaOutput expected, DiaOutput actual, params Func<DiaOutput, IReadOnlyList<AttentionMap>>[] kinds) =>
        kinds.Max(kind => kind(expected).Zip(kind(actual)).Max(p => Error(p.Second.Values, p.First.Values)));

    /// <summary>A prompt and single rows with guidance, the same rows on both sides.</summary>
    private void Steps(string name, DiaForConditionalGeneration expected, DiaForConditionalGeneration actual, int[] text, int promptRows, int steps,
        double tolerance)
    {
        int channels = actual.Config.DecoderConfig.NumChannels, width = channels * actual.Config.DecoderConfig.VocabSize;
        int[] rows = Rows(actual.Config, promptRows + steps);
        using DecoderSession a = actual.CreateSession(1, true), e = expected.CreateSession(1, true);
        float[] logits = new float[2 * width], right = new float[2 * width];
        double error = 0;
        foreach ((DecoderSession session, float[] to) in (ReadOnlySpan<(DecoderSession, float[])>)[(a, logits), (e, right)])
        {
            session.Open(0, text, default, promptRows + steps, true);
            session.Prompt(0, rows.AsSpan(0, promptRows * channels), promptRows, to);
        }

        Report($"{name}: logits after a prompt, guided", Text($"{promptRows} row{(promptRows == 1 ? "" : "s")}"), Error(logits, right), tolerance);
        for (int step = 0; step < steps; step++)
        {
            ReadOnlySpan<int> row = rows.AsSpan((promptRows + step) * channels, channels);
            a.Step([0], row, logits);
            e.Step([0], row, right);
            error = Math.Max(error, Error(logits, right));
        }

        Report($"{name}: logits of steps, guided", Text($"{steps} step{(steps == 1 ? "" : "s")}"), error, tolerance);
    }

    /// <summary>Greedy rows are the scalar backend's up to the first one whose choice is closer than rounding.</summary>
    private void Greedy(string name, DiaForConditionalGeneration expected, DiaForConditionalGeneration actual, int[] text, double tolerance)
    {
        GenerationConfig config = Config(actual, 40) with { DoSample = false };
        var gaps = new Gaps(actual.Config.DecoderConfig.VocabSize);
        int[,,] right = expected.Generate(Inputs(text, actual.Config), config, gaps), rows = actual.Generate(Inputs(text, actual.Config), config);
        int same = SameRows(rows, right), prompt = right.GetLength(1) - gaps.Smallest.Count;

        // Guidance of scale g multiplies what the logits are off by at most 1 + 2g.
        double doubt = tolerance * gaps.Largest * (1 + 2 * (config.GuidanceScale ?? 1));
        bool excused = same < right.GetLength(1) && same >= prompt && gaps.Smallest[same - prompt] < doubt;
        bool passed = excused || (same == right.GetLength(1) && rows.GetLength(1) == same);
        Report($"{name}: greedy rows", Text($"{same} of {right.GetLength(1)} equal{(excused ? ", then a tie" : "")}"), passed ? 0 : double.PositiveInfinity, 0);
    }

    /// <summary>What the device picks by itself, step after step, is what the host picks from its logits.</summary>
    private void Captured(string name, DiaForConditionalGeneration model, int[] text, int rows)
    {
        foreach (bool sampling in (ReadOnlySpan<bool>)[false, true])
        {
            GenerationConfig config = Config(model, rows) with { DoSample = sampling, Seed = 11 };
            int[,,] alone = model.Generate(Inputs(text, model.Config), config),
                watched = model.Generate(Inputs(text, model.Config), config, new Gaps(model.Config.DecoderConfig.VocabSize));
            bool same = alone.GetLength(1) == watched.GetLength(1) && SameRows(alone, watched) == alone.GetLength(1);
            Report($"{name}: {(sampling ? "sampled" : "greedy")} rows by the device's steps and by the host's", Text($"{alone.GetLength(1)} rows"), same
                ? 0 : double.PositiveInfinity, 0);
        }
    }

    private static GenerationConfig Config(DiaForConditionalGeneration model, int rows) =>
        model.GenerationConfig() with { GuidanceScale = 3, TopK = 45, TopP = 0.95, Temperature = 1.2,
            MaxNewTokens = Math.Min(model.Config.DelayPattern.Max() + 2 + rows, model.Config.DecoderConfig.MaxPositionEmbeddings - 1) };

    private static DiaInputs Inputs(int[] text, DiaConfig config)
    {
        int[,] ids = Batch(text), mask = new int[1, text.Length], rowMask = new int[1, 1];
        for (int i = 0; i < text.Length; i++)
            mask[0, i] = 1;
        rowMask[0, 0] = 1;
        int[,,] rows = ForwardInputs.BosRows(1, config.DecoderConfig.NumChannels, config.BosTokenId);
        return new DiaInputs { InputIds = ids, AttentionMask = mask, DecoderInputIds = rows, DecoderAttentionMask = rowMask };
    }

    private static int SameRows(int[,,] a, int[,,] b)
    {
        int rows = Math.Min(a.GetLength(1), b.GetLength(1));
        for (int row = 0; row < rows; row++)
            for (int c = 0; c < a.GetLength(2); c++)
                if (a[0, row, c] != b[0, row, c])
                    return row;
        return rows;
    }

    private void Report(string what, string shape, double error, double tolerance) => report(new KernelCheck(what, shape, error, tolerance));

    /// <summary>How far the best score of any channel was above the second, row by row.</summary>
    private sealed class Gaps(int vocabulary) : IScoreObserver
    {
        public List<double> Smallest { get; } = [];

        public double Largest { get; private set; }

        public void Scored(int item, int step, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, ReadOnlySpan<float> scores)
        {
            double smallest = double.PositiveInfinity;
            for (int channel = 0; channel < scores.Length; channel += vocabulary)
            {
                float best = float.NegativeInfinity, second = float.NegativeInfinity;
                foreach (float score in scores.Slice(channel, vocabulary))
                    (best, second) = score > best ? (score, best) : (best, Math.Max(second, score));
                if (float.IsFinite(second))
                    smallest = Math.Min(smallest, best - second);
            }

            foreach (float logit in conditional)
                Largest = Math.Max(Largest, Math.Abs(logit));
            Smallest.Add(smallest);
        }
    }
}
