using Dia.Backends;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;

namespace Dia.Checks;

/// <summary>
/// Compares what the device's sampler picks with what <see cref="GenerationLoop"/> picks from the same logits, row by row until every
/// sequence has ended: each id must be the same.
/// </summary>
internal sealed unsafe class SamplerChecks(Device device, Action<KernelCheck> report)
{
    private const int Batch = 3;
    private const int Channels = 4;

    /// <summary>Runs all checks of a device's own sampler, if it has one.</summary>
    public static void Run(Device device, Action<KernelCheck> report)
    {
        using DeviceSampler? sampler = device.CreateSampler(1, Channels, 1);
        if (sampler is not null)
            new SamplerChecks(device, report).Run(sampler);
    }

    // Where a sequence's progress word lies on top of its first row's ids, what is written last is seen: it must be the word, or the host
    // could read a row that is not there.
    private void ProgressComesLast()
    {
        const int Vocabulary = 36;
        GenerationConfig config = new() { DelayPattern = [0, 2, 1, 3], EosTokenId = 30, PadTokenId = 31, BosTokenId = 32, MaxNewTokens = 24, TopK = null };
        var prompt = new DecoderPrompt(null, null, 1, config, Vocabulary);
        using DeviceSampler sampler = device.CreateSampler(1, Channels, Vocabulary)!;
        sampler.Open(0, new GenerationSequence(prompt, 0, config, Vocabulary, config.RowLimit(prompt.Rows, 4096), 0).Sampled(), 0, -1);
        sampler.ReportOverRow(0);
        float* logits = device.Memory.Allocate(Channels * Vocabulary);
        sampler.Sample(logits, null, null, null);
        device.Synchronize();
        ReadOnlySpan<int> row = sampler.Row(0, 0);
        device.Memory.Free(logits);
        report(new KernelCheck("sampler: progress is reported behind the row", "", row[0] == 1 && row[1] == 0 ? 0 : double.PositiveInfinity, 0));
    }

    /// <summary>Greedy and sampling runs under every setting, with ties, prompts, ends and numbers that are not finite.</summary>
    private void Run(DeviceSampler sampler)
    {
        Exponentials(sampler);
        ProgressComesLast();
        GenerationConfig greedy = new() { DelayPattern = [0, 2, 1, 3], EosTokenId = 30, PadTokenId = 31, BosTokenId = 32, MaxNewTokens = 24, TopK = null };
        GenerationConfig sampling = greedy with { DoSample = true, Temperature = 1.2, Seed = 0x1234_5678_9ABC_DEF0 };
        Check("greedy", greedy, new Logits(36, 0));
        Check("greedy, guided", greedy with { GuidanceScale = 3 }, new Logits(36, 0));
        Check("greedy, guided, top_k 5", greedy with { GuidanceScale = 3, TopK = 5 }, new Logits(36, 0));
        Check("greedy, guided, top_k 1, equals", greedy with { GuidanceScale = 2.5, TopK = 1 }, new Logits(36, 0.5f));
        Check("greedy, ends early", greedy, new Logits(36, 0) { EndAt = 6 });
        Check("sampling", sampling, new Logits(36, 0));
        Check("sampling, top_k 7", sampling with { TopK = 7 }, new Logits(36, 0) { EndAt = 9 });
        Check("sampling, top_k above the vocabulary", sampling with { TopK = 5000 }, new Logits(36, 0));
        Check("sampling, top_p", sampling with { TopP = 0.8 }, new Logits(36, 0));
        Check("sampling, top_p, equals", sampling with { TopP = 0.6, TopK = 9 }, new Logits(36, 1f));
        Check("sampling, top_p, all equal: the tail is exactly what may go", sampling with { TopP = 0.5 }, new Logits(36, 100));
        Check("sampling, all", sampling with { GuidanceScale = 3, TopK = 45, TopP = 0.95 }, new Logits(300, 0) { EndAt = 15 });
        Check("sampling, all, equals", sampling with { GuidanceScale = 3, TopK = 12, TopP = 0.9 }, new Logits(300, 0.25f));
        Check("sampling, guided without top_k", sampling with { GuidanceScale = 1.7, TopP = 0.95 }, new Logits(300, 0));
        Check("sampling, a prompt", sampling with { TopK = 20 }, new Logits(36, 0), prompted: true);
        Check("sampling, small top_k leaves none", sampling with { GuidanceScale = 3, TopK = 2 }, new Logits(36, 0.5f) { HighIds = true });
        Check("sampling, little room", sampling with { MaxNewTokens = 3 }, new Logits(36, 0));
        Check("a logit is not finite", greedy, new Logits(36, 0) { BreakAt = 4 });
        Check("a score is not finite", sampling with { Temperature = 1e-37 }, new Logits(36, 0));
    }

    // The host's is within about half a ulp of the true value and the device's within one, so they may be 2 apart.
    private void Exponentials(DeviceSampler sampler)
    {
        var random = new Random(5);
        double[] x = [0, -0.0, double.NegativeInfinity, -800, -745.1, -708.5, -1e-300,
            .. Enumerable.Range(0, 2000).Select(_ => -random.NextDouble() * Math.Pow(10, random.NextDouble() * 12 - 9))];
        double[] y = sampler.Exponentials(x);
        double error = 0;
        for (int i = 0; i < x.Length; i++)
            error = Math.Max(error, Ulps(y[i], Math.Exp(x[i])));
        report(new KernelCheck("sampler: e^x in ulp", $"[{x.Length}]", error, 2));
    }

    private static double Ulps(double a, double b) => Math.Abs(BitConverter.DoubleToInt64Bits(a) - BitConverter.DoubleToInt64Bits(b));

    private void Check(string name, GenerationConfig config, Logits logits, bool prompted = false)
    {
        var prompt = new DecoderPrompt(prompted ? Prompt(config) : null, null, Batch, config, logits.Vocabulary);
        int limit = config.RowLimit(prompt.Rows, 4096);
        var expected =
            new GenerationLoop(new GenerationSteps(new Session(logits), Batch, Channels, logits.Vocabulary), config, prompt, logits.Vocabulary, limit);
        DiaException? failure = null;
        try
        {
            expected.Run();
        }
        catch (DiaException e)
        {
            failure = e; // of one sequence, which ends the loop; the others are compared as far as they are
        }

        using DeviceSampler sampler = device.CreateSampler(Batch + 1, Channels, logits.Vocabulary)!;
        List<string> faults = [];
        using var run = new DeviceRun(device, sampler, logits, config, prompt, limit, expected);
        run.Compare(faults, failure);
        string shapes = string.Create(CultureInfo.InvariantCulture, $"[{Batch}, {Channels}, {logits.Vocabulary}]{(faults.Count > 0 ? ": " + faults[0] : "")}");
        report(new KernelCheck("sampler: " + name, shapes, faults.Count == 0 ? 0 : double.PositiveInfinity, 0));
    }

    private static int[,,] Prompt(GenerationConfig config)
    {
        int[,,] ids = new int[Batch, 5 + config.MaxDelay, Channels];
        for (int item = 0; item < Batch; item++)
        {
            for (int row = 0; row < ids.GetLength(1); row++)
            {
                for (int channel = 0; channel < Channels; channel++)
                {
                    int source = row - config.DelayPattern[channel];
                    ids[item, row, channel] = source <= 0 ? config.BosTokenId : source < 5 ? (item + 7 * row + channel) % 30 : config.PadTokenId;
                }
            }
        }

        return ids;
    }

    /// <summary>Logits from a hash of where they stand.</summary>
    private sealed class Logits(int vocabulary, float grid)
    {
        public int Vocabulary => vocabulary;

        /// <summary>The step from which EOS is channel 0's best; 0: none.</summary>
        public int EndAt { get; init; }

        /// <summary>The step at which one is NaN; 0: none.</summary>
        public int BreakAt { get; init; }

        /// <summary>Ids above EOS are the best.</summary>
        public bool HighIds { get; init; }

        public void Fill(Span<float> to, int item, bool conditional, int step)
        {
            for (int i = 0; i < to.Length; i++)
            {
                uint hash = Philox4x32.Block((uint)i, (uint)step, (uint)item, conditional ? 1u : 0, 77, 5).X0;
                float value = (hash >> 8) / (float)(1 << 24) * 8 - 4;
                to[i] = grid == 0 ? value : MathF.Round(value / grid) * grid;
                if (HighIds && i % vocabulary > 30)
                    to[i] += 9;
            }

            if (EndAt > 0 && step >= EndAt + item)
                to[30] = 20;
            if (BreakAt == step && BreakAt > 0 && item == 1)
                to[vocabulary + 3] = to[2 * vocabulary + 3] = float.NaN; // the first is named
        }
    }

    /// <summary>A network that gives those logits.</summary>
    private sealed class Session(Logits logits) : IDecoderSession
    {
        private readonly int[] _steps = new int[Batch];

        public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> to)
        {
            int width = Channels * logits.Vocabulary;
            logits.Fill(to[..width], item, true, 0);
            if (to.Length > width)
                logits.Fill(to[width..], item, false, 0);
        }

        public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> to)
        {
            int width = Channels * logits.Vocabulary;
            for (int i = 0; i < items.Length; i++)
            {
                int step = ++_steps[items[i]];
                logits.Fill(to.Slice(i * width, width), items[i], true, step);
                if (to.Length > items.Length * width)
                    logits.Fill(to.Slice((items.Length + i) * width, width), items[i], false, step);
            }
        }

        public void Dispose()
        {
        }
    }

    /// <summary>The same on the device: every sequence's step in every round, those that have ended too.</summary>
    private sealed class DeviceRun : IDisposable
    {
        private readonly Device _device;
        private readonly DeviceSampler _sampler;
        private readonly Logits _logits;
        private readonly GenerationConfig _config;
        private readonly GenerationLoop _expected;
        private readonly int _promptRows;
        private readonly float[] _values;
        private readonly float* _deviceLogits;
        private readonly int* _ids;
        private readonly int* _positions;
        private readonly AttentionItem* _items;

        public DeviceRun(Device device, DeviceSampler sampler, Logits logits, GenerationConfig config, DecoderPrompt prompt, int limit, GenerationLoop expected)
        {
            (_device, _sampler, _logits, _config, _expected, _promptRows) = (device, sampler, logits, config, expected, prompt.Rows);
            int rows = 2 * Batch;
            _values = new float[rows * Channels * logits.Vocabulary];
            _deviceLogits = device.Memory.Allocate(_values.Length);
            _ids = (int*)device.Memory.Allocate(rows * Channels);
            _positions = (int*)device.Memory.Allocate(rows);
            _items = (AttentionItem*)device.Memory.Allocate(rows * sizeof(AttentionItem) / sizeof(float));

            // Slots are not in the order of rows, and one is empty.
            for (int item = 0; item < Batch; item++)
                sampler.Open(Batch - item, new GenerationSequence(prompt, item, config, logits.Vocabulary, limit, item).Sampled(), item, Batch + item);
        }

        public void Compare(List<string> faults, DiaException? failure)
        {
            int most = _expected.Sequences.Max(s => s.Generated) + 3;
            for (int step = 0; step < most && faults.Count == 0; step++)
            {
                Step(step);
                for (int item = 0; item < Batch && faults.Count == 0; item++)
                    CompareItem(item, step, faults, failure is not null);
            }
        }

        public void Dispose()
        {
            _device.Memory.Free(_deviceLogits);
            _device.Memory.Free(_ids);
            _device.Memory.Free(_positions);
            _device.Memory.Free(_items);
        }

        private void Step(int step)
        {
            int width = Channels * _logits.Vocabulary;
            for (int item = 0; item < Batch; item++)
            {
                _logits.Fill(_values.AsSpan(item * width, width), item, true, step);
                _logits.Fill(_values.AsSpan((Batch + item) * width, width), item, false, step);
            }

            fixed (float* from = _values)
                _device.Memory.Upload(_deviceLogits, from, _values.Length * (long)sizeof(float));

            // The first row comes after the prompt, whose pass is not the step's.
            _sampler.Sample(_deviceLogits, _ids, step == 0 ? null : _positions, step == 0 ? null : _items);
            _device.Synchronize();
        }

        private void CompareItem(int item, int step, List<string> faults, bool stopped)
        {
            GenerationSequence sequence = _expected.Sequences[item];
            SamplerProgress progress = _sampler.Progress(Batch - item);
            if (progress.Status >= SamplerStatus.LogitNotFinite)
            {
                if (sequence.Failure is null || !sequence.Failure.Message.Contains($"channel {progress.Channel}", StringComparison.Ordinal))
                    faults.Add($"item {item} failed in channel {progress.Channel} at step {step}: {progress.Status}");
                return;
            }

            if (step >= sequence.Generated)
            {
                // Another sequence's failure ended the loop before this one's end.
                if (!stopped && (progress.Generated != sequence.Generated || progress.Status != SamplerStatus.Finished))
                    faults.Add($"item {item} goes on after {sequence.Generated} rows");
                return;
            }

            ReadOnlySpan<int> row = _sampler.Row(Batch - item, step), right = sequence.Rows.Slice((_promptRows + step) * Channels, Channels);
            if (progress.Generated != step + 1 || !row.SequenceEqual(right))
                faults.Add($"item {item}, step {step}: [{string.Join(' ', row.ToArray())}] for [{string.Join(' ', right.ToArray())}]");
            CompareInputs(item, step, progress, row, faults);
        }

        private void CompareInputs(int item, int step, SamplerProgress progress, ReadOnlySpan<int> row, List<string> faults)
        {
            for (int half = 0; half <= (_config.UsesGuidance ? 1 : 0); half++)
            {
                int at = item + half * Batch, moved = progress.Status == SamplerStatus.Finished ? Math.Max(step - 1, 0) : step;
                int[] ids = new int[Channels];
                int position;
                AttentionItem attention;
                fixed (int* to = ids)
                    _device.Memory.Download(to, _ids + at * Channels, Channels * sizeof(int));
                _device.Memory.Download(&position, _positions + at, sizeof(int));
                _device.Memory.Download(&attention, _items + at, sizeof(AttentionItem));
                if (!row.SequenceEqual(ids) || position != moved || attention.KeyCount != moved || attention.CausalStart != moved)
                    faults.Add(
                        $"item {item}, step {step}: the next step's inputs at row {at} are [{string.Join(' ', ids)}], position {position}, {attention.KeyCount} keys");
            }
        }
    }
}
