namespace Dia.Weights;

/// <summary>Values in a mapped file, each dimension with a stride of its own: a tensor, or a part of one.</summary>
/// <param name="File">The file.</param>
/// <param name="Offset">Bytes of the file before the first value.</param>
/// <param name="Shape">Its shape, outermost dimension first.</param>
/// <param name="Strides">Values from one to the next along each dimension, not negative.</param>
internal sealed unsafe record TensorView(MappedTensorFile File, long Offset, long[] Shape, long[] Strides)
{
    // Rows and columns that are copied at a time where both are far apart in one of the two places.
    private const int Tile = 32;

    /// <summary>Number of values.</summary>
    public long Count => Shape.Aggregate(1L, (count, d) => checked(count * d));

    /// <summary>Whether the values lie one after the other, row-major.</summary>
    public bool IsContiguous
    {
        get
        {
            long[] order = RowMajor(Shape);
            return Shape.Contains(0) || Enumerable.Range(0, Shape.Length).All(i => Shape[i] == 1 || Strides[i] == order[i]);
        }
    }

    /// <summary>Values that the view reaches over in the file.</summary>
    /// <exception cref="OverflowException">More than fit 64 bits.</exception>
    public long Extent => Shape.Contains(0) ? 0 : Shape.Zip(Strides, (d, stride) => checked((d - 1) * stride)).Aggregate(1L, (sum, d) => checked(sum + d));

    /// <summary>The strides of values that lie one after the other.</summary>
    public static long[] RowMajor(long[] shape)
    {
        long[] strides = new long[shape.Length];
        if (shape.Contains(0))
            return strides; // The other dimensions may be anything.
        long stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
            (strides[i], stride) = (stride, checked(stride * shape[i]));
        return strides;
    }

    /// <summary>The same values with a dimension elsewhere among the others.</summary>
    public TensorView WithMoved(int from, int to)
    {
        return this with { Shape = Moved(Shape), Strides = Moved(Strides) };

        long[] Moved(long[] all)
        {
            List<long> moved = [.. all];
            moved.RemoveAt(from);
            moved.Insert(to, all[from]);
            return [.. moved];
        }
    }

    /// <summary>Copies the values, row-major.</summary>
    /// <param name="to">Takes <see cref="Count"/> of them.</param>
    /// <param name="size">Bytes of a value: 1, 2, 4 or 8.</param>
    public void CopyTo(byte* to, int size)
    {
        if (Shape.Contains(0))
            return;
        using IO.MappedRange.Lease hold = File.Hold();
        byte* from = File.At(Offset);
        (long Count, long Stride)[] dimensions = Merged();
        switch (size)
        {
            case 1:
                Copy(from, to, dimensions);
                break;
            case 2:
                Copy((ushort*)from, (ushort*)to, dimensions);
                break;
            case 4:
                Copy((uint*)from, (uint*)to, dimensions);
                break;
            case 8:
                Copy((ulong*)from, (ulong*)to, dimensions);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(size));
        }
    }

    /// <summary>The dimensions, where those that one stride goes through are one, and always at least two.</summary>
    private (long Count, long Stride)[] Merged()
    {
        var merged = new List<(long Count, long Stride)>();
        for (int i = 0; i < Shape.Length; i++)
        {
            if (Shape[i] == 1)
                continue;
            if (merged.Count > 0 && merged[^1].Stride == Shape[i] * Strides[i])
                merged[^1] = (merged[^1].Count * Shape[i], Strides[i]);
            else
                merged.Add((Shape[i], Strides[i]));
        }

        while (merged.Count < 2)
            merged.Insert(0, (1, 0));
        return [.. merged];
    }

    private static void Copy<T>(T* from, T* to, ReadOnlySpan<(long Count, long Stride)> dimensions)
        where T : unmanaged
    {
        if (dimensions.Length == 2)
        {
            CopyMatrix(from, to, dimensions[0], dimensions[1]);
            return;
        }

        long inside = 1;
        foreach ((long count, _) in dimensions[1..])
            inside *= count;
        for (long i = 0; i < dimensions[0].Count; i++)
            Copy(from + i * dimensions[0].Stride, to + i * inside, dimensions[1..]);
    }

    private static void CopyMatrix<T>(T* from, T* to, (long Count, long Stride) rows, (long Count, long Stride) columns)
        where T : unmanaged
    {
        if (columns.Stride == 1)
        {
            for (long r = 0; r < rows.Count; r++)
                Buffer.MemoryCopy(from + r * rows.Stride, to + r * columns.Count, columns.Count * sizeof(T), columns.Count * sizeof(T));
            return;
        }

        for (long firstRow = 0; firstRow < rows.Count; firstRow += Tile)
            for (long firstColumn = 0; firstColumn < columns.Count; firstColumn += Tile)
            {
                long lastRow = Math.Min(firstRow + Tile, rows.Count), lastColumn = Math.Min(firstColumn + Tile, columns.Count);
                for (long r = firstRow; r < lastRow; r++)
                    for (long c = firstColumn; c < lastColumn; c++)
                        to[r * columns.Count + c] = Unsafe.ReadUnaligned<T>(from + r * rows.Stride + c * columns.Stride);
            }
    }
}
