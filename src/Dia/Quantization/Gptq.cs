using Dia.Weights;

namespace Dia.Quantization;

/// <summary>How well a weight was rounded.</summary>
/// <param name="Error">The sum of the squares of what its results are wrong by, over all inputs.</param>
/// <param name="Energy">The sum of the squares of its results.</param>
internal readonly record struct RoundingError(double Error, double Energy)
{
    /// <summary>‖(W − Q)·X‖ / ‖W·X‖; 0 where there are no results.</summary>
    public double Relative => Energy > 0 ? Math.Sqrt(Math.Max(0, Error) / Energy) : 0;
}

/// <summary>
/// Rounding that makes up for its own errors: GPTQ (Frantar et al. 2022, arXiv 2210.17323). The columns of a weight are rounded one after the other, and those
/// that follow take back what the results are wrong by so far. With H + damping = R·Rᵀ, R upper triangular, that is: round
/// w_i + Σ_{j&lt;i} e_j·R[j, i] / R[i, i], where e = w − q. The authors state it by the Cholesky factor of H⁻¹, which is R⁻¹; both give the same integers
/// (Chee et al. 2023, arXiv 2307.13304, theorem 6), and here no inverse is needed and no row depends on another.
/// </summary>
internal static unsafe class Gptq
{
    private const int Block = 32; // columns that are rounded together; groups are multiples of it, or whole rows
    private const int Tile = 4; // rows that are rounded together
    private const int ScaleSteps = 32; // scales that are tried

    /// <summary>Rounds a weight.</summary>
    /// <param name="weight">The weight [n, k], in a float format.</param>
    /// <param name="rows">n.</param>
    /// <param name="h">Its inputs, factored.</param>
    /// <param name="storage">What it becomes.</param>
    /// <param name="integers">Receives the integers [n, k].</param>
    /// <param name="scales">Receives the scales [n, groups].</param>
    /// <param name="threads">Threads that compute; they change nothing.</param>
    public static RoundingError Round(StoredWeight weight, int rows, Hessian h, WeightStorage storage, sbyte* integers, float* scales, int threads)
    {
        int k = h.Size, groups = storage.Groups(k), tiles = (rows + Tile - 1) / Tile;
        var sums = new RoundingError[tiles];
        Parallel.For(0, tiles, new ParallelOptions { MaxDegreeOfParallelism = threads }, () => new Rows(h, storage), (tile, _, work) =>
        {
            int first = tile * Tile;
            sums[tile] = work.Round(weight, first, Math.Min(Tile, rows - first), integers + (long)first * k, scales + (long)first * groups);
            return work;
        }, _ => { });
        return h.IsZero ? default : new RoundingError(sums.Sum(s => s.Error), sums.Sum(s => s.Energy));
    }

    /// <summary>Some rows, and the room to round them in.</summary>
    private sealed class Rows(Hessian h, WeightStorage storage)
    {
        private readonly int _k = h.Size, _group = storage.Group == 0 ? h.Size : storage.Group;
        private readonly int _levels = (int)Math.Ceiling(RoundToNearest.HalfRange(storage.Format));
        private readonly float[] _weights = GC.AllocateArray<float>(Tile * h.Size, pinned: true);
        private readonly float[] _errors = GC.AllocateArray<float>(Tile * h.Size, pinned: true);
        private readonly float[] _sums = GC.AllocateArray<float>(2 * Tile * Block, pinned: true);
        private double _error, _energy;

        public RoundingError Round(StoredWeight weight, int first, int count, sbyte* integers, float* scales)
        {
            (_error, _energy) = (0, 0);
            int groups = storage.Groups(_k);
            for (int r = 0; r < count; r++)
            {
                Span<float> row = _weights.AsSpan(r * _k, _k);
                WeightFormats.Read(weight.From((long)(first + r) * _k).Data, weight.Format, row);
                for (int g = 0; g < groups; g++)
                    scales[r * groups + g] = BestScale(row.Slice(g * _group, Math.Min(_group, _k - g * _group)));
            }

            fixed (float* w = _weights, e = _errors, sums = _sums)
                for (int c = 0; c < _k; c += Block)
                {
                    int width = Math.Min(Block, _k - c);
                    Array.Clear(_sums);
                    Products.Add(sums, Block, e, count, _k, h.Columns + (long)c * _k, width, _k, c, 1);
                    Products.Add(sums + Tile * Block, Block, w, count, _k, h.Columns + (long)c * _k, width, _k, c, 1);
                    for (int r = 0; r < count; r++)
                        RoundBlock(c, width, w + (long)r * _k, e + (long)r * _k, sums + r * Block, sums + (Tile + r) * Block,
                            scales[r * groups + c / _group], integers + (long)r * _k);
                }

            return new RoundingError(_error, _energy);
        }

        /// <summary>Rounds columns of a row. Sums hold what earlier columns add to e·R and to w·R, whose squares are those of the results.</summary>
        private void RoundBlock(int first, int width, float* w, float* e, float* errors, float* values, float scale, sbyte* integers)
        {
            for (int i = 0; i < width; i++)
            {
                float* column = h.Columns + (long)(first + i) * _k + first;
                double error = errors[i], value = values[i], own = column[i];
                for (int j = 0; j < i; j++)
                {
                    error += (double)e[first + j] * column[j];
                    value += (double)w[first + j] * column[j];
                }

                double wanted = w[first + i] + error / own;
                double rounded = scale > 0 ? Math.Clamp(Math.Round(wanted / scale), -_levels, _levels - 1) : 0;
                integers[first + i] = (sbyte)rounded;
                e[first + i] = (float)(w[first + i] - rounded * scale);
                error += e[first + i] * own;
                value += w[first + i] * own;
                _error += error * error - h.Damping * ((double)e[first + i] * e[first + i]);
                _energy += value * value - h.Damping * ((double)w[first + i] * w[first + i]);
            }
        }

        /// <summary>The scale that rounds some values with the least squared error, of those that cut off up to half of the range.</summary>
        private float BestScale(ReadOnlySpan<float> values)
        {
            float first = RoundToNearest.Scale(values, storage), best = first;
            double least = double.PositiveInfinity;
            for (int i = 0; i < ScaleSteps; i++)
            {
                float scale = RoundToNearest.Rounded(first * (1 - i * (1f / (2 * ScaleSteps))), storage.ScaleFormat), inverse = 1 / scale;
                double sum = 0;
                foreach (float value in values)
                {
                    float error = Math.Clamp(MathF.Round(value * inverse), -_levels, _levels - 1) * scale - value;
                    sum += (double)error * error;
                }

                if (sum < least)
                    (least, best) = (sum, scale);
            }

            return best;
        }
    }
}
