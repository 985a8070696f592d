namespace Dia.Backends.Cpu;

/// <summary>
/// The nearest codebook row by cosine. In double: codes are decisions, and rows that differ by less than float32 rounding
/// should be told apart by their values, not by the order of a sum. A few values per entry: memory and time are small.
/// </summary>
internal unsafe struct NearestCodeJob : IRowJob
{
    public int* Codes;
    public int CodeStride;
    public float* X;
    public int Entries;
    public int Width;

    /// <summary>The normalised codebook, transposed [Width][Padded], then the squared norms [Padded] of its rows.</summary>
    public double* Table;
    public int Padded;

    /// <summary>Fills <see cref="Table"/> from float32 rows.</summary>
    public readonly void Normalise(float* row, int entry)
    {
        double squares = 0;
        for (int i = 0; i < Width; i++)
            squares += (double)row[i] * row[i];
        double norm = Math.Max(Math.Sqrt(squares), 1e-12);
        for (int i = 0; i < Width; i++)
            Table[(long)i * Padded + entry] = row[i] / norm;
        Table[(long)Width * Padded + entry] = squares / (norm * norm);
    }

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        int v = Vector<double>.Count;
        double* scores = stackalloc double[v];
        for (long r = first; r < end; r++)
        {
            float* x = X + r * Width;
            double squares = 0;
            for (int i = 0; i < Width; i++)
                squares += (double)x[i] * x[i];
            double scale = 2 / Math.Max(Math.Sqrt(squares), 1e-12), best = double.NegativeInfinity;
            int code = 0;
            for (int e = 0; e < Entries; e += v)
            {
                Vector<double> sum = default;
                for (int i = 0; i < Width; i++)
                    sum = Vector.FusedMultiplyAdd(new Vector<double>(x[i]), Vector.Load(Table + (long)i * Padded + e), sum);
                sum = Vector.FusedMultiplyAdd(sum, new Vector<double>(scale), Vector.Load(Table + (long)Width * Padded + e));
                if (!Vector.GreaterThanAny(sum, new Vector<double>(best)))
                    continue;
                sum.Store(scores);
                for (int i = 0; i < v && e + i < Entries; i++)
                {
                    // The first of equals.
                    if (scores[i] > best)
                    {
                        best = scores[i];
                        code = e + i;
                    }
                }
            }
            Codes[r * CodeStride] = code;
        }
    }
}
