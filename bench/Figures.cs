using System.Diagnostics;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Checks;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.FullSize;
using Dia.Generation;
using Dia.IO;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Text;
using Dia.Weights;

namespace Dia.Bench;

/// <summary>
/// Speeds as ratios to what this machine can do: before each measurement the machine itself is measured, and the median of
/// the ratios is taken. So other work on the machine slows both.
/// </summary>
internal sealed class Figures(Report report, int threads)
{
    private const int TextLength = 170;
    private const int PromptRows = 100;

    // What decoding a second at 44.1 kHz takes, from the sizes of the codec's convolutions.
    private const double CodecFlopsPerSecond = 138e9;

    private const int LargePage = 1 << 21;

    private double _bestRate;

    public void Run(string folder)
    {
        using Device device = new CpuDevice(threads);
        // First: the high-water mark is the process's.
        Memory(folder, device);
        Demo(device);
        Codec(folder, device);
        using DiaForConditionalGeneration model = Checkpoints.Model(folder, device);
        var work = new Work(Checkpoints.Compiled.Operations(), Checkpoints.Compiled.Weights());
        Encoder(model, work);
        Prompt(model, work, guidance: false);
        Prompt(model, work, guidance: true);
        Step(model, work);
        Batch(model, work);
    }

    /// <summary>A generation with the checkpoint's defaults (room for the longest), decoded while it runs, as the command does.</summary>
    private void Memory(string folder, Device device)
    {
        using DiaForConditionalGeneration model = Checkpoints.Model(folder, device);
        using DacModel codec = Checkpoints.Codec(folder, device, filters: true);
        using var stop = new CancellationTokenSource();
        var observer = new Rows(row =>
        {
            if (row < PromptRows + 10)
                return;
            codec.Decode(RandomCodes(128, codec.Codebooks, codec.Config.CodebookSize));
            stop.Cancel();
        });
        DiaInputs inputs = Inputs(model, PromptRows);
        try
        {
            model.Generate(inputs, model.GenerationConfig() with { MaxLength = model.Config.DecoderConfig.MaxPositionEmbeddings }, observer,
                cancellationToken: stop.Token);
        }
        catch (OperationCanceledException)
        {
        }

        double bytes = MemoryLimits.MostResident;
        // The caches' rows that this run did not write, as if it had gone on to its end: beyond the large page that the last row is in.
        var d = model.Config.DecoderConfig;
        double row = d.NumKeyValueHeads * d.HeadDim * sizeof(float), resident = Math.Ceiling(PromptRows * row / LargePage) * LargePage;
        double unwritten = 2.0 * 2 * d.NumHiddenLayers * (d.MaxPositionEmbeddings * row - resident);
        report.AtMost("1.6B: resident memory of generating and decoding, whole length", (bytes + unwritten) / 1e9, 4.5, " GB");
        Report.Note("    of an utterance of this length", $"{bytes / 1e9:g4} GB");
    }

    /// <summary>The demo model from loading to the finished WAV.</summary>
    private void Demo(Device device)
    {
        string path = Path.Combine(Path.GetTempPath(), $"dia-full-size-{Environment.ProcessId}.wav");
        double seconds = 0;
        (double wall, _) = Measure(5, () => 1, () =>
        {
            ModelFolder folder = ModelFolder.Open(Fixtures.Demo);
            using var model = DiaForConditionalGeneration.FromPretrained(folder, CompiledModels.All, device);
            using var codec = DacModel.FromPretrained(folder.Sub("dac"), CompiledModels.All, device);
            var processor = new DiaProcessor(new DiaFeatureExtractor(samplingRate: codec.SamplingRate, hopLength: codec.HopLength), new DiaTokenizer(), codec)
            {
                EosTokenId = model.Config.EosTokenId,
                PadTokenId = model.Config.PadTokenId,
                BosTokenId = model.Config.BosTokenId,
                DelayPattern = model.Config.DelayPattern,
            };
            float[] audio = processor.Decode(model.Generate(processor.Process(["[S1] Hello, how are you? [S2] I am fine, thank you."])));
            processor.SaveAudio(audio, path);
            seconds = audio.Length / (double)codec.SamplingRate;
        });
        File.Delete(path);
        report.AtLeast("demo: seconds of audio a second, loading included", seconds / wall, 1);
    }

    private void Codec(string folder, Device device)
    {
        using DacModel codec = Checkpoints.Codec(folder, device, filters: true);
        // A whole number of windows, as in a long sound.
        int[,] codes = RandomCodes(256, codec.Codebooks, codec.Config.CodebookSize);
        double seconds = codes.GetLength(0) * codec.HopLength / (double)codec.SamplingRate;
        Arithmetic("codec: decoding", CodecFlopsPerSecond * seconds, 0.35, 3, () => codec.Decode(codes));
    }

    private unsafe void Encoder(DiaForConditionalGeneration model, Work work)
    {
        using EncoderPass pass = EncodeText(model);
        Arithmetic($"1.6B: encoder, {TextLength} characters", work.EncoderFlops(TextLength), 0.40, 5, () => model.Network.Encode(pass));
    }

    private unsafe void Prompt(DiaForConditionalGeneration model, Work work, bool guidance)
    {
        var d = model.Config.DecoderConfig;
        DiaNetwork network = model.Network;
        using EncoderPass text = EncodeText(model);
        network.Encode(text);
        using var cross = new KeyValueCache(network.Memory, d.NumHiddenLayers, TextLength, d.CrossNumKeyValueHeads * d.CrossHeadDim) { Length = TextLength };
        network.CrossKeyValues(text, 0, cross);
        using var first = new KeyValueCache(network.Memory, d.NumHiddenLayers, PromptRows, d.NumKeyValueHeads * d.HeadDim);
        using var second = new KeyValueCache(network.Memory, d.NumHiddenLayers, PromptRows, d.NumKeyValueHeads * d.HeadDim);
        var rope = new RotaryEmbedding(Configuration.RotaryFrequencies.For(d));
        rope.Update(PromptRows);
        var conditional = new DecoderStream { Self = first, Cross = cross, Rope = rope };
        var unconditional = new DecoderStream { Self = second, Cross = null, Rope = rope };
        float* constants = network.Memory.Allocate((long)d.NumHiddenLayers * d.HiddenSize);
        int[] ids = [.. RandomCodes(PromptRows, d.NumChannels, model.Config.EosTokenId).Cast<int>()];
        using var pass = new DecoderPass(network, d, 2 * PromptRows, 2, Phase.Prefill) { UnconditionalCross = constants };
        Arithmetic($"1.6B: prompt of {PromptRows} rows, guidance {(guidance ? "on" : "off")}", work.PromptFlops(PromptRows, TextLength, guidance),
            0.40, 5, () =>
        {
            pass.Clear();
            pass.Add(conditional, ids);
            if (guidance)
                pass.Add(unconditional, ids);
            network.Decode(pass);
        });
        network.Memory.Free(constants);
    }

    /// <summary>
    /// Whole steps around position 100, with guidance: network, processors and draw. Each goes with a pass of plain reading over as many bytes
    /// of the same mapped file.
    /// </summary>
    private unsafe void Step(DiaForConditionalGeneration model, Work work)
    {
        const int Steps = 41, WarmUp = 4;
        long bytes = work.StepBytes(WeightFormat.BFloat16);
        int vocabulary = model.Config.DecoderConfig.VocabSize, rows = PromptRows + Steps;
        GenerationConfig config = model.GenerationConfig();
        DiaInputs inputs = Inputs(model, PromptRows - Steps / 2 - WarmUp);
        using DecoderSession session = model.OpenSession(inputs.InputIds!, inputs.AttentionMask, rows, guidance: true);
        var loop =
            new GenerationLoop(GenerationSteps.For(session), config, new DecoderPrompt(inputs.DecoderInputIds, null, 1, config, vocabulary), vocabulary, rows);
        using CpuThreads pool = new(threads);
        byte* weights = (byte*)model.Weights.Weights.Min(w => (nuint)w.Data);
        // The prompt, and what happens only once.
        for (int i = 0; i < WarmUp; i++)
            loop.Step();
        double[] steps = new double[Steps], reads = new double[Steps];
        for (int i = 0; i < Steps; i++)
        {
            reads[i] = CpuMeasure.ReadSeconds(pool, weights, bytes);
            long start = Stopwatch.GetTimestamp();
            loop.Step();
            steps[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        report.AtMost($"1.6B: decoding step, time / reading its {bytes / 1e9:f2} GB of weights", steps.Median() / reads.Median(), 1.5);
        Report.Note("    the best step / the best reading", $"{steps[0] / reads[0]:g4}");
        Report.Note("    reading, this time on this machine", $"{bytes / reads[Steps / 2] / 1e9:f1} GB/s");
    }

    /// <summary>
    /// Eight utterances that share their steps, beside one alone: their steps take turns, so that both meet the same machine. Whole steps with
    /// guidance (16 rows and 2 rows), processors and draws included.
    /// </summary>
    private void Batch(DiaForConditionalGeneration model, Work work)
    {
        const int Steps = 15, Utterances = 8;
        (DecoderSession one, GenerationLoop single) = Loop(model, 1, Steps + 1);
        (DecoderSession many, GenerationLoop batch) = Loop(model, Utterances, Steps + 1);
        using (one)
        using (many)
        {
            single.Step();
            batch.Step();
            double[] ratios = new double[Steps], rates = new double[Steps], byProcessor = new double[Steps];
            for (int i = 0; i < Steps; i++)
            {
                double peak = CpuMeasure.PeakFlops(threads);
                _bestRate = Math.Max(_bestRate, peak);
                double alone = Seconds(single);
                TimeSpan before = Environment.CpuUsage.TotalTime;
                double together = Seconds(batch);
                double processor = (Environment.CpuUsage.TotalTime - before).TotalSeconds / threads;
                double flops = Utterances * work.StepFlops(PromptRows + i, TextLength, guidance: true);
                ratios[i] = Utterances * alone / together;
                rates[i] = flops / together / peak;
                byProcessor[i] = flops / processor / _bestRate;
            }

            report.AtLeast($"1.6B: steps of {Utterances} utterances, of the multiply-add rate", 100 * rates.Median(), 60, "%");
            Report.Note("    by processor time, of the best rate so far", $"{100 * byProcessor.Median():g4}%");
            // Demanded where arithmetic has no more than AVX2: a faster processor's single utterance is nearer to what memory allows.
            string gain = $"1.6B: frames a second of {Utterances} utterances / of one";
            if (File.ReadAllText("/proc/cpuinfo").Contains("avx512f", StringComparison.Ordinal))
                Report.Note(gain + " (AVX-512: not judged)", $"{ratios.Median():g4}");
            else
                report.AtLeast(gain, ratios.Median(), 2.5);
        }
    }

    /// <summary>Steps that read their matrices where the file is mapped, as it lies in memory, beside steps that read a copy: they take turns.</summary>
    public unsafe void Placement(string folder)
    {
        const int Steps = 21;
        using Device device = new CpuDevice(threads);
        using DiaForConditionalGeneration mapped = Checkpoints.Model(folder, device), copied = Checkpoints.Model(folder, device);
        long start = Stopwatch.GetTimestamp();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        copied.PlaceWeights(WeightPlacement.Copy, long.MaxValue);
        copied.CompleteWeights();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds, processor = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        (DecoderSession one, GenerationLoop first) = Loop(mapped, 1, Steps + 1);
        (DecoderSession other, GenerationLoop second) = Loop(copied, 1, Steps + 1);
        using (one)
        using (other)
        {
            first.Step();
            second.Step();
            double[] ratios = new double[Steps], byProcessor = new double[Steps], saved = new double[Steps];
            for (int i = 0; i < Steps; i++)
            {
                TimeSpan atFirst = Environment.CpuUsage.TotalTime;
                double there = Seconds(first);
                TimeSpan atSecond = Environment.CpuUsage.TotalTime;
                double copy = Seconds(second);
                double thereByProcessor = (atSecond - atFirst).TotalSeconds, copyByProcessor = (Environment.CpuUsage.TotalTime - atSecond).TotalSeconds;
                (ratios[i], byProcessor[i], saved[i]) = (there / copy, thereByProcessor / copyByProcessor, thereByProcessor - copyByProcessor);
            }

            nint[] matrices = [.. mapped.Compiled.StepMatrices().Select(i => (nint)mapped.Weights.Weights[i].Data)];
            Report.Note("1.6B: decoding step, mapped weights / copied to large pages", $"{ratios.Median():g4}");
            Report.Note("    of the mapped file in large pages", $"{LargePages.Mapped(matrices) / 1e9:f2} GB");
            Report.Note("    the same by processor time", $"{byProcessor.Median():g4}, {saved.Median() * 1e3:f1} ms saved");
            Report.Note("    the copy took, of processor time", $"{seconds:f2} s, {processor:f2} s: as many steps save it: {processor / saved.Median():f0}");
        }
    }

    private static double Seconds(GenerationLoop loop)
    {
        long start = Stopwatch.GetTimestamp();
        loop.Step();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static (DecoderSession Session, GenerationLoop Loop) Loop(DiaForConditionalGeneration model, int utterances, int steps)
    {
        int vocabulary = model.Config.DecoderConfig.VocabSize, rows = PromptRows + steps + model.Config.DelayPattern.Max() + 1;
        GenerationConfig config = model.GenerationConfig();
        DiaInputs inputs = Inputs(model, PromptRows, utterances);
        DecoderSession session = model.OpenSession(inputs.InputIds!, inputs.AttentionMask, rows, guidance: true);
        return (session, new GenerationLoop(GenerationSteps.For(session), config,
            new DecoderPrompt(inputs.DecoderInputIds, null, utterances, config, vocabulary), vocabulary, rows));
    }

    /// <summary>Reports work done per time as a part of the multiply-add rate.</summary>
    private void Arithmetic(string what, double flops, double demanded, int repetitions, Action run)
    {
        (double wall, double processor) = Measure(repetitions, () =>
        {
            double rate = CpuMeasure.PeakFlops(threads);
            _bestRate = Math.Max(_bestRate, rate);
            return rate / flops;
        }, run);
        report.AtLeast(what + ", of the multiply-add rate", 100 / wall, 100 * demanded, "%");
        Report.Note("    by processor time, of the best rate so far", $"{100 * flops / (processor * _bestRate):g4}%");
    }

    /// <summary>
    /// The median of time·rate, rate measured right before each run, which is what counts; and the median of the processor time of a
    /// thread, which tells how much of it is due to other work on the machine. One run goes first, for what happens only once.
    /// </summary>
    /// <param name="repetitions">How often.</param>
    /// <param name="rate">How often a second the machine could do this at most.</param>
    /// <param name="run">What is timed.</param>
    private (double Wall, double ProcessorSeconds) Measure(int repetitions, Func<double> rate, Action run)
    {
        run();
        double[] wall = new double[repetitions], processor = new double[repetitions];
        for (int i = 0; i < repetitions; i++)
        {
            double perSecond = rate();
            TimeSpan before = Environment.CpuUsage.TotalTime;
            long start = Stopwatch.GetTimestamp();
            run();
            wall[i] = Stopwatch.GetElapsedTime(start).TotalSeconds * perSecond;
            processor[i] = (Environment.CpuUsage.TotalTime - before).TotalSeconds / threads;
        }

        return (wall.Median(), processor.Median());
    }

    private static EncoderPass EncodeText(DiaForConditionalGeneration model)
    {
        var rope = new RotaryEmbedding(Configuration.RotaryFrequencies.For(model.Config.EncoderConfig));
        rope.Update(TextLength);
        return new EncoderPass(model.Network, rope, new DiaTokenizer().Encode(Text), default, 1);
    }

    private static string Text => "[S1]" + new string('a', TextLength - 1);

    /// <summary>A text, and rows of random codes as a voice prompt; several utterances have the same.</summary>
    private static DiaInputs Inputs(DiaForConditionalGeneration model, int rows, int utterances = 1)
    {
        int channels = model.Config.DecoderConfig.NumChannels;
        int[,] codes = RandomCodes(rows, channels, model.Config.EosTokenId);
        var ids = new int[utterances, rows, channels];
        var mask = new int[utterances, rows];
        for (int u = 0; u < utterances; u++)
        {
            Buffer.BlockCopy(codes, 0, ids, u * codes.Length * sizeof(int), codes.Length * sizeof(int));
            for (int r = 0; r < rows; r++)
                mask[u, r] = 1;
        }

        DiaInputs text = new DiaProcessor(new DiaFeatureExtractor(), new DiaTokenizer()).Process([.. Enumerable.Repeat(Text, utterances)]);
        return new DiaInputs { InputIds = text.InputIds, AttentionMask = text.AttentionMask, DecoderInputIds = ids, DecoderAttentionMask = mask };
    }

    private static int[,] RandomCodes(int frames, int codebooks, int entries)
    {
        var random = new Random(1);
        var codes = new int[frames, codebooks];
        for (int t = 0; t < frames; t++)
            for (int c = 0; c < codebooks; c++)
                codes[t, c] = random.Next(entries);
        return codes;
    }

    private sealed class Rows(Action<int> added) : IGenerationObserver
    {
        public void RowAdded(int item, int row, ReadOnlySpan<int> ids) => added(row);
    }
}
