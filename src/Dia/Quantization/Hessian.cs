using Dia.IO;

namespace Dia.Quantization;

/// <summary>
/// H = Σ x·xᵀ over the inputs x of a layer (the second derivative of the squared error of its results by a row of its weights, but for a factor 2 that
/// changes nothing), and what error compensation needs of it.
/// </summary>
internal sealed unsafe class Hessian : IDisposable
{
    private const int Block = 64; // rows and columns of H that are computed together
    private const int PartRows = 256; // inputs that are summed before they are added
    /// <summary>What is added to the diagonal, of its mean, as GPTQ's authors choose it.</summary>
    public const double UsualDamping = 0.01;

    private const double MostDamping = 100;

    private readonly float* _values; // [k, k]: H in the lower triangle and the diagonal
    private readonly float* _inputs; // [k, PartRows]: inputs, transposed
    private readonly int _threads;

    /// <summary>Zeros.</summary>
    /// <param name="size">Values of an input, k.</param>
    /// <param name="threads">Threads that compute.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public Hessian(int size, int threads)
    {
        (Size, _threads) = (size, threads);
        _values = HostMemory.Allocate((long)size * size);
        for (int i = 0; i < size; i++)
            new Span<float>(_values + (long)i * size, size).Clear();
        _inputs = HostMemory.Allocate((long)size * PartRows);
    }

    /// <summary>Values of an input.</summary>
    public int Size { get; }

    /// <summary>Inputs that were added.</summary>
    public long Inputs { get; private set; }

    /// <summary>Whether no input was anything but zeros; after <see cref="Factor"/>.</summary>
    public bool IsZero { get; private set; }

    /// <summary>What was added to the diagonal to factor it.</summary>
    public double Damping { get; private set; }

    /// <summary>The factor R, upper triangular with H + damping = R·Rᵀ, transposed: row i holds column i of R. After <see cref="Factor"/>.</summary>
    public float* Columns => _values;

    /// <summary>Bytes of one of a size.</summary>
    public static long Bytes(int size) => (long)size * (size + PartRows) * sizeof(float);

    /// <summary>Adds inputs [rows, k].</summary>
    public void Add(float* x, int rows)
    {
        for (int first = 0; first < rows; first += PartRows)
        {
            int part = Math.Min(PartRows, rows - first);
            float* from = x + (long)first * Size;
            Parallel(Blocks, i =>
            {
                for (int column = i * Block; column < Math.Min(Size, (i + 1) * Block); column++)
                    for (int row = 0; row < part; row++)
                        _inputs[(long)column * PartRows + row] = from[(long)row * Size + column];
            });
            Parallel(Blocks, i =>
            {
                for (int j = 0; j <= i; j++)
                    Products.Add(At(i, j), Size, Input(i), Count(i), PartRows, Input(j), Count(j), PartRows, part, 1);
            });
        }

        Inputs += rows;
    }

    /// <summary>Factors it, with as much damping as makes it positive definite; H itself is gone then.</summary>
    /// <returns>The damping, as a share of the mean of the diagonal: more than <see cref="UsualDamping"/> where that did not do.</returns>
    /// <exception cref="DiaException">Inputs that are not finite (Model).</exception>
    public double Factor()
    {
        double[] diagonal = new double[Size];
        for (int i = 0; i < Size; i++)
            diagonal[i] = _values[(long)i * Size + i];
        double mean = diagonal.Average();
        IsZero = mean == 0;
        if (IsZero)
            mean = 1; // Nothing is to be made up for.
        for (double share = UsualDamping; share <= MostDamping && double.IsFinite(mean); share *= 10)
        {
            Damping = share * mean;
            if (!Cholesky(diagonal))
                continue;
            Mirror();
            return share;
        }

        throw new DiaException(DiaErrorKind.Model, "their inputs on the calibration script are not finite, or too large to be squared.");
    }

    private void Mirror() => Parallel(Blocks, i =>
    {
        for (int row = i * Block; row < i * Block + Count(i); row++)
            for (int column = 0; column < row; column++)
                _values[(long)row * Size + column] = _values[(long)column * Size + row];
    });

    /// <summary>
    /// R[j, i] = (H[j, i] − Σ_{m>i} R[j, m]·R[i, m]) / R[i, i], from the last column to the first, a block of columns at a time. R goes into the upper
    /// triangle, so that H stays for another attempt.
    /// </summary>
    private bool Cholesky(double[] diagonal)
    {
        for (int c = Blocks - 1; c >= 0; c--)
        {
            int first = c * Block, count = Count(c), behind = first + count;
            Parallel(c + 1, i =>
            {
                for (int row = i * Block; row < i * Block + Count(i); row++)
                    for (int column = Math.Max(first, row); column < behind; column++)
                        _values[(long)row * Size + column] = row == column ? (float)(diagonal[row] + Damping) : _values[(long)column * Size + row];
                if (i < c)
                    Products.Add(At(i, c), Size, At(i, c) + count, Count(i), Size, At(c, c) + count, count, Size, Size - behind, -1);
                else
                    SubtractUpper(first, count);
            });
            if (!Finish(first, count))
                return false;
            Parallel(c, i => Solve(i, first, count));
        }

        return true;
    }

    /// <summary>The same of a block on the diagonal: what is below it is H.</summary>
    private void SubtractUpper(int first, int count)
    {
        for (int i = 0; i < count; i++)
        {
            float* row = _values + (long)(first + i) * Size + first;
            for (int j = i; j < count; j++)
                Products.Add(row + j, Size, row + count, 1, Size, _values + (long)(first + j) * Size + first + count, 1, Size, Size - first - count, -1);
        }
    }

    /// <summary>The factor of a block on the diagonal.</summary>
    private bool Finish(int first, int count)
    {
        for (int i = count - 1; i >= 0; i--)
            for (int j = i; j >= 0; j--)
            {
                float* row = Row(j), other = Row(i);
                double sum = row[i];
                for (int m = i + 1; m < count; m++)
                    sum -= (double)row[m] * other[m];
                if (i == j && !(sum > 0 && double.IsFinite(sum)))
                    return false;
                row[i] = (float)(i == j ? Math.Sqrt(sum) : sum / other[i]);
                if (i == j && row[i] == 0)
                    return false;
            }

        return true;

        float* Row(int i) => _values + (long)(first + i) * Size + first;
    }

    /// <summary>The factor of a block of rows above it.</summary>
    private void Solve(int block, int first, int count)
    {
        for (int j = block * Block; j < block * Block + Count(block); j++)
        {
            float* row = _values + (long)j * Size + first;
            for (int i = count - 1; i >= 0; i--)
            {
                float* other = _values + (long)(first + i) * Size + first;
                double sum = row[i];
                for (int m = i + 1; m < count; m++)
                    sum -= (double)row[m] * other[m];
                row[i] = (float)(sum / other[i]);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        HostMemory.Free(_values);
        HostMemory.Free(_inputs);
    }

    private int Blocks => (Size + Block - 1) / Block;

    private int Count(int block) => Math.Min(Block, Size - block * Block);

    private float* At(int row, int column) => _values + (long)row * Block * Size + column * Block;

    private float* Input(int block) => _inputs + (long)block * Block * PartRows;

    private void Parallel(int count, Action<int> body) =>
        System.Threading.Tasks.Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = _threads }, body);
}
