using Dia.Configuration;

namespace Dia.Backends.Cpu;

/// <summary>Neighbouring values that an operation takes at a time: a vector of them, or those left at the end, padded with zeros.</summary>
internal unsafe interface ILanes
{
    /// <summary>The values at p; reads no further.</summary>
    Vector<float> Load(float* p);

    /// <summary>Stores values at p; writes no further.</summary>
    void Store(float* p, Vector<float> values);
}

/// <summary>A whole vector.</summary>
internal readonly unsafe struct AllLanes : ILanes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector<float> Load(float* p) => Vector.Load(p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* p, Vector<float> values) => values.Store(p);
}

/// <summary>What is left at the end.</summary>
/// <param name="count">How many values.</param>
internal readonly unsafe struct FirstLanes(int count) : ILanes
{
    public Vector<float> Load(float* p) => VectorMath.LoadPart(p, count);

    public void Store(float* p, Vector<float> values) => VectorMath.StorePart(p, values, count);
}

/// <summary>An operation on rows whose results each depend on the operands at one place.</summary>
/// <typeparam name="TSelf">Itself.</typeparam>
internal interface IElementwise<TSelf>
{
    /// <summary>The same for a row: its operands begin there.</summary>
    TSelf Row(long row);

    /// <summary>Computes the values from value i on.</summary>
    void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes;
}

/// <summary>The loop of all elementwise operations.</summary>
internal static unsafe class Elementwise
{
    /// <summary>An operation on rows of <paramref name="width"/> values, divided among threads.</summary>
    public static void Rows<TOperation>(CpuThreads threads, TOperation operation, long rows, int width)
        where TOperation : unmanaged, IElementwise<TOperation>
    {
        RowsJob<TOperation> job = new() { Operation = operation, Width = width };
        RowParts.Run(threads, ref job, rows, width);
    }

    /// <summary>An operation on one row of <paramref name="count"/> values, divided among threads.</summary>
    public static void Values<TOperation>(CpuThreads threads, TOperation operation, long count)
        where TOperation : unmanaged, IElementwise<TOperation>
    {
        ValuesJob<TOperation> job = new() { Operation = operation };
        RowParts.Run(threads, ref job, count, 1);
    }

    /// <summary>An operation on the values from <paramref name="first"/> up to <paramref name="end"/> of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run<TOperation>(TOperation operation, long first, long end)
        where TOperation : unmanaged, IElementwise<TOperation>
    {
        long i = first;
        for (; i <= end - Vector<float>.Count; i += Vector<float>.Count)
            operation.Compute(i, default(AllLanes));
        if (i < end)
            operation.Compute(i, new FirstLanes((int)(end - i)));
    }

    /// <summary>
    /// An operation whose values are each of a whole column of <paramref name="rows"/> rows: <paramref name="count"/> columns, divided among threads.
    /// </summary>
    public static void Columns<TOperation>(CpuThreads threads, TOperation operation, int count, long rows)
        where TOperation : unmanaged, IElementwise<TOperation>
    {
        ColumnsJob<TOperation> job = new() { Operation = operation, Count = count };
        RowParts.Run(threads, ref job, (count + ColumnsJob<TOperation>.Unit - 1) / ColumnsJob<TOperation>.Unit, rows * ColumnsJob<TOperation>.Unit);
    }

    private struct RowsJob<TOperation> : IRowJob
        where TOperation : unmanaged, IElementwise<TOperation>
    {
        public TOperation Operation;
        public int Width;

        public readonly void Run(long first, long end)
        {
            for (long r = first; r < end; r++)
                Elementwise.Run(Operation.Row(r), 0, Width);
        }
    }

    private struct ValuesJob<TOperation> : IRowJob
        where TOperation : unmanaged, IElementwise<TOperation>
    {
        public TOperation Operation;

        public readonly void Run(long first, long end) => Elementwise.Run(Operation, first, end);
    }

    private struct ColumnsJob<TOperation> : IRowJob
        where TOperation : unmanaged, IElementwise<TOperation>
    {
        // A cache line: no two threads write to one.
        public const int Unit = 16;

        public TOperation Operation;
        public int Count;

        public readonly void Run(long first, long end) => Elementwise.Run(Operation, first * Unit, Math.Min(end * Unit, Count));
    }
}

/// <summary>y += x.</summary>
/// <param name="y">Rows of width values.</param>
/// <param name="x">The row that is added to each.</param>
/// <param name="width">Values of a row.</param>
internal readonly unsafe struct Add(float* y, float* x, int width) : IElementwise<Add>
{
    public Add Row(long row) => new(y + row * width, x, width);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes => lanes.Store(y + i, lanes.Load(y + i) + lanes.Load(x + i));
}

/// <summary>y −= x.</summary>
internal readonly unsafe struct Subtract(float* y, float* x) : IElementwise<Subtract>
{
    public Subtract Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes => lanes.Store(y + i, lanes.Load(y + i) - lanes.Load(x + i));
}

/// <summary>y = tanh(x).</summary>
internal readonly unsafe struct Tanh(float* y, float* x) : IElementwise<Tanh>
{
    public Tanh Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> values = lanes.Load(x + i);
        float* value = (float*)&values;
        for (int lane = 0; lane < Vector<float>.Count; lane++)
            value[lane] = MathF.Tanh(value[lane]);
        lanes.Store(y + i, values);
    }
}

/// <summary>y = x·scale·w.</summary>
internal readonly unsafe struct Scale(float* y, float* x, float* w, float scale) : IElementwise<Scale>
{
    public Scale Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes => lanes.Store(y + i, lanes.Load(x + i) * new Vector<float>(scale) * lanes.Load(w + i));
}

/// <summary>y = up · act(gate) for rows x of width gates, then as many ups.</summary>
internal readonly unsafe struct GatedActivation(float* y, float* x, int width, HiddenActivation activation) : IElementwise<GatedActivation>
{
    public GatedActivation Row(long row) => new(y + row * width, x + 2 * row * width, width, activation);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes => lanes.Store(y + i, Activate(lanes.Load(x + i), activation) * lanes.Load(x + width + i));

    /// <summary>act(x).</summary>
    public static Vector<float> Activate(Vector<float> x, HiddenActivation activation) => activation switch
    {
        HiddenActivation.Silu => x * VectorMath.Sigmoid(x),
        HiddenActivation.Gelu => new Vector<float>(0.5f) * x * (Vector<float>.One + VectorMath.Erf(x * new Vector<float>(0.707106781f))),
        // (1 + tanh u)/2 = sigmoid(2u); u = √(2/π)·(x + 0.044715·x³).
        HiddenActivation.GeluNew =>
            x * VectorMath.Sigmoid(new Vector<float>(1.59576912f) * x * Vector.FusedMultiplyAdd(x * x, new Vector<float>(0.044715f), Vector<float>.One)),
        // The comparison is false for a NaN, which stays.
        _ => Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), Vector<float>.Zero, x),
    };
}

/// <summary>y = x + sin²(αx)/(α + 1e-9).</summary>
internal readonly unsafe struct Snake(float* y, float* x, float* alpha, int width) : IElementwise<Snake>
{
    public Snake Row(long row) => new(y + row * width, x + row * width, alpha, width);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Store(y + i, lanes.Load(x + i), lanes.Load(alpha + i), lanes);
    }

    /// <summary>Stores Snake of v.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes>(float* to, Vector<float> v, Vector<float> alpha, TLanes lanes)
        where TLanes : struct, ILanes
    {
        // Two ways that share nothing: what one of them used after its call, both would spill.
        Vector<float> turns = alpha * v;
        if (VectorMath.IsBeyondReduced(turns))
            StoreLarge(to, v, alpha, lanes);
        else
            lanes.Store(to, v + VectorMath.ReducedSinSquared(turns) / (alpha + new Vector<float>(1e-9f)));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreLarge<TLanes>(float* to, Vector<float> v, Vector<float> alpha, TLanes lanes)
        where TLanes : struct, ILanes =>
        lanes.Store(to, v + VectorMath.SinSquared(alpha * v) / (alpha + new Vector<float>(1e-9f)));
}

/// <summary>Rotates the pairs (x[i], x[i + half]) of each head; a row is a head.</summary>
internal readonly unsafe struct Rope(float* x, float* cos, float* sin, int heads, int half) : IElementwise<Rope>
{
    public Rope Row(long row) => new(x + row * 2 * half, cos + row / heads * half, sin + row / heads * half, heads, half);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        float* a = x + i, b = a + half;
        Vector<float> c = lanes.Load(cos + i), s = lanes.Load(sin + i), x1 = lanes.Load(a), x2 = lanes.Load(b);
        lanes.Store(a, x1 * c - x2 * s);
        lanes.Store(b, x2 * c + x1 * s);
    }
}
