using Dia.Backends;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Checks;

// Linear layers of many rows whose activations may be rounded to bfloat16.
public sealed unsafe partial class KernelChecks<TBackend>
{
    private bool? _roundsPrompts;

    /// <summary>Whether the backend rounds activations in <see cref="Phase.RoundedPrefill"/>; one that does not must give the same bits as without.</summary>
    internal bool RoundsPrompts => _roundsPrompts ??= FindsRounding(WeightFormat.BFloat16, Phase.Prefill, Phase.RoundedPrefill);

    /// <summary>
    /// A linear layer in <see cref="Phase.RoundedPrefill"/>: each row is the same bits whatever rows are beside it, and NaN and infinity stay in their row.
    /// Weights in float32 are never rounded.
    /// </summary>
    internal void RoundedLinear(int n, int k)
    {
        WeightStorage[] storages = [.. Formats.Select(f => (WeightStorage)f), .. CommonIntegers.Intersect(Integers)];
        foreach (WeightStorage storage in storages)
        {
            const int Most = 41;
            using CheckMemory<TBackend> memory = Memory(18);
            (Weight host, Weight device) = storage.IsQuantized ? memory.Integers(storage, n, k) : memory.Weight(WeightRole.Linear, storage.Format, [n, k]);
            float[] values = memory.Floats(Most * k).Values.ToArray();
            (values[4 * k - 1], values[6 * k], values[Most * k - 1 - k / 2]) = (float.NaN, float.PositiveInfinity, float.NegativeInfinity);
            Mirrored<float> x = memory.Place<float>(values), y = memory.Floats(Most * n);
            bool rounds = RoundsPrompts && storage.Format != WeightFormat.Float32;
            string name = $"block_linear rounded {Text(storage)}", shape = Text($"[{Most}, {n}, {k}]");
            foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
            {
                _scalar.Linear(y.OnHost, x.OnHost, host, Most, n, k, rounds ? Phase.RoundedPrefill : Phase.Prefill, accumulate);
                _backend.Linear(y.OnDevice, x.OnDevice, device, Most, n, k, Phase.RoundedPrefill, accumulate);
                Compare(name, shape, memory.Download(y), y.Values, SumTolerance(k), Math.Max(1, k / 4.0));
            }

            float[] whole = memory.Download(y);
            if (!rounds)
            {
                _backend.Linear(y.OnDevice, x.OnDevice, device, Most, n, k, Phase.Prefill, false);
                Compare(name + " as without", shape, whole, memory.Download(y), 0);
                continue;
            }
            foreach ((int first, int rows) in (ReadOnlySpan<(int, int)>)[(0, 1), (3, 1), (Most - 1, 1), (1, 12), (7, 13), (12, 29)])
            {
                _backend.Linear(y.OnDevice, x.OnDevice + first * k, device, rows, n, k, Phase.RoundedPrefill, false);
                Compare(name + ", rows alike", Text($"[{rows}, {n}, {k}]"), memory.Download(y).AsSpan(0, rows * n), whole.AsSpan(first * n, rows * n), 0);
            }
        }
    }
}
