using System.Text.Json;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
using Xunit;

namespace Dia.Tests.Generation;

/// <summary>
/// The reference's greedy runs without the network: a session serves the logits that the reference's model gave and checks that it is
/// fed the rows that the reference fed.
/// </summary>
public sealed class ReplayTests
{
    private const int Vocabulary = 68;

    // Only a few float32 operations lie between raw logits and scores; the fixtures' own tolerance.
    private const float Tolerance = 1e-4f;

    [Theory]
    [InlineData("cfg")]
    [InlineData("cfg-no-top_k")]
    [InlineData("cfg-scale-1_5-top_k-5")]
    [InlineData("no-cfg")]
    [InlineData("cut-at-20")]
    [InlineData("cut-at-16-shortest")]
    [InlineData("batch")]
    [InlineData("prompt")]
    public void Sequences_and_scores_are_the_references(string name)
    {
        TensorFile fixture = Fixtures.Tensors("generate", name + ".safetensors");
        Recorder recorder = new(fixture);
        (GenerationLoop loop, int[,,] result) = Run(fixture, Config(name), recorder);

        Assert.Equal(fixture.Ints3("out.sequences"), result);
        Assert.Equal(fixture.Shape("out.scores")[0], loop.Sequences.Max(s => s.Generated));
        Assert.Equal(loop.Sequences.Sum(s => s.Generated), recorder.Scores);

        // A streaming consumer sees exactly the rows of the result.
        for (int item = 0; item < loop.Sequences.Count; item++)
        {
            GenerationSequence sequence = loop.Sequences[item];
            Assert.Equal(sequence.Rows[((sequence.RowCount - sequence.Generated) * 9)..].ToArray(), recorder.Rows[item]);
        }
    }

    [Fact]
    public void Max_length_counts_the_prompt_but_not_the_delay()
    {
        TensorFile fixture = Fixtures.Tensors("generate", "cut-at-20.safetensors");

        // 1 prompt row and 20 new ones are 21 rows; max_length has the delay of 15 added.
        GenerationConfig config = Config("cut-at-20") with { MaxNewTokens = null, MaxLength = 6 };
        Assert.Equal(fixture.Ints3("out.sequences"), Run(fixture, config, null).Result);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void An_item_of_a_batch_gets_the_rows_it_gets_alone(int item)
    {
        TensorFile fixture = Fixtures.Tensors("generate", "batch.safetensors");
        ReplaySession session = new(fixture, item);
        GenerationConfig config = Config("batch");
        int[,,] ids = fixture.Ints3("in.decoder_input_ids");
        int[,,] own = new int[1, ids.GetLength(1), 9];
        Buffer.BlockCopy(GenerationFixture.Rows(ids, item), 0, own, 0, own.Length * sizeof(int));
        int[] alone = GenerationFixture.Rows(new GenerationLoop(new GenerationSteps(session, 1, 9, Vocabulary), config,
            new DecoderPrompt(own, null, 1, config, Vocabulary), Vocabulary, 61).Run(), 0);

        int[] inBatch = GenerationFixture.Rows(fixture.Ints3("out.sequences"), item);
        Assert.Equal(inBatch[..alone.Length], alone);
        Assert.All(inBatch[alone.Length..], id => Assert.Equal(config.PadTokenId, id));
    }

    [Theory]
    [InlineData("cfg", null, 1, 22)]
    [InlineData("no-cfg", null, 1, 22)]
    [InlineData("cut-at-20", null, 1, 5)]
    [InlineData("cut-at-16-shortest", null, 1, 1)]
    [InlineData("prompt", null, 1, 33)]
    [InlineData("prompt", 12, 12, 33)]
    public void Frames_are_from_the_first_code_to_the_row_before_Eos(string name, int? promptLength, int start, int end)
    {
        TensorFile fixture = Fixtures.Tensors("generate", name + ".safetensors");
        GenerationConfig config = Config(name);
        int[] delay = [.. config.DelayPattern];
        int[,] rows = GenerationFixture.Matrix(GenerationFixture.Rows(fixture.Ints3("out.sequences"), 0), delay.Length);
        Assert.Equal((start, end), DelayPattern.AudioFrames(rows, delay, config.BosTokenId, config.PadTokenId, promptLength));
        int[,] codes = DelayPattern.Undo(rows, delay, start, end);
        Assert.All(codes.Cast<int>(), code => Assert.InRange(code, 0, config.EosTokenId - 1));
        if (name == "prompt" && promptLength is null)
            Assert.Equal(fixture.Ints("in.prompt_codes"), codes.Cast<int>().Take(11 * 9));
    }

    private static GenerationConfig Config(string name)
    {
        JsonElement about = Fixtures.Json("generate", name + ".json");
        JsonElement scale = about.GetProperty("guidance_scale"), topK = about.GetProperty("top_k");
        GenerationConfig config = GenerationFixture.TinyConfig with
        {
            GuidanceScale = scale.ValueKind == JsonValueKind.Null ? null : scale.GetDouble(),
            TopK = topK.ValueKind == JsonValueKind.Null ? null : topK.GetInt32(),
            MaxNewTokens = about.GetProperty("max_new_tokens").GetInt32(),
        };
        config.Validate(Vocabulary);
        return config;
    }

    private static (GenerationLoop Loop, int[,,] Result) Run(TensorFile fixture, GenerationConfig config, IScoreObserver? observer)
    {
        DecoderPrompt prompt =
            new(fixture.Ints3("in.decoder_input_ids"), fixture.Ints2("in.decoder_attention_mask"), fixture.Shape("in.input_ids")[0], config, Vocabulary);
        GenerationLoop loop = new(new GenerationSteps(new ReplaySession(fixture), prompt.Batch, 9, Vocabulary, observer), config, prompt, Vocabulary,
            config.RowLimit(prompt.Rows, rowCapacity: 128 + 15), new GenerationOptions { Observer = observer });
        return (loop, loop.Run());
    }

    private sealed class Recorder(TensorFile fixture) : IScoreObserver
    {
        private readonly float[] _expected = fixture.Floats("out.scores");
        private readonly int _batch = fixture.Shape("in.input_ids")[0];

        public List<int>[] Rows { get; } = [.. Enumerable.Range(0, fixture.Shape("in.input_ids")[0]).Select(_ => new List<int>())];

        public int Scores { get; private set; }

        public void Scored(int item, int step, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, ReadOnlySpan<float> scores)
        {
            GenerationFixture.AssertScores(_expected.AsSpan((step * _batch + item) * scores.Length, scores.Length), scores, Tolerance,
                $"scores of step {step}, item {item}");
            Scores++;
        }

        public void RowAdded(int item, int row, ReadOnlySpan<int> ids) => Rows[item].AddRange(ids);
    }

    /// <summary>Serves out.raw_logits [steps, (2·)batch·channels, vocabulary]: the conditional rows of all items, then the unconditional ones.</summary>
    private sealed class ReplaySession(TensorFile fixture, int? only = null) : IDecoderSession
    {
        private const int Width = 9 * Vocabulary;

        // Where guidance is off the reference's processors edited the recorded logits in place: ids past EOS read negative infinity,
        // which no network gives. Any low number may stand there, since the same ids are filtered again.
        private readonly float[] _raw = [.. fixture.Floats("out.raw_logits").Select(v => Math.Max(v, -1e30f))];
        private readonly int _batch = fixture.Shape("in.input_ids")[0];
        private readonly int _perStep = fixture.Shape("out.raw_logits")[1];
        private readonly int[,,] _sequences = fixture.Ints3("out.sequences");
        private readonly int[] _seen = new int[fixture.Shape("in.input_ids")[0]];
        private int _promptRows;

        public void Prompt(int item, ReadOnlySpan<int> rows, int rowCount, Span<float> logits)
        {
            _promptRows = rowCount;
            Serve(only ?? item, rows, logits[..Width], logits[Width..]);
        }

        public void Step(ReadOnlySpan<int> items, ReadOnlySpan<int> rows, Span<float> logits)
        {
            int guided = items.Length * Width;
            for (int i = 0; i < items.Length; i++)
                Serve(only ?? items[i], rows.Slice(i * 9, 9), logits.Slice(i * Width, Width), logits.Length == guided
                    ? [] : logits.Slice(guided + i * Width, Width));
        }

        public void Dispose()
        {
        }

        private void Serve(int item, ReadOnlySpan<int> rows, Span<float> conditional, Span<float> unconditional)
        {
            int first = _seen[item];
            Assert.Equal(GenerationFixture.Rows(_sequences, item).AsSpan(first * 9, rows.Length).ToArray(), rows.ToArray());
            _seen[item] += rows.Length / 9;
            int step = _seen[item] - _promptRows;
            _raw.AsSpan((step * _perStep + item * 9) * Vocabulary, 9 * Vocabulary).CopyTo(conditional);
            Assert.Equal(_perStep == 2 * _batch * 9, !unconditional.IsEmpty);
            if (!unconditional.IsEmpty)
                _raw.AsSpan((step * _perStep + (_batch + item) * 9) * Vocabulary, 9 * Vocabulary).CopyTo(unconditional);
        }
    }
}
