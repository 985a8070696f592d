using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Processing;
using Dia.Speech;
using Dia.Text;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Speech;

/// <summary>Utterances that share steps, against each one generated and decoded alone.</summary>
public sealed class SpeechEngineTests
{
    private static readonly string[] Texts = ["[S1] Hello.", "[S2] A", "[S1] The letter is fast again. [S2] No.", "[S1] a b c",
        "[S1] Good morning to you all. [S2] Yes.", "[S2] Hi [S1] there.", "[S1] x"];

    public static TheoryData<string, int> Batches()
    {
        var data = new TheoryData<string, int>();
        foreach (string model in new[] { "fixture", "demo" })
            foreach (int batch in new[] { 1, 2, 3, 8 })
                data.Add(model, batch);
        return data;
    }

    [Theory]
    [MemberData(nameof(Batches))]
    public void Every_utterance_gets_what_it_gets_alone_bit_for_bit(string name, int batch)
    {
        using var loaded = new Loaded(name);
        List<Recorder> jobs = Jobs(loaded);
        using var engine = new SpeechEngine(loaded.Model, loaded.Codec, batch);
        engine.Run(jobs);
        Assert.True(jobs.Select(j => j.Result!.GeneratedRows).Distinct().Count() > 2, "the jobs end at the same step: nobody takes a slot that became free");
        foreach (Recorder job in jobs)
        {
            (int[,,] rows, int[,] codes) = loaded.Alone(job);
            Assert.Equal(Flat(rows), Flat(job.Result!.Rows));
            Assert.Equal(Flat(codes), Flat(job.Result.Codes));
            float[] samples = codes.GetLength(0) == 0 ? [] : loaded.Codec.Decode(codes);
            Assert.Equal(samples, job.Samples.ToArray());
            Assert.Equal(samples.Length, job.Result.Samples);
            Assert.Equal(job.Result.GeneratedRows, job.Rows);
            Assert.Equal(job.Config.Seed, job.Result.Seed);
        }
    }

    [Fact]
    public void Sound_comes_as_early_as_it_can_and_in_growing_chunks()
    {
        using var loaded = new Loaded("demo");
        using var engine = new SpeechEngine(loaded.Model, loaded.Codec);
        Recorder job = loaded.Job("[S1] The letter is fast again.", c => c with { DoSample = false });
        engine.Run(job);
        Assert.Equal(SpeechStop.Eos, job.Result!.Stop);
        Assert.Equal(loaded.Model.Config.DelayPattern.Max() + 1 + loaded.Codec.LookAheadFrames, engine.FirstAudioRows);
        Assert.Equal(engine.FirstAudioRows, job.Result.FirstAudioRows);
        Assert.Equal(engine.FirstAudioRows, job.Chunks[0].Row);
        Assert.NotNull(job.Result.FirstAudio);
        Assert.InRange(job.Result.FirstAudio.Value, TimeSpan.Zero, job.Result.Elapsed);
        int hop = loaded.Codec.HopLength;
        Assert.Equal([hop, 2 * hop, 4 * hop, 8 * hop], job.Chunks.Take(4).Select(c => c.Count));
        Assert.All(job.Chunks, c => Assert.InRange(c.Count, 1, loaded.Codec.WindowFrames * hop));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_prompt_is_cut_from_the_sound_unless_it_is_kept(bool keep)
    {
        using var loaded = new Loaded("demo");
        using var engine = new SpeechEngine(loaded.Model, loaded.Codec);
        int[,] prompt = loaded.Prompt(30);
        Recorder job = loaded.Job("[S1] The letter is fast again. [S1] Hello.", c => c with { Seed = 4, DoSample = true }, prompt, keep);
        engine.Run(job);
        (_, int[,] codes) = loaded.Alone(job);
        Assert.Equal(Flat(codes), Flat(job.Result!.Codes));
        Assert.Equal(loaded.Codec.Decode(codes), job.Samples.ToArray());
        Assert.Equal(keep, Flat(codes).AsSpan().StartsWith(Flat(prompt)));
    }

    [Fact]
    public void A_slot_is_filled_as_soon_as_it_is_free_and_no_sooner()
    {
        using var loaded = new Loaded("fixture");
        using var engine = new SpeechEngine(loaded.Model, null, 2);
        var running = new HashSet<int>();
        var log = new List<string>();
        int given = 0;
        engine.Run(_ =>
        {
            Assert.True(running.Count < 2, "a job was taken while every slot was taken");
            if (given == 5)
                return null;
            int number = given++;
            running.Add(number);
            Recorder job = loaded.Job("[S1] a", c => c with { MaxNewTokens = 20 + 10 * number });
            job.Completed = _ => running.Remove(number);
            return job;
        });
        Assert.Equal(5, given);
        Assert.Empty(running);
    }

    [Fact]
    public void A_source_with_nothing_yet_holds_nobody_up()
    {
        using var loaded = new Loaded("fixture");
        using var engine = new SpeechEngine(loaded.Model, null, 3);
        Recorder first = loaded.Job("[S1] a", c => c with { MaxNewTokens = 40 }), second = loaded.Job("[S2] b", c => c with { MaxNewTokens = 30 });
        var asked = new List<bool>();
        engine.Run(wait =>
        {
            asked.Add(wait);
            // The second comes only after the first has its answer, as from someone who waits for it.
            return asked.Count == 1 ? first : first.Result is not null && second.Result is null && wait ? second : null;
        });
        Assert.NotNull(first.Result);
        Assert.NotNull(second.Result);
        Assert.True(asked[0]);
        Assert.Contains(false, asked);
    }

    [Fact]
    public void A_job_that_fails_leaves_the_others_alone()
    {
        using var loaded = new Loaded("demo");
        using var engine = new SpeechEngine(loaded.Model, loaded.Codec, 3);
        Recorder Job(Func<GenerationConfig, GenerationConfig>? change = null, int[]? ids = null)
        {
            Recorder job = loaded.Job("[S1] Hello.", c => (change?.Invoke(c) ?? c) with { MaxNewTokens = 60 }, ids: ids);
            job.KeepsFailure = true;
            return job;
        }

        Recorder good = Job(), badConfig = Job(c => c with { Temperature = -1 }), badIds = Job(ids: [1, 999]),
            overflow = Job(c => c with { Temperature = 1.2e-38, DoSample = true }), badSink = Job(), last = Job();
        badSink.Sink = () => throw new IOException("no space");
        engine.Run([badConfig, good, badIds, overflow, badSink, last]);
        Assert.Equal(DiaErrorKind.Usage, Assert.IsType<DiaException>(badConfig.Failure).Kind);
        Assert.Equal(DiaErrorKind.Input, Assert.IsType<DiaException>(badIds.Failure).Kind);
        Assert.Equal(DiaErrorKind.Model, Assert.IsType<DiaException>(overflow.Failure).Kind);
        Assert.IsType<IOException>(badSink.Failure);
        Assert.Null(badSink.Result);
        foreach (Recorder job in new[] { good, last })
        {
            Assert.Null(job.Failure);
            Assert.Equal(Flat(loaded.Alone(job).Rows), Flat(job.Result!.Rows));
        }
    }

    [Fact]
    public void A_failure_that_nobody_takes_ends_the_run_and_the_engine_stays_usable()
    {
        using var loaded = new Loaded("demo");
        using var engine = new SpeechEngine(loaded.Model, loaded.Codec, 2);
        Recorder bad = loaded.Job("[S1] Hello.", c => c);
        bad.Sink = () => throw new IOException("no space");
        Assert.Throws<IOException>(() => engine.Run(bad));
        Recorder good = loaded.Job("[S1] Hello.", c => c with { MaxNewTokens = 30 });
        engine.Run(good);
        Assert.NotNull(good.Result);
    }

    [Fact]
    public void Cancellation_stops_before_the_next_step()
    {
        using var loaded = new Loaded("demo");
        using var engine = new SpeechEngine(loaded.Model, loaded.Codec, 2);
        using var source = new CancellationTokenSource();
        Recorder job = loaded.Job("[S1] Hello.", c => c);
        job.KeepsFailure = true;
        job.Sink = source.Cancel;
        Assert.Throws<OperationCanceledException>(() => engine.Run(job, source.Token));
        Assert.Equal(engine.FirstAudioRows, job.Rows);
        Assert.Null(job.Result);
        Assert.Null(job.Failure);
        Assert.Throws<OperationCanceledException>(() => engine.Run(job, source.Token));
    }

    [Theory]
    [InlineData("cpu1")]
    [InlineData("cpu2")]
    public void A_step_allocates_nothing_with_the_real_network_and_its_codec(string device)
    {
        using var loaded = new Loaded("demo", device);
        using var engine = new SpeechEngine(loaded.Model, loaded.Codec, 2);
        long before = 0, after = 0;
        int reads = 0;
        Recorder[] jobs = [.. new[] { 3.0, 1 }.Select(scale => loaded.Job("[S1] The letter is fast again. [S2] The letter is fast again.", c =>
            c with { MaxNewTokens = 90, GuidanceScale = scale, DoSample = true, Seed = 3 }))];
        foreach (Recorder job in jobs)
            job.Discards = true;
        // Counted from a step in which everything has run once (the codec too) to one before the ends.
        jobs[0].Row = rows =>
        {
            if (rows == 40)
                before = GC.GetAllocatedBytesForCurrentThread();
            if (rows == 58)
                after = GC.GetAllocatedBytesForCurrentThread();
        };
        jobs[0].Sink = () => reads += before > 0 && after == 0 ? 1 : 0;
        engine.Run(jobs);
        Assert.True(before > 0 && after > 0 && reads > 0, $"the steps that count did not happen: {jobs[0].Rows} rows, {reads} reads");
        Assert.Equal(0, after - before);
    }

    [Fact]
    public void Usage_is_checked()
    {
        using var loaded = new Loaded("demo");
        Assert.Throws<ArgumentOutOfRangeException>(() => new SpeechEngine(loaded.Model, null, 0));
        using DacModel other = CodecStreamTests.Load("tests/fixtures/dac/odd", loaded.Device);
        Assert.Equal(DiaErrorKind.Model, Assert.Throws<DiaException>(() => new SpeechEngine(loaded.Model, other, 1)).Kind);
        Assert.Equal(DiaErrorKind.Model, Assert.Throws<DiaException>(() => DiaProcessor.Create(loaded.Model.Config, other)).Kind);
    }

    private static List<Recorder> Jobs(Loaded loaded)
    {
        var jobs = new List<Recorder>();
        for (int i = 0; i < Texts.Length; i++)
        {
            int number = i;
            // Greedy and drawn, with and without guidance, with and without a prompt, long and short: all beside each other.
            jobs.Add(loaded.Job(Texts[i], c => c with
            {
                DoSample = number % 3 != 0,
                GuidanceScale = number % 2 == 0 ? 3 : null,
                Temperature = 1 + 0.1 * number,
                TopK = number == 4 ? null : 30,
                TopP = 0.9,
                Seed = (ulong)number,
                MaxNewTokens = 35 + 9 * number % 40,
            }, number % 4 == 2 ? loaded.Prompt(5 + number) : null));
        }

        return jobs;
    }

    private static int[] Flat(Array values) => [.. values.Cast<int>()];

    private sealed class Recorder(int[] ids, GenerationConfig config) : Utterance(ids, config)
    {
        public List<float> Samples { get; } = [];

        public List<(int Row, int Count)> Chunks { get; } = [];

        public int Rows { get; private set; }

        public Exception? Failure { get; private set; }

        public bool KeepsFailure { get; set; }

        public bool Discards { get; set; }

        public Action? Sink { get; set; }

        public Action<int>? Row { get; set; }

        public Action<SpeechResult>? Completed { get; set; }

        protected internal override void OnRow(int rows)
        {
            Rows = rows;
            Row?.Invoke(rows);
        }

        protected internal override void OnSamples(ReadOnlySpan<float> samples)
        {
            Assert.Null(Result);
            Sink?.Invoke();
            if (Discards)
                return;
            Samples.AddRange(samples);
            Chunks.Add((Rows, samples.Length));
        }

        protected internal override void OnCompleted(SpeechResult result)
        {
            Assert.Null(Result);
            base.OnCompleted(result);
            Completed?.Invoke(result);
        }

        protected internal override void OnFailed(Exception failure)
        {
            if (!KeepsFailure)
                base.OnFailed(failure);
            Failure = failure;
        }
    }

    private sealed class Loaded : IDisposable
    {
        private readonly DiaProcessor _processor;

        public Loaded(string name, string device = "cpu2")
        {
            Device = TestDevice.Create(device);
            string folder = name == "demo" ? Fixtures.Demo : Fixtures.Path("generate", "model");
            Model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, Device);
            Codec = CodecStreamTests.Load(name == "demo" ? "configs/dia-demo/dac" : "tests/fixtures/processor/dac", Device);
            var extractor = new DiaFeatureExtractor(samplingRate: Codec.SamplingRate, hopLength: Codec.HopLength);
            _processor = new DiaProcessor(extractor, new DiaTokenizer(), Codec)
            {
                BosTokenId = Model.Config.BosTokenId,
                EosTokenId = Model.Config.EosTokenId,
                PadTokenId = Model.Config.PadTokenId,
                DelayPattern = Model.Config.DelayPattern,
            };
        }

        public Device Device { get; }

        public DiaForConditionalGeneration Model { get; }

        public DacModel Codec { get; }

        public Recorder Job(string text, Func<GenerationConfig, GenerationConfig> change, int[,]? prompt = null, bool keep = false, int[]? ids = null) =>
            new(ids ?? new DiaTokenizer().Encode(text), change(Model.GenerationConfig())) { Prompt = prompt, KeepPrompt = keep };

        public int[,] Prompt(int frames)
        {
            var codes = new int[frames, Model.Config.DecoderConfig.NumChannels];
            for (int t = 0; t < frames; t++)
                for (int c = 0; c < codes.GetLength(1); c++)
                    codes[t, c] = (31 * t + 7 * c) % Model.Config.EosTokenId;
            return codes;
        }

        /// <summary>The same by <c>Generate</c> and the processor.</summary>
        public (int[,,] Rows, int[,] Codes) Alone(Utterance job)
        {
            int[,] ids = new int[1, job.TextIds.Length], mask = new int[1, job.TextIds.Length];
            for (int i = 0; i < job.TextIds.Length; i++)
                (ids[0, i], mask[0, i]) = (job.TextIds[i], 1);
            DiaInputs inputs = _processor.Process(["a"]);
            inputs = new DiaInputs { InputIds = ids, AttentionMask = mask, DecoderInputIds = inputs.DecoderInputIds,
                DecoderAttentionMask = inputs.DecoderAttentionMask };
            if (job.Prompt is not null)
                inputs = _processor.WithPrompt(inputs, [job.Prompt]);
            int[,,] rows = Model.Generate(inputs, job.Config, drawAlone: true);
            return (rows, _processor.BatchCodes(rows, job.KeepPrompt ? null : _processor.GetAudioPromptLen(inputs.DecoderAttentionMask))[0]);
        }

        public void Dispose()
        {
            Codec?.Dispose();
            Model.Dispose();
            Device.Dispose();
        }
    }
}
