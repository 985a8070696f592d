using Dia.Backends;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Checks;

// Linear layers with weights of 8 and 4 bits, in every phase.
public sealed unsafe partial class KernelChecks<TBackend>
{
    // Every format, scales of every type, groups of 32, larger ones and whole rows.
    private static readonly WeightStorage[] AllIntegers =
    [
        new(WeightFormat.Int8), new(WeightFormat.Int8Packed, WeightFormat.BFloat16), new(WeightFormat.Int8, WeightFormat.Float16, 64),
        new(WeightFormat.Int8Packed, WeightFormat.Float32, 32), new(WeightFormat.Int4, WeightFormat.BFloat16, 32),
        new(WeightFormat.Int4, WeightFormat.Float16, 32), new(WeightFormat.Int4, WeightFormat.Float32, 96), new(WeightFormat.Int4, WeightFormat.BFloat16),
    ];

    // Those that `dia convert` makes of bfloat16, at the shapes of models.
    private static readonly WeightStorage[] CommonIntegers =
        [new(WeightFormat.Int8Packed, WeightFormat.BFloat16), new(WeightFormat.Int4, WeightFormat.BFloat16, 32)];

    // Weights of a matrix that is large enough for one format of each number of bits to do.
    private const int LargeIntegerMatrix = 50_000;

    private bool? _rounds;

    /// <summary>The integers to check.</summary>
    internal WeightStorage[] Integers { get; }

    /// <summary>Whether the backend rounds activations in <see cref="Phase.RoundedDecode"/>; one that does not must give the same bits as without.</summary>
    internal bool Rounds => _rounds ??= FindsRounding(new WeightStorage(WeightFormat.Int8), Phase.Decode, Phase.RoundedDecode);

    /// <summary>
    /// A linear layer with integers: few rows with and without rounded activations, each row the same bits whatever rows are beside it, and many rows.
    /// NaN and infinity stay in their row.
    /// </summary>
    internal void IntegerLinear(int n, int k)
    {
        foreach (WeightStorage storage in (long)n * k < LargeIntegerMatrix ? Integers : [.. CommonIntegers.Intersect(Integers)])
        {
            const int Most = 17;
            using CheckMemory<TBackend> memory = Memory(15);
            (Weight host, Weight device) = memory.Integers(storage, n, k);
            float[] values = memory.Floats(Most * k).Values.ToArray();
            (values[4 * k - 1], values[6 * k], values[Most * k - 1 - k / 2]) = (float.NaN, float.PositiveInfinity, float.NegativeInfinity);
            Mirrored<float> x = memory.Place<float>(values), y = memory.Floats(Most * n);
            float[] whole = [];
            foreach (Phase phase in (ReadOnlySpan<Phase>)[Phase.Decode, Phase.RoundedDecode])
            {
                float[] before = whole;
                string name = $"{Name(phase)} {Text(storage)}";
                _scalar.Linear(y.OnHost, x.OnHost, host, Most, n, k, Expected(phase), false);
                _backend.Linear(y.OnDevice, x.OnDevice, device, Most, n, k, phase, false);
                whole = memory.Download(y);
                Compare(name, $"[{Most}, {n}, {k}]", whole, y.Values, SumTolerance(k), k / 4.0);
                if (phase == Phase.RoundedDecode && !Rounds)
                    Compare(name + " as without", $"[{Most}, {n}, {k}]", whole, before, 0);
                foreach ((int first, int rows) in (ReadOnlySpan<(int, int)>)[(0, 1), (3, 1), (Most - 1, 1), (1, 2), (2, 4), (5, 5), (8, 9), (0, 16)])
                {
                    _backend.Linear(y.OnDevice, x.OnDevice + first * k, device, rows, n, k, phase, false);
                    Compare($"{name}, rows alike", $"[{rows}, {n}, {k}]", memory.Download(y).AsSpan(0, rows * n), whole.AsSpan(first * n, rows * n), 0);
                }
            }

            // Few rows are not aligned; many are, and more than a tile.
            Mirrored<float> unaligned = memory.Unaligned(2 * k);
            foreach ((Mirrored<float> from, int rows, Phase phase) in new[] { (unaligned, 2, Phase.Decode), (unaligned, 2, Phase.RoundedDecode),
                (unaligned, 2, Phase.Prefill), (memory.Floats(67 * k), 67, Phase.Prefill) })
            {
                Mirrored<float> sum = memory.Floats(rows * n);
                _scalar.Linear(sum.OnHost, from.OnHost, host, rows, n, k, Expected(phase), true);
                _backend.Linear(sum.OnDevice, from.OnDevice, device, rows, n, k, phase, true);
                Compare($"{Name(phase)} {Text(storage)}, accumulated", $"[{rows}, {n}, {k}]", memory.Download(sum), sum.Values, SumTolerance(k),
                    Math.Max(1, k / 4.0));
            }
        }
    }

    /// <summary>
    /// What an integer and its scale give: all integers, each product with one factor that is not 0, so that the sums are exact; and rows of weights
    /// whose scales are zero, tiny, infinite or NaN.
    /// </summary>
    internal void IntegerValues()
    {
        const int N = 24, K = 68;
        foreach (WeightStorage storage in Integers)
        {
            using CheckMemory<TBackend> memory = Memory(16);
            (Weight host, Weight device) = memory.Integers(storage, N, K);
            (Weight hostSpecial, Weight deviceSpecial) = memory.Integers(storage, N, K, [0, 1e-40f, float.PositiveInfinity, float.NegativeInfinity, float.NaN]);
            float[] ones = new float[K * K];
            for (int i = 0; i < K; i++)
                ones[i * (K + 1)] = 1;
            Mirrored<float> unit = memory.Place<float>(ones), x = memory.Floats(K * K), y = memory.Floats(K * N);
            foreach (Phase phase in (ReadOnlySpan<Phase>)[Phase.Prefill, Phase.Decode, Phase.RoundedDecode])
            {
                if (phase != Phase.RoundedDecode)
                {
                    _scalar.Linear(y.OnHost, unit.OnHost, host, K, N, K, phase, false);
                    _backend.Linear(y.OnDevice, unit.OnDevice, device, K, N, K, phase, false);
                    Compare($"{Name(phase)} {Text(storage)}, every integer", $"[{K}, {N}, {K}]", memory.Download(y), y.Values, 0);
                }

                // Whether it is infinity or NaN is left open: it depends on the order of a sum whether infinities of both signs meet.
                _scalar.Linear(y.OnHost, x.OnHost, hostSpecial, K, N, K, Expected(phase), false);
                _backend.Linear(y.OnDevice, x.OnDevice, deviceSpecial, K, N, K, phase, false);
                Compare($"{Name(phase)} {Text(storage)}, unusual scales", $"[{K}, {N}, {K}]", Finite(memory.Download(y)), Finite(y.Values.ToArray()),
                    SumTolerance(K), K / 4.0);
            }
        }
    }

    private static float[] Finite(float[] values) => Array.ConvertAll(values, v => float.IsFinite(v) ? v : float.NaN);

    private static string Name(Phase phase) => OperationRunner.Name(OperationKind.Linear, phase) + (phase == Phase.RoundedDecode ? " rounded" : "");

    private static string Text(WeightStorage s) =>
        $"{s.Format}{(s.IsQuantized ? $" {s.ScaleFormat} {(s.Group == 0 ? "row" : s.Group)}" : "")}";

    // The phase in which the scalar backend, which rounds, does the same.
    private Phase Expected(Phase phase) => phase == Phase.RoundedDecode && !Rounds ? Phase.Decode : phase;

    private bool FindsRounding(WeightStorage storage, Phase without, Phase with)
    {
        const int N = 8, K = 64;
        using CheckMemory<TBackend> memory = Memory(17);
        (_, Weight device) = storage.IsQuantized ? memory.Integers(storage, N, K) : memory.Weight(WeightRole.Linear, storage.Format, [N, K]);
        Mirrored<float> x = memory.Floats(K), exact = memory.Floats(N), rounded = memory.Floats(N);
        _backend.Linear(exact.OnDevice, x.OnDevice, device, 1, N, K, without, false);
        _backend.Linear(rounded.OnDevice, x.OnDevice, device, 1, N, K, with, false);
        return !memory.Download(exact).AsSpan().SequenceEqual(memory.Download(rounded));
    }
}
