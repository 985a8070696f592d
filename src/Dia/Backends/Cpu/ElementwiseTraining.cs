using Dia.Configuration;

namespace Dia.Backends.Cpu;

/// <summary>y = x.</summary>
internal readonly unsafe struct Copy(float* y, float* x) : IElementwise<Copy>
{
    public Copy Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes => lanes.Store(y + i, lanes.Load(x + i));
}

/// <summary>y = x·factor.</summary>
internal readonly unsafe struct Multiply(float* y, float* x, float factor) : IElementwise<Multiply>
{
    public Multiply Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes => lanes.Store(y + i, lanes.Load(x + i) * new Vector<float>(factor));
}

/// <summary>dx = scale·(dy·w − x·back) (+ dx), of one row.</summary>
internal readonly unsafe struct RmsNormGradient(float* dx, float* dy, float* x, float* w, float scale, float back, bool accumulate)
    : IElementwise<RmsNormGradient>
{
    public RmsNormGradient Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> gradient = new Vector<float>(scale) * (lanes.Load(dy + i) * lanes.Load(w + i) - lanes.Load(x + i) * new Vector<float>(back));
        lanes.Store(dx + i, accumulate ? lanes.Load(dx + i) + gradient : gradient);
    }
}

/// <summary>Turns the pairs (dx[i], dx[i + half]) of each head back; a row is a head.</summary>
internal readonly unsafe struct RopeGradient(float* dx, float* cos, float* sin, int heads, int half) : IElementwise<RopeGradient>
{
    public RopeGradient Row(long row) => new(dx + row * 2 * half, cos + row / heads * half, sin + row / heads * half, heads, half);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        float* a = dx + i, b = a + half;
        Vector<float> c = lanes.Load(cos + i), s = lanes.Load(sin + i), d1 = lanes.Load(a), d2 = lanes.Load(b);
        lanes.Store(a, d1 * c + d2 * s);
        lanes.Store(b, d2 * c - d1 * s);
    }
}

/// <summary>The gradients of width gates, then of as many ups.</summary>
internal readonly unsafe struct GatedActivationGradient(float* dx, float* dy, float* x, int width, HiddenActivation activation)
    : IElementwise<GatedActivationGradient>
{
    public GatedActivationGradient Row(long row) => new(dx + 2 * row * width, dy + row * width, x + 2 * row * width, width, activation);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> gate = lanes.Load(x + i), up = lanes.Load(x + width + i), gradient = lanes.Load(dy + i);
        lanes.Store(dx + i, gradient * up * Slope(gate));
        lanes.Store(dx + width + i, gradient * GatedActivation.Activate(gate, activation));
    }

    private Vector<float> Slope(Vector<float> x)
    {
        Vector<float> one = Vector<float>.One, half = new(0.5f), s;
        switch (activation)
        {
            case HiddenActivation.Silu:
                s = VectorMath.Sigmoid(x);
                return s * Vector.FusedMultiplyAdd(x, one - s, one);
            case HiddenActivation.Gelu:
                // Φ(x) + x·φ(x).
                Vector<float> density = VectorMath.Exp(x * x * new Vector<float>(-0.5f)) * new Vector<float>(0.398942280f);
                return Vector.FusedMultiplyAdd(x, density, half * (one + VectorMath.Erf(x * new Vector<float>(0.707106781f))));
            case HiddenActivation.GeluNew:
                // Of x·s for s = sigmoid(2u), as in the activation itself: s + x·s·(1 − s)·2u'.
                Vector<float> squares = x * x, factor = new(1.59576912f);
                s = VectorMath.Sigmoid(factor * x * Vector.FusedMultiplyAdd(squares, new Vector<float>(0.044715f), one));
                return Vector.FusedMultiplyAdd(x * s, (one - s) * factor * Vector.FusedMultiplyAdd(squares, new Vector<float>(0.134145f), one), s);
            default:
                // The comparison is false for a NaN.
                return Vector.ConditionalSelect(Vector.LessThanOrEqual(x, Vector<float>.Zero), Vector<float>.Zero, one);
        }
    }
}

/// <summary>table[ids[r·idStride], column] += dy[r, column] for all rows, one after the other.</summary>
internal readonly unsafe struct AddToRows(float* table, float* dy, int* ids, int idStride, long rows, int width) : IElementwise<AddToRows>
{
    public AddToRows Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        for (long r = 0; r < rows; r++)
        {
            float* to = table + (long)ids[r * idStride] * width + i;
            lanes.Store(to, lanes.Load(to) + lanes.Load(dy + r * width + i));
        }
    }
}

/// <summary>A term of a sum over rows.</summary>
internal interface IColumnTerm
{
    /// <summary>That of a row, at the columns from i on.</summary>
    Vector<float> At<TLanes>(long row, long i, TLanes lanes)
        where TLanes : struct, ILanes;
}

/// <summary>sums[column] += Σ_r term[r, column].</summary>
internal readonly unsafe struct ColumnSum<TTerm>(float* sums, TTerm term, long rows) : IElementwise<ColumnSum<TTerm>>
    where TTerm : struct, IColumnTerm
{
    // A sum of sums of so many rows: of a codec's hundred thousand, a single one would lose much.
    private const int Block = 256;

    public ColumnSum<TTerm> Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> total = lanes.Load(sums + i);
        for (long first = 0; first < rows; first += Block)
        {
            Vector<float> sum = default;
            for (long r = first; r < Math.Min(rows, first + Block); r++)
                sum += term.At(r, i, lanes);
            total += sum;
        }
        lanes.Store(sums + i, total);
    }
}

/// <summary>x, of rows of width values: a bias' gradient.</summary>
internal readonly unsafe struct ValueTerm(float* x, int width) : IColumnTerm
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector<float> At<TLanes>(long row, long i, TLanes lanes)
        where TLanes : struct, ILanes => lanes.Load(x + row * width + i);
}

/// <summary>dy·x·scale, of rows of width values with a scale each.</summary>
internal readonly unsafe struct NormTerm(float* dy, float* x, float* scales, int width) : IColumnTerm
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector<float> At<TLanes>(long row, long i, TLanes lanes)
        where TLanes : struct, ILanes => lanes.Load(dy + row * width + i) * lanes.Load(x + row * width + i) * new Vector<float>(scales[row]);
}

/// <summary>dy·(x·sin(2αx) − sin²(αx)/(α + 1e-9))/(α + 1e-9), of rows of width values.</summary>
internal readonly unsafe struct SnakeTerm(float* dy, float* x, float* alpha, int width) : IColumnTerm
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector<float> At<TLanes>(long row, long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> v = lanes.Load(x + row * width + i), a = lanes.Load(alpha + i), divisor = a + new Vector<float>(1e-9f);
        Vector<float> slope = v * VectorMath.SinOfTwice(a * v) - VectorMath.SinSquared(a * v) / divisor;
        return lanes.Load(dy + row * width + i) * slope / divisor;
    }
}

/// <summary>dx = dy·(1 + α·sin(2αx)/(α + 1e-9)) (+ dx).</summary>
internal readonly unsafe struct SnakeGradient(float* dx, float* dy, float* x, float* alpha, int width, bool accumulate) : IElementwise<SnakeGradient>
{
    public SnakeGradient Row(long row) => new(dx + row * width, dy + row * width, x + row * width, alpha, width, accumulate);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> a = lanes.Load(alpha + i), slope = a / (a + new Vector<float>(1e-9f)) * VectorMath.SinOfTwice(a * lanes.Load(x + i));
        Vector<float> gradient = lanes.Load(dy + i) * (Vector<float>.One + slope);
        lanes.Store(dx + i, accumulate ? lanes.Load(dx + i) + gradient : gradient);
    }
}

/// <summary>dx = dy·(1 − y²).</summary>
internal readonly unsafe struct TanhGradient(float* dx, float* dy, float* y) : IElementwise<TanhGradient>
{
    public TanhGradient Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> value = lanes.Load(y + i);
        lanes.Store(dx + i, lanes.Load(dy + i) * (Vector<float>.One - value) * (Vector<float>.One + value));
    }
}

/// <summary>dx = factor·(x − target) (+ dx).</summary>
internal readonly unsafe struct SquaredErrorGradient(float* dx, float* x, float* target, float factor, bool accumulate) : IElementwise<SquaredErrorGradient>
{
    public SquaredErrorGradient Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> gradient = new Vector<float>(factor) * (lanes.Load(x + i) - lanes.Load(target + i));
        lanes.Store(dx + i, accumulate ? lanes.Load(dx + i) + gradient : gradient);
    }
}

/// <summary>A step of AdamW (<see cref="ITrainingBackend.AdamW"/>), its factors computed in double.</summary>
internal readonly unsafe struct AdamW(float* w, float* m, float* v, float* g, AdamWStep step) : IElementwise<AdamW>
{
    private readonly float _gradientScale = (float)step.GradientScale;
    private readonly float _kept = (float)(1 - step.LearningRate * step.WeightDecay);
    private readonly float _meanPart = (float)(1 - step.Beta1);
    private readonly float _squareKept = (float)step.Beta2;
    private readonly float _squarePart = (float)(1 - step.Beta2);
    private readonly float _rate = (float)(step.LearningRate / (1 - Math.Pow(step.Beta1, step.Number)));
    private readonly float _rootFactor = (float)(1 / Math.Sqrt(1 - Math.Pow(step.Beta2, step.Number)));
    private readonly float _epsilon = (float)step.Epsilon;

    public AdamW Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> gradient = lanes.Load(g + i) * new Vector<float>(_gradientScale), mean = lanes.Load(m + i), square = lanes.Load(v + i);
        mean = Vector.FusedMultiplyAdd(gradient - mean, new Vector<float>(_meanPart), mean);
        square = Vector.FusedMultiplyAdd(gradient * gradient, new Vector<float>(_squarePart), square * new Vector<float>(_squareKept));
        Vector<float> root = Vector.FusedMultiplyAdd(Vector.SquareRoot(square), new Vector<float>(_rootFactor), new Vector<float>(_epsilon));
        lanes.Store(m + i, mean);
        lanes.Store(v + i, square);
        lanes.Store(w + i, lanes.Load(w + i) * new Vector<float>(_kept) - new Vector<float>(_rate) * mean / root);
    }
}
