using Dia.Backends;
using Dia.Configuration;
using Dia.Generation;
using Dia.Graph;
using Dia.Modeling;

namespace Dia.Checks;

/// <summary>
/// How long a decoding step with guidance takes, sampling included, where the caches of its utterances hold so many rows each. Medians, those of ratios too:
/// what is compared was measured right after one another.
/// </summary>
/// <param name="Utterances">How many take the step together.</param>
/// <param name="Rows">Rows in the caches of each.</param>
/// <param name="Seconds">The whole step.</param>
/// <param name="Matrices">Of that, the products with weights.</param>
/// <param name="Rest">What the step takes beyond them, as a share of it.</param>
/// <param name="Sampling">Seconds from logits to ids.</param>
/// <param name="BesideFirst">The step divided by the first of the steps that were timed.</param>
public sealed record StepTiming(int Utterances, int Rows, double Seconds, double Matrices, double Rest, double Sampling, double BesideFirst);

/// <summary>
/// Times whole steps of a device that computes in the host's memory, and their products with weights alone. They take turns, for all numbers of utterances
/// and rows, since a shared machine changes from second to second.
/// </summary>
internal sealed unsafe class StepTimings<TBackend>(TBackend backend, DiaForConditionalGeneration model)
    where TBackend : struct, IBackend
{
    private const int MostPasses = 21;

    // Seconds that are enough.
    private const double Patience = 12;

    /// <summary>Times the steps, in a turn.</summary>
    /// <param name="textLength">Bytes of each text.</param>
    /// <param name="steps">Utterances, and rows in the caches of each, case by case.</param>
    public StepTiming[] Run(int textLength, IReadOnlyList<(int Utterances, int Rows)> steps)
    {
        Dictionary<int, Batch> batches = [];
        try
        {
            foreach (IGrouping<int, (int Utterances, int Rows)> of in steps.GroupBy(s => s.Utterances))
                batches.Add(of.Key, new Batch(backend, model, of.Key, textLength, of.Max(s => s.Rows)));
            List<(double Step, double Matrices, double Sampling)>[] times = [.. steps.Select(_ => new List<(double, double, double)>())];
            long started = Stopwatch.GetTimestamp();

            // The first pass brings everything into place.
            for (int pass = 0; pass <= MostPasses && (pass <= 3 || Stopwatch.GetElapsedTime(started).TotalSeconds < Patience); pass++)
            {
                for (int i = 0; i < steps.Count; i++)
                {
                    Batch batch = batches[steps[i].Utterances];
                    double matrices = Seconds(batch.Multiply), step = Seconds(() => batch.Step(steps[i].Rows)), sample = Seconds(batch.Sample);
                    if (pass > 0)
                        times[i].Add((step + sample, matrices, sample));
                }
            }

            return [.. steps.Select((s, i) => new StepTiming(s.Utterances, s.Rows,
                Seconds: times[i].Select(t => t.Step).Median(),
                Matrices: times[i].Select(t => t.Matrices).Median(),
                Rest: times[i].Select(t => 1 - t.Matrices / t.Step).Median(),
                Sampling: times[i].Select(t => t.Sampling).Median(),
                BesideFirst: times[i].Zip(times[0], (t, first) => t.Step / first.Step).Median()))];
        }
        finally
        {
            foreach (Batch batch in batches.Values)
                batch.Dispose();
        }
    }

    private static double Seconds(Action run)
    {
        long start = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Utterances that take their steps together.</summary>
    private sealed class Batch : IDisposable
    {
        private readonly TBackend _backend;
        private readonly DiaForConditionalGeneration _model;
        private readonly DecoderSession _session;
        private readonly int[] _items, _ids;
        private readonly float[] _logits, _scores;
        private readonly int _vocabulary;
        private readonly LogitsProcessors _processors;
        private readonly TokenSampler _sampler;
        private readonly OperationInfo[] _operations;
        private readonly float* _x, _y;

        public Batch(TBackend backend, DiaForConditionalGeneration model, int utterances, int textLength, int mostRows)
        {
            (_backend, _model, _vocabulary) = (backend, model, model.Config.DecoderConfig.VocabSize);
            GenerationConfig config = model.GenerationConfig() with { GuidanceScale = 3, TopK = 45, TopP = 0.95, Temperature = 1.2, DoSample = true, Seed = 1 };
            (_processors, _sampler) = (new LogitsProcessors(config, _vocabulary), new TokenSampler(_vocabulary));
            _items = [.. Enumerable.Range(0, utterances)];
            _ids = new int[utterances * model.Config.DecoderConfig.NumChannels];
            (_logits, _scores) = (new float[2 * _ids.Length * _vocabulary], new float[_ids.Length / utterances * _vocabulary]);
            _operations = [.. model.Compiled.Operations().Where(o => o is { Kind: OperationKind.Linear, Function: Function.Decode or Function.Logits })];
            int[] text = new int[textLength];
            text.AsSpan().Fill('a');
            _session = model.CreateSession(utterances, guidance: true);
            try
            {
                foreach (int item in _items)
                {
                    _session.Open(item, text, default, mostRows + 1, guidance: true);
                    _session.FillCaches(item, mostRows);
                }
                _x = backend.Memory.Allocate(2L * utterances * _operations.Max(o => o.K));
                _y = backend.Memory.Allocate(2L * utterances * _operations.Max(o => o.N));
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        /// <summary>A step behind so many rows.</summary>
        public void Step(int rows)
        {
            foreach (int item in _items)
                _session.SetCached(item, rows);
            _session.Step(_items, _ids, _logits);
        }

        /// <summary>From logits to ids, as <see cref="GenerationSteps"/> does it.</summary>
        public void Sample()
        {
            for (int item = 0; item < _items.Length; item++)
            {
                ReadOnlySpan<float> logits = _logits.AsSpan(item * _scores.Length), other = _logits.AsSpan((_items.Length + item) * _scores.Length);
                _processors.Process(logits[.._scores.Length], other[.._scores.Length], _scores);
                for (int start = 0; start < _scores.Length; start += _vocabulary)
                    _sampler.Draw(_scores.AsSpan(start, _vocabulary), Philox4x32.Uniform(1, item, start, 0));
            }
        }

        /// <summary>A step's products with weights, in their order, with the rows that they have there.</summary>
        public void Multiply()
        {
            foreach (OperationInfo o in _operations)
            {
                int rows = (o.Rows == Rows.All ? 2 : 1) * _items.Length;
                _backend.Linear(_y, _x, _model.Network.Weights[o.Weight], rows, o.N, o.K, _model.StepPhase, false);
            }
        }

        public void Dispose()
        {
            _session.Dispose();
            _backend.Memory.Free(_x);
            _backend.Memory.Free(_y);
        }
    }
}
