using Dia.Backends;
using Dia.Configuration;
using Dia.Generation;
using Dia.Graph;
using Dia.Modeling;

namespace Dia.Checks;

/// <summary>How long a decoding step of one utterance with guidance takes, sampling included, where its caches hold so many rows.</summary>
/// <param name="Rows">Rows in the caches.</param>
/// <param name="Seconds">The whole step.</param>
/// <param name="Matrices">Of that, the products with weights.</param>
/// <param name="Sampling">Of that, from logits to ids.</param>
public sealed record StepTiming(int Rows, double Seconds, double Matrices, double Sampling);

/// <summary>
/// Times whole steps of a device that computes in the host's memory, and their products with weights alone. Both take turns, at all numbers of rows, since
/// a shared machine changes from second to second; medians.
/// </summary>
internal sealed unsafe class StepTimings<TBackend>(TBackend backend, DiaForConditionalGeneration model)
    where TBackend : struct, IBackend
{
    private const int MostPasses = 21;

    // Seconds that are enough.
    private const double Patience = 6;

    private readonly DiaDecoderConfig _config = model.Config.DecoderConfig;

    /// <summary>Times the steps, in a turn.</summary>
    /// <param name="textLength">Bytes of the text.</param>
    /// <param name="rows">Rows in the caches, case by case.</param>
    public StepTiming[] Run(int textLength, IReadOnlyList<int> rows)
    {
        using DecoderSession session = model.CreateSession(1, guidance: true);
        int[] text = new int[textLength], ids = new int[_config.NumChannels];
        text.AsSpan().Fill('a');
        session.Open(0, text, default, rows.Max() + 1, guidance: true);
        session.FillCaches(0, rows.Max());
        float[] logits = new float[2 * ids.Length * _config.VocabSize];
        var sampling = new Sampling(model, logits);
        using var products = new Products(backend, model);
        List<(double Step, double Matrices, double Sampling)>[] times = [.. rows.Select(_ => new List<(double, double, double)>())];
        long started = Stopwatch.GetTimestamp();

        // The first pass brings everything into place.
        for (int pass = 0; pass <= MostPasses && (pass <= 3 || Stopwatch.GetElapsedTime(started).TotalSeconds < Patience); pass++)
        {
            for (int i = 0; i < rows.Count; i++)
            {
                session.SetCached(0, rows[i]);
                double matrices = Seconds(products.Run), step = Seconds(() => session.Step([0], ids, logits)), sample = Seconds(sampling.Run);
                if (pass > 0)
                    times[i].Add((step + sample, matrices, sample));
            }
        }

        return [.. rows.Select((r, i) =>
            new StepTiming(r, Median(times[i], t => t.Step), Median(times[i], t => t.Matrices), Median(times[i], t => t.Sampling)))];
    }

    private static double Seconds(Action run)
    {
        long start = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median<T>(List<T> times, Func<T, double> of) => times.Select(of).Order().ElementAt(times.Count / 2);

    /// <summary>From logits to ids, as <see cref="GenerationSteps"/> does it.</summary>
    private sealed class Sampling
    {
        private readonly float[] _logits, _scores;
        private readonly int _vocabulary;
        private readonly LogitsProcessors _processors;
        private readonly TokenSampler _sampler;

        public Sampling(DiaForConditionalGeneration model, float[] logits)
        {
            GenerationConfig config = model.GenerationConfig() with { GuidanceScale = 3, TopK = 45, TopP = 0.95, Temperature = 1.2, DoSample = true, Seed = 1 };
            (_logits, _scores, _vocabulary) = (logits, new float[logits.Length / 2], model.Config.DecoderConfig.VocabSize);
            (_processors, _sampler) = (new LogitsProcessors(config, _vocabulary), new TokenSampler(_vocabulary));
        }

        public void Run()
        {
            _processors.Process(_logits.AsSpan(0, _scores.Length), _logits.AsSpan(_scores.Length), _scores);
            for (int start = 0; start < _scores.Length; start += _vocabulary)
                _sampler.Draw(_scores.AsSpan(start, _vocabulary), Philox4x32.Uniform(1, 0, start, 0));
        }
    }

    /// <summary>A step's products with weights, in their order, with the rows that they have there.</summary>
    private sealed class Products : IDisposable
    {
        private readonly TBackend _backend;
        private readonly DiaForConditionalGeneration _model;
        private readonly OperationInfo[] _operations;
        private readonly float* _x, _y;

        public Products(TBackend backend, DiaForConditionalGeneration model)
        {
            (_backend, _model) = (backend, model);
            _operations = [.. model.Compiled.Operations().Where(o => o is { Kind: OperationKind.Linear, Function: Function.Decode or Function.Logits })];
            _x = backend.Memory.Allocate(2L * _operations.Max(o => o.K));
            _y = backend.Memory.Allocate(2L * _operations.Max(o => o.N));
        }

        public void Run()
        {
            foreach (OperationInfo o in _operations)
                _backend.Linear(_y, _x, _model.Network.Weights[o.Weight], o.Rows == Rows.All ? 2 : 1, o.N, o.K, _model.StepPhase, false);
        }

        public void Dispose()
        {
            _backend.Memory.Free(_x);
            _backend.Memory.Free(_y);
        }
    }
}
