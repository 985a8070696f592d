namespace Dia.Backends.Cpu;

/// <summary>
/// The rows of x as the kernels of a decoding step's linear layer read them, one stream through memory: groups of two rows or four, of each row the first
/// vector of a block of two, then of each the second, then the next block, padded with zeros to whole blocks and to a whole group.
/// </summary>
internal unsafe struct ArrangedRows<TFormat>
    where TFormat : struct, IStoredFormat
{
    private readonly int _given;
    private readonly int _k;

    // Rows in groups of four, the first ones.
    private readonly int _rowsInFours;

    // So many values of all rows lie together.
    private readonly int _length;

    /// <summary>For rows of x of k values, of which so many lie together: whole blocks.</summary>
    public ArrangedRows(int rows, int k, int length)
    {
        (_given, _k, _length) = (rows, k, length);
        // An odd row has a row of zeros beside it.
        Rows = (rows + 1) / 2 * 2;
        // Two groups of two rows were faster than one of four: memory has time to bring the next weights while the second reads these again.
        _rowsInFours = Vector<float>.Count == 16 && rows > 4 ? Rows / 4 * 4 : 0;
        Groups = Rows / 2 - _rowsInFours / 4;
        Floats = (k + (long)length - 1) / length * length * Rows;
    }

    /// <summary>Rows with the padding.</summary>
    public readonly int Rows { get; }

    /// <summary>Groups of rows.</summary>
    public readonly int Groups { get; }

    /// <summary>Values of all.</summary>
    public readonly long Floats { get; }

    /// <summary>The first of all values.</summary>
    public float* First { readonly get; private set; }

    private static int Block => 2 * Vector<float>.Count;

    /// <summary>The first row of a group.</summary>
    public readonly int FirstRow(int group) => group * 4 < _rowsInFours ? group * 4 : _rowsInFours / 2 + group * 2;

    /// <summary>How many rows the group of a row has.</summary>
    public readonly int RowsBeside(int row) => row < _rowsInFours ? 4 : 2;

    /// <summary>The values of all rows among which those of k are, a row's first of them so many values after the row before.</summary>
    public readonly float* Together(int k) => First + (long)(k / _length) * _length * Rows;

    // The values of a group from k on, where a row is the group's first.
    private readonly float* At(int row, int k) => Together(k) + (long)row * _length + k % _length * RowsBeside(row);

    /// <summary>Arranges x [rows, k] at a place for <see cref="Floats"/> values.</summary>
    public void Arrange(float* x, float* to)
    {
        First = to;
        if (_given % 2 != 0)
            NativeMemory.Clear(to, (nuint)(Floats * sizeof(float)));
        for (int row = 0; row < _given; row++)
            ArrangeRow(x + (long)row * _k, row);
    }

    private readonly void ArrangeRow(float* from, int row)
    {
        int v = Vector<float>.Count, whole = _k / Block * Block, rows = RowsBeside(row), inGroup = row % rows;
        for (int k = 0; k < whole; k += _length)
        {
            float* to = At(row - inGroup, k) + inGroup * v;
            for (int i = k, end = Math.Min(k + _length, whole); i < end; i += Block, to += rows * Block)
                ArrangeBlock(from + i, to, rows * v);
        }
        if (whole < _k)
        {
            float* tail = stackalloc float[2 * v];
            VectorMath.LoadPart(from + whole, Math.Min(v, _k - whole)).Store(tail);
            VectorMath.LoadPart(from + whole + v, Math.Max(0, _k - whole - v)).Store(tail + v);
            ArrangeBlock(tail, At(row - inGroup, whole) + inGroup * v, rows * v);
        }
    }

    private static void ArrangeBlock(float* from, float* to, int second)
    {
        int v = Vector<float>.Count;
        if (!TFormat.Interleaved)
        {
            Vector.Load(from).Store(to);
            Vector.Load(from + v).Store(to + second);
            return;
        }
        // A value of even index and the next are the halves of 64 bits, and narrowing keeps the lower ones.
        Vector<ulong> a = Vector.Load((ulong*)from), b = Vector.Load((ulong*)(from + v));
        Vector.Narrow(a, b).Store((uint*)to);
        Vector.Narrow(Vector.ShiftRightLogical(a, 32), Vector.ShiftRightLogical(b, 32)).Store((uint*)(to + second));
    }
}
