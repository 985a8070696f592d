using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
using Xunit;

namespace Dia.Tests.Generation;

public sealed class GenerationLoopTests
{
    private const int Vocabulary = 20;
    private static readonly GenerationConfig Config = new() { EosTokenId = 16, PadTokenId = 17, BosTokenId = 18, DelayPattern = [0, 2, 3], MaxNewTokens = 40 };

    [Theory]
    [InlineData(false, null)]
    [InlineData(false, 3.0)]
    [InlineData(true, 3.0)]
    public void A_batch_gives_each_item_the_rows_it_gets_alone(bool sample, double? guidance)
    {
        GenerationConfig config = Config with { DoSample = sample, GuidanceScale = guidance, TopK = 9, TopP = 0.9, Temperature = 1.1, Seed = 5 };
        int[] promptCodes = [4, 0, 2];
        int[,,] ids = Prompt(promptCodes, out int[,] mask);
        int[,,] batch = Run(config, ids, mask, [1, 2, 3], drawAlone: true);
        HashSet<int> lengths = [];
        for (int item = 0; item < 3; item++)
        {
            int[,,] own = Prompt([promptCodes[item]], out int[,] ownMask);
            int[] alone = GenerationFixture.Rows(Run(config, own, ownMask, [item + 1], drawAlone: true), 0);
            int[] inBatch = GenerationFixture.Rows(batch, item)[((4 - promptCodes[item]) * 3)..];
            Assert.Equal(alone, inBatch[..alone.Length]);
            Assert.All(inBatch[alone.Length..], id => Assert.Equal(config.PadTokenId, id));
            lengths.Add(alone.Length - promptCodes[item] * 3);
        }

        // The test means something only where items end at different steps.
        Assert.True(lengths.Count > 1);
    }

    [Fact]
    public void Max_length_counts_left_padding_as_the_reference_does()
    {
        int[,,] ids = Prompt([4, 0], out int[,] mask);
        GenerationConfig config = Config with { MaxNewTokens = null, MaxLength = 12 };
        FakeSession session = new([1, 2]) { EosLogit = -9 };
        GenerationLoop loop = Loop(session, config, ids, mask, 2);
        loop.Run();
        Assert.All(loop.Sequences, s => Assert.Equal(12 + 3, s.RowCount));
        Assert.All(loop.Sequences, s => Assert.Equal(10, s.Generated));
        Assert.Equal([5, 1], session.PromptRows);
    }

    [Fact]
    public void Known_cells_overwrite_what_was_picked()
    {
        int[,,] ids = Prompt([4], out int[,] mask);
        int[,,] result = Run(Config, ids, mask, [1]);
        for (int row = 0; row < ids.GetLength(1); row++)
            for (int channel = 0; channel < 3; channel++)
                if (ids[0, row, channel] != Config.PadTokenId)
                    Assert.Equal(ids[0, row, channel], result[0, row, channel]);
    }

    [Fact]
    public void Without_decoder_rows_there_is_one_Bos_row_and_no_delay()
    {
        FakeSession session = new([1]);
        int[,,] result = Loop(session, Config, null, null, 1).Run();
        Assert.Equal([1], session.PromptRows);
        Assert.Equal([18, 18, 18], [result[0, 0, 0], result[0, 0, 1], result[0, 0, 2]]);
        Assert.True(result[0, 1, 2] < Config.EosTokenId);
    }

    [Fact]
    public void Eos_at_the_first_step_gives_no_frame()
    {
        int[,,] ids = Prompt([0], out int[,] mask);
        int[] rows = GenerationFixture.Rows(Loop(new FakeSession([1]) { EosLogit = 99 }, Config, ids, mask, 1).Run(), 0);
        Assert.Equal([18, 18, 18, 16, 18, 18, 17, 18, 18, 17, 16, 18, 17, 17, 16], rows);
        Assert.Empty(Codes(rows, null));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 0)]
    [InlineData(4, 0)]
    [InlineData(5, 1)]
    [InlineData(9, 5)]
    public void The_limit_leaves_new_tokens_less_delay_and_Eos_as_frames(int newTokens, int frames)
    {
        int[,,] ids = Prompt([2], out int[,] mask);
        int[] rows = GenerationFixture.Rows(Loop(new FakeSession([1]) { EosLogit = -9 }, Config with { MaxNewTokens = newTokens }, ids, mask, 1).Run(), 0);
        Assert.Equal(3 + newTokens, rows.Length / 3);
        Assert.Equal(newTokens > 3, rows.Contains(Config.EosTokenId));
        int[,] codes = Codes(rows, 3);
        Assert.Equal(frames, codes.GetLength(0));
        Assert.All(codes.Cast<int>(), code => Assert.InRange(code, 0, 15));
    }

    [Fact]
    public void Sampling_depends_on_the_seed_alone()
    {
        GenerationConfig config = Config with { DoSample = true, Seed = 1 };
        int[,,] ids = Prompt([0], out int[,] mask);
        int[,,] first = Run(config, ids, mask, [1]);
        Assert.Equal(first, Run(config, ids, mask, [1]));
        Assert.NotEqual(first, Run(config with { Seed = 2 }, ids, mask, [1]));
        Assert.NotEqual(first, Run(config with { Seed = 1UL << 32 | 1 }, ids, mask, [1]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Equal_items_draw_differently_unless_asked_to_draw_alone(bool drawAlone)
    {
        GenerationConfig config = Config with { DoSample = true, Seed = 1 };
        int[,,] ids = Prompt([0, 0], out int[,] mask);
        int[,,] result = Run(config, ids, mask, [1, 1], drawAlone);
        Assert.Equal(drawAlone, GenerationFixture.Rows(result, 0).SequenceEqual(GenerationFixture.Rows(result, 1)));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_logit_that_is_not_finite_is_an_error_that_names_its_place(float value)
    {
        int[,,] ids = Prompt([0], out int[,] mask);
        GenerationLoop loop = Loop(new FakeSession([1]) { EosLogit = -9, Broken = (Step: 3, Index: 2 * Vocabulary + 4, value) }, Config, ids, mask, 1);
        DiaException error = Assert.Throws<DiaException>(() => loop.Run());
        Assert.Equal(DiaErrorKind.Model, error.Kind);
        Assert.Contains("item 0, row 4, channel 2", error.Message);
    }

    [Fact]
    public void A_temperature_that_overflows_is_an_error()
    {
        int[,,] ids = Prompt([0], out int[,] mask);
        Assert.Throws<DiaException>(() => Run(Config with { Temperature = 1.2e-38, DoSample = true }, ids, mask, [1]));
    }

    [Fact]
    public void Cancellation_stops_before_the_next_step()
    {
        int[,,] ids = Prompt([0], out int[,] mask);
        GenerationLoop loop = Loop(new FakeSession([1]) { EosLogit = -9 }, Config, ids, mask, 1);
        using CancellationTokenSource source = new();
        Assert.True(loop.Step(source.Token));
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => loop.Step(source.Token));
        Assert.Equal(1, loop.Sequences[0].Generated);
    }

    [Fact]
    public void A_stopping_criterion_ends_an_item_which_keeps_its_rows()
    {
        int[,,] ids = Prompt([0, 0], out int[,] mask);
        int[,,] plain = Loop(new FakeSession([1, 2]) { EosLogit = -9 }, Config, ids, mask, 2).Run();
        List<int> seen = [];
        StoppingCriterion criterion = (item, rows) =>
        {
            if (item == 0)
                seen.Add(rows.Length / 3);
            return item == 0 && rows.Length == 7 * 3;
        };
        GenerationLoop loop = Loop(new FakeSession([1, 2]) { EosLogit = -9 }, Config, ids, mask, 2, new GenerationOptions { StoppingCriteria = [criterion] });
        int[,,] result = loop.Run();
        Assert.Equal([2, 3, 4, 5, 6, 7], seen);
        Assert.Equal([GenerationStop.Criterion, GenerationStop.Length], loop.Sequences.Select(s => s.Stop));
        Assert.Equal(GenerationFixture.Rows(plain, 0)[..21], GenerationFixture.Rows(result, 0)[..21]);
        Assert.All(GenerationFixture.Rows(result, 0)[21..], id => Assert.Equal(Config.PadTokenId, id));
        Assert.Equal(GenerationFixture.Rows(plain, 1), GenerationFixture.Rows(result, 1));
    }

    [Theory]
    [InlineData(0.0, 1)]
    [InlineData(1000.0, 40)]
    public void The_step_that_passes_max_time_is_the_last(double seconds, int rows)
    {
        int[,,] ids = Prompt([0], out int[,] mask);
        GenerationLoop loop = Loop(new FakeSession([1]) { EosLogit = -9 }, Config with { MaxTime = seconds }, ids, mask, 1);
        loop.Run();
        Assert.Equal((rows, seconds == 0 ? GenerationStop.Time : GenerationStop.Length), (loop.Sequences[0].Generated, loop.Sequences[0].Stop));
    }

    [Fact]
    public void An_observer_sees_prompts_rows_and_the_end()
    {
        int[,,] ids = Prompt([2, 0], out int[,] mask);
        var observer = new Listener();
        int[,,] result = Loop(new FakeSession([1, 2]), Config, ids, mask, 2, new GenerationOptions { Observer = observer }).Run();
        Assert.True(observer.HasEnded);
        for (int item = 0; item < 2; item++)
        {
            int[] rows = GenerationFixture.Rows(result, item);
            Assert.Equal(rows[..observer.Ids[item].Count], observer.Ids[item]);
            Assert.All(rows[observer.Ids[item].Count..], id => Assert.Equal(Config.PadTokenId, id));
        }
    }

    [Fact]
    public void A_callers_processor_sees_the_ids_so_far_of_each_channel()
    {
        int[,,] ids = Prompt([0], out int[,] mask);
        var processor = new Only(5);
        int[,,] result = Loop(new FakeSession([1]) { EosLogit = -9 }, Config, ids, mask, 1, new GenerationOptions { LogitsProcessors = [processor] }).Run();
        Assert.All(Enumerable.Range(4, 20), row => Assert.Equal([5, 5, 5], [result[0, row, 0], result[0, row, 1], result[0, row, 2]]));
        Assert.All(processor.Seen, seen => Assert.Equal(Enumerable.Range(0, seen.Ids.Length).Select(row => result[0, row, seen.Channel]), seen.Ids));
        Assert.Equal(3 * 40, processor.Seen.Count);
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        int[,,] ids = Prompt([3, 0], out int[,] mask);
        GenerationConfig config = Config with
        {
            DoSample = true, GuidanceScale = 3, TopK = 9, TopP = 0.9, MaxNewTokens = 60, MaxTime = 1000, RepetitionPenalty = 1.1, NoRepeatNgramSize = 4,
            BadWordsIds = [[3, 4]], MinNewTokens = 10, MinP = 0.01, TypicalP = 0.99, EtaCutoff = 1e-3,
        };
        GenerationLoop loop = Loop(new FakeSession([1, 2]) { EosLogit = -9 }, config, ids, mask, 2);
        for (int i = 0; i < 5; i++)
            loop.Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool left = true;
        while (left)
            left = loop.Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(60, loop.Sequences[0].Generated);
    }

    private static int[,,] Run(GenerationConfig config, int[,,] ids, int[,] mask, int[] texts, bool drawAlone = false) =>
        Loop(new FakeSession(texts), config, ids, mask, texts.Length, drawAlone).Run();

    private static GenerationLoop Loop(FakeSession session, GenerationConfig config, int[,,]? ids, int[,]? mask, int batch, bool drawAlone = false) =>
        Loop(session, config, ids, mask, batch, new GenerationOptions { DrawAlone = drawAlone });

    private static GenerationLoop Loop(FakeSession session, GenerationConfig config, int[,,]? ids, int[,]? mask, int batch, GenerationOptions options)
    {
        config.Validate(Vocabulary);
        DecoderPrompt prompt = new(ids, mask, batch, config, Vocabulary);
        return new GenerationLoop(new GenerationSteps(session, batch, config.Channels, Vocabulary), config, prompt, Vocabulary,
            config.RowLimit(prompt.Rows, 100), options);
    }

    /// <summary>Rows as the processor makes them, for prompts of the given numbers of codes: left padding, BOS, codes, the delay.</summary>
    private static int[,,] Prompt(int[] codes, out int[,] mask)
    {
        int longest = codes.Max(), rows = longest + 1 + 3;
        int[,,] ids = new int[codes.Length, rows, 3];
        mask = new int[codes.Length, rows];
        for (int item = 0; item < codes.Length; item++)
        {
            int padding = longest - codes[item];
            for (int row = 0; row < rows; row++)
            {
                mask[item, row] = row < padding ? 0 : 1;
                for (int channel = 0; channel < 3; channel++)
                {
                    int source = row - Config.DelayPattern[channel];
                    ids[item, row, channel] = source <= padding ? 18 : source <= longest ? (source - padding + channel + codes[item]) % 16 : 17;
                }
            }
        }

        return ids;
    }

    private sealed class Listener : IGenerationObserver
    {
        public List<int>[] Ids { get; } = [[], []];

        public bool HasEnded { get; private set; }

        public void Started(int item, ReadOnlySpan<int> rows)
        {
            Assert.Empty(Ids[item]);
            Ids[item].AddRange(rows);
        }

        public void RowAdded(int item, int row, ReadOnlySpan<int> ids)
        {
            Assert.Equal((Ids[item].Count, false), (row * 3, HasEnded));
            Ids[item].AddRange(ids);
        }

        public void Ended() => HasEnded = true;
    }

    /// <summary>Leaves one candidate, and keeps what it was given.</summary>
    private sealed class Only(int id) : ILogitsProcessor
    {
        public List<(int Channel, int[] Ids)> Seen { get; } = [];

        public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
        {
            Seen.Add((channel, inputIds.ToArray()));
            scores.Fill(float.NegativeInfinity);
            scores[id] = 0;
        }
    }

    /// <summary>A network whose logits are a hash of the item's text and of every row it was fed; channel 0's EOS is best now and then.</summary>
    private sealed class FakeSession(int[] texts) : IDecoderSession
    {
        private const int Width = 3 * Vocabulary;

        private readonly ulong[] _states = [.. texts.Select(t => (ulong)t)];
        private int _steps;

        public float? EosLogit { get; init; }

        public (int Step, int Index, float Value)? Broken { get; init; }

        public List<int> PromptRows { get; } = [];

        public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> logits)
        {
            PromptRows.Add(rowCount);
            Feed(item, rows, logits[..Width], logits[Width..]);
        }

        public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> logits)
        {
            _steps++;
            int guided = items.Length * Width;
            for (int i = 0; i < items.Length; i++)
                Feed(items[i], rows.Slice(i * 3, 3), logits.Slice(i * Width, Width), logits.Length == guided ? [] : logits.Slice(guided + i * Width, Width));
        }

        public void Dispose()
        {
        }

        private void Feed(int item, ReadOnlySpan<int> rows, Span<float> conditional, Span<float> unconditional)
        {
            foreach (int id in rows)
                _states[item] = Mix(_states[item] + (ulong)id);
            for (int i = 0; i < conditional.Length; i++)
            {
                conditional[i] = Logit(_states[item], i);
                if (!unconditional.IsEmpty)
                    unconditional[i] = Logit(_states[item] ^ 0x5555, i);
            }

            if (EosLogit is float eos)
                conditional[Config.EosTokenId] = eos;
            if (Broken is (int step, int index, float value) && step == _steps)
                conditional[index] = value;
        }

        private static float Logit(ulong state, int i) => (Mix(state ^ (ulong)(i * 7919)) >> 40) * (6f / (1 << 24));

        private static ulong Mix(ulong x)
        {
            x = (x + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
            return (x ^ (x >> 29)) * 0x94D049BB133111EB;
        }
    }

    private static int[,] Codes(int[] rows, int? promptLength)
    {
        int[] delay = [.. Config.DelayPattern];
        int[,] matrix = GenerationFixture.Matrix(rows, delay.Length);
        (int start, int end) = DelayPattern.AudioFrames(matrix, delay, Config.BosTokenId, Config.PadTokenId, promptLength);
        return DelayPattern.Undo(matrix, delay, start, end);
    }
}
