using Dia.Configuration;
using Dia.Generation;
using Xunit;

namespace Dia.Tests.Generation;

/// <summary>Controls as functions of ids and scores; the reference's own runs with them are in GenerateMoreTests.</summary>
public sealed class LogitsControlsTests
{
    private const float None = float.NegativeInfinity;
    private static readonly GenerationConfig Config = new() { EosTokenId = 6, PadTokenId = 7, BosTokenId = 8, DelayPattern = [0] };

    [Fact]
    public void They_come_in_the_references_order()
    {
        GenerationConfig all = Config with
        {
            SequenceBias = [new([1], 2)], RepetitionPenalty = 2, NoRepeatNgramSize = 2, BadWordsIds = [[1, 2]], MinLength = 3, ForcedBosTokenId = 1,
            ForcedEosTokenId = [6], ExponentialDecayLengthPenalty = new(3, 1.5), SuppressTokens = [2], BeginSuppressTokens = [3],
            DoSample = true, MinP = 0.1, TypicalP = 0.9, EpsilonCutoff = 0.1, EtaCutoff = 0.1,
        };
        Type[] before = [typeof(SequenceBiasProcessor), typeof(RepetitionPenaltyProcessor), typeof(NoRepeatNgramProcessor), typeof(SequenceBiasProcessor),
            typeof(SuppressProcessor), typeof(ForceProcessor), typeof(ForceProcessor), typeof(ExponentialDecayProcessor), typeof(SuppressProcessor),
            typeof(SuppressProcessor)];
        Assert.Equal(before, LogitsControls.Before(all, 1, 20).Select(p => p.GetType()));
        Assert.Equal([typeof(MinPProcessor), typeof(TypicalPProcessor), typeof(CutoffProcessor), typeof(CutoffProcessor)],
            LogitsControls.Sampling(all).Select(p => p.GetType()));
        Assert.Empty(LogitsControls.Sampling(all with { DoSample = false }));
        Assert.True(LogitsControls.AreSet(all));
        Assert.False(LogitsControls.AreSet(Config with { DoSample = true, TopP = 0.5, MaxTime = 1, BadWordsIds = [[6]] }));
    }

    [Fact]
    public void Repetition_divides_what_is_positive_and_multiplies_what_is_not() =>
        Assert.Equal([1, 1.5f, -4, None, 0], Run(c => c with { RepetitionPenalty = 2 }, [3, 1, 2, 1], [1, 3, -2, None, 0]));

    [Theory]
    [InlineData(1, new[] { 1, 3 }, new[] { 1, 3 })]
    [InlineData(2, new[] { 1, 3, 1, 4, 1 }, new[] { 3, 4 })]
    [InlineData(3, new[] { 1, 2, 0, 1, 2 }, new[] { 0 })]
    [InlineData(3, new[] { 1, 1 }, new int[0])]
    [InlineData(3, new[] { 1, 1, 1 }, new[] { 1 })]
    [InlineData(9, new[] { 1, 1, 1 }, new int[0])]
    public void An_ngram_comes_once(int size, int[] ids, int[] forbidden) =>
        Assert.Equal(forbidden, Forbidden(Run(c => c with { NoRepeatNgramSize = size }, ids, new float[5])));

    [Theory]
    [InlineData(new[] { 0, 1 }, new[] { 3, 4 })]
    [InlineData(new[] { 1, 2 }, new[] { 0, 3 })]
    [InlineData(new[] { 2 }, new[] { 3 })]
    public void A_forbidden_sequence_loses_its_last_id_behind_those_before_it(int[] ids, int[] forbidden) =>
        Assert.Equal(forbidden, Forbidden(Run(c => c with { BadWordsIds = [[3], [0, 1, 4], [2, 0], [6]] }, ids.Length == 2 && ids[0] == 0 ? [5, .. ids] : ids,
            new float[7])));

    [Fact]
    public void A_bias_is_added_behind_the_ids_before() =>
        Assert.Equal([1, 0, 0.5f, 0, 0], Run(c => c with { SequenceBias = [new([0], 1), new([1, 2], 0.5), new([2, 3], 9)] }, [0, 1], new float[5]));

    [Theory]
    [InlineData(3, null, 3, true)]
    [InlineData(4, null, 3, false)]
    [InlineData(0, 2, 3, false)]
    [InlineData(9, 2, 4, true)]
    public void Eos_is_out_of_reach_until_rows_are_enough(int minLength, int? newTokens, int rows, bool reachable)
    {
        float[] scores = Run(c => c with { MinLength = minLength, MinNewTokens = newTokens }, new int[rows], new float[9], promptRows: 2);
        Assert.Equal(reachable ? [] : new[] { 6 }, Forbidden(scores));
    }

    [Fact]
    public void Some_ids_are_never_given_some_not_at_first_some_alone_at_first_and_last()
    {
        Assert.Equal([2, 4], Forbidden(Run(c => c with { SuppressTokens = [2, 4] }, [1, 1], new float[5])));
        Assert.Equal([2], Forbidden(Run(c => c with { BeginSuppressTokens = [2] }, [1, 1], new float[5], promptRows: 2)));
        Assert.Empty(Forbidden(Run(c => c with { BeginSuppressTokens = [2] }, [1, 1, 1], new float[5], promptRows: 2)));
        Assert.Equal([None, 0, None], Run(c => c with { ForcedBosTokenId = 1 }, [1], [5, 6, 7]));
        Assert.Equal([5, 6, 7], Run(c => c with { ForcedBosTokenId = 1 }, [1, 1], [5, 6, 7]));

        // With an id forced first, what must not come at the beginning must not come behind that.
        Assert.Equal([2], Forbidden(Run(c => c with { ForcedBosTokenId = 1, BeginSuppressTokens = [2] }, [1, 1], new float[5])));
        Assert.Equal([0, None, 0], Run(c => c with { ForcedEosTokenId = [0, 2] }, new int[19], [5, 6, 7]));
        Assert.Equal([5, 6, 7], Run(c => c with { ForcedEosTokenId = [0, 2] }, new int[18], [5, 6, 7]));
    }

    [Theory]
    [InlineData(4, 2, 2)]
    [InlineData(5, 2, 4)]
    [InlineData(6, 2, 8)]
    [InlineData(6, -2, 4)]
    [InlineData(7, -2, 12)]
    public void Eos_gains_its_magnitude_times_the_growth(int rows, float score, float expected)
    {
        float[] scores = new float[9];
        scores[6] = score;
        Assert.Equal(expected, Run(c => c with { ExponentialDecayLengthPenalty = new(3, 2) }, new int[rows], scores)[6]);
    }

    [Fact]
    public void Eos_that_is_no_candidate_wins_once_it_grows_as_in_the_reference()
    {
        float[] scores = [3, 2, 1, 0, 1, 2, None, 1, 1];
        float[] made = Run(c => c with { ExponentialDecayLengthPenalty = new(3, 1.5) }, new int[5], scores);
        Assert.Equal([6], Enumerable.Range(0, 9).Where(id => made[id] > None));
        Assert.Equal(scores, Run(c => c with { ExponentialDecayLengthPenalty = new(3, 0.5) }, new int[5], scores));
        Assert.Equal(float.MaxValue, Run(c => c with { ExponentialDecayLengthPenalty = new(3, 1e38) }, new int[9], [0, 0, 0, 0, 0, 0, 1, 0, 0])[6]);
    }

    public static TheoryData<string, float[]> Scores()
    {
        var data = new TheoryData<string, float[]>();
        var random = new Random(3);
        float[][] rows =
        [
            [.. Enumerable.Range(0, 40).Select(_ => (float)random.NextDouble() * 8)], [.. Enumerable.Range(0, 40).Select(_ => (float)random.Next(4))],
            [.. Enumerable.Range(0, 40).Select(i => i % 3 == 0 ? None : random.Next(6) / 2f)], [1, 1, 1, 1], [None, 2, None], [None, None, None], [0],
            [80, 0, -80, 3], [-1e30f, 5, 4],
        ];
        foreach (float[] row in rows)
            foreach (string filter in new[] { "min_p", "typical_p", "epsilon", "eta" })
                data.Add(filter, row);
        return data;
    }

    [Theory]
    [MemberData(nameof(Scores), DisableDiscoveryEnumeration = true)]
    public void A_filter_of_drawing_keeps_what_its_definition_keeps(string filter, float[] scores)
    {
        foreach (double p in new[] { 0.02, 0.1, 0.3, 0.5, 0.9 })
        {
            bool[] kept = Kept(filter, scores, p);
            float[] made = [.. scores];
            ILogitsProcessor processor = filter switch
            {
                "min_p" => new MinPProcessor(p),
                "typical_p" => new TypicalPProcessor(p),
                _ => new CutoffProcessor(p, filter == "eta"),
            };
            processor.Process(0, 0, [], made);
            Assert.Equal(scores.Select((s, id) => kept[id] ? s : None), made);
        }
    }

    /// <summary>The definitions, written down plainly: in probabilities, ids sorted.</summary>
    private static bool[] Kept(string filter, float[] scores, double p)
    {
        int[] candidates = [.. Enumerable.Range(0, scores.Length).Where(id => scores[id] > None)];
        if (candidates.Length == 0)
            return new bool[scores.Length];
        double best = candidates.Max(id => scores[id]), sum = candidates.Sum(id => Math.Exp(scores[id] - best));
        double[] probability = [.. scores.Select(s => Math.Exp(s - best) / sum)];
        double entropy = -candidates.Where(id => probability[id] > 0).Sum(id => probability[id] * Math.Log(probability[id]));
        double least = filter switch
        {
            "min_p" => p * probability.Max(),
            "eta" => Math.Min(p, Math.Sqrt(p) * Math.Exp(-entropy)),
            _ => p,
        };
        if (filter != "typical_p")
            return [.. scores.Select((s, id) => s > None && (s == best || probability[id] >= least - 1e-12))];

        double Distance(int id) => Math.Abs(Math.Log(sum) + best - scores[id] - entropy);
        double mass = 0, farthest = 0;
        foreach (int id in candidates.OrderBy(Distance))
        {
            farthest = Distance(id);
            if ((mass += probability[id]) >= p)
                break;
        }

        return [.. scores.Select((s, id) => s > None && Distance(id) <= farthest + 1e-12)];
    }

    private static float[] Run(Func<GenerationConfig, GenerationConfig> change, int[] ids, float[] scores, int promptRows = 1)
    {
        float[] made = [.. scores];
        foreach (ILogitsProcessor processor in LogitsControls.Before(change(Config), promptRows, 20))
            processor.Process(0, 0, ids, made);
        return made;
    }

    private static IEnumerable<int> Forbidden(float[] scores) => Enumerable.Range(0, scores.Length).Where(id => scores[id] == None);
}
