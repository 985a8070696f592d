using Dia.Configuration;
using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Tests.Differentiation;

/// <summary>The graph in plain loops in double, forward and backward: what the emitted code and finite differences are compared with.</summary>
internal sealed class Interpreter(DiaConfig config, Batch batch, IReadOnlyDictionary<string, double[]> parameters)
{
    private readonly Dictionary<Value, double[]> _values = [];
    private readonly Dictionary<Value, (double[] Keys, double[] Values)> _caches = [];
    private readonly Dictionary<(Home, int), double[]> _stored = [];
    private bool _isText;

    /// <summary>The loss, as the sum that its gradients are of.</summary>
    public double Loss { get; private set; }

    /// <summary>The gradient of each parameter.</summary>
    public Dictionary<string, double[]> Gradients { get; } = parameters.ToDictionary(p => p.Key, p => new double[p.Value.Length]);

    private int RowCount => batch.Count * (_isText ? batch.Length : batch.Rows);

    /// <summary>Runs functions in order: of text, or of audio.</summary>
    public void Run(IEnumerable<FunctionGraph> functions, bool isText)
    {
        _isText = isText;
        foreach (Operation operation in functions.SelectMany(f => f.Operations))
            Run(operation);
    }

    private double[] this[Value value] => _values.TryGetValue(value, out double[]? computed) ? computed : _stored[(value.Home, value.Index)];

    private void Run(Operation operation)
    {
        switch (operation)
        {
            case Embedding o: Embed(o.Y, o.Table, 1); break;
            case EmbeddingSum o: Embed(o.Y, o.Table, o.Channels); break;
            case RotaryTable o: Angles(o); break;
            case RmsNorm o: _values[o.Y] = Norm(this[o.X], parameters[o.W.Name], o.Epsilon); break;
            case Linear o: _values[o.Y] = Plus(o.Residual, Product(this[o.X], parameters[o.W.Name], o.X.Width, o.Y.Width)); break;
            case Rotation o: _values[o.Y] = Turn(this[o.X], this[o.Cos], this[o.Sin], o.X.Width, 1); break;
            case GatedActivation o: _values[o.Y] = Gate(this[o.X], o.Y.Width, o.Activation); break;
            case AppendKeyValues o: Append(o); break;
            case Attention o: _values[o.Y] = Attend(o, null, null).Y; break;
            case Add o: _values[o.Y] = Plus(o.A, this[o.X]); break;
            case Copy o: _values[o.Y] = this[o.X]; break;
            case Store o: _stored[(o.Home, o.Index)] = this[o.X]; break;
            case CrossEntropy o: Loss = Entropy(this[o.X], o.Channels, null); break;
            default: RunBackward(operation); break;
        }
    }

    private void RunBackward(Operation operation)
    {
        switch (operation)
        {
            case LinearInputGradient o: _values[o.Y] = Plus(o.Sum, ProductTransposed(this[o.Dy], parameters[o.W.Name], o.Dy.Width, o.Y.Width)); break;
            case LinearWeightGradient o: WeightGradient(Gradients[o.W.Name], this[o.Dy], this[o.X], o.Dy.Width, o.X.Width); break;
            case RmsNormGradient o: NormGradient(o); break;
            case RotationGradient o: _values[o.Y] = Turn(this[o.Dy], this[o.Cos], this[o.Sin], o.Dy.Width, -1); break;
            case GatedActivationGradient o: _values[o.Y] = GateGradient(this[o.Dy], this[o.X], o.Dy.Width, o.Activation); break;
            case AttentionGradient o:
                var (_, dq, dk, dv) = Attend(o.Forward, this[o.Dy], this[o.Q]);
                (_values[o.Y], _values[o.Keys], _values[o.Values]) = (dq, dk, dv);
                break;
            case EmbeddingGradient o: EmbedGradient(o.Dy, o.Table, 1); break;
            case EmbeddingSumGradient o: EmbedGradient(o.Dy, o.Table, o.Channels); break;
            case CrossEntropyGradient o:
                double[] gradient = new double[this[o.X].Length];
                Entropy(this[o.X], o.Channels, gradient);
                _values[o.Y] = gradient;
                break;
            default: throw new NotSupportedException(operation.Kind.ToString());
        }
    }

    private double[] Plus(Value? a, double[] x) => a is null ? x : [.. this[a].Zip(x, (u, v) => u + v)];

    private void Embed(Value y, Parameter table, int channels)
    {
        int d = y.Width, vocabulary = table.Shape[0] / channels;
        double[] result = new double[RowCount * d], t = parameters[table.Name];
        for (int r = 0; r < RowCount; r++)
            for (int c = 0; c < channels; c++)
                for (int i = 0; i < d; i++)
                    result[r * d + i] += t[(c * vocabulary + Ids[r * channels + c]) * d + i];
        _values[y] = result;
    }

    private void EmbedGradient(Value dy, Parameter table, int channels)
    {
        int d = dy.Width, vocabulary = table.Shape[0] / channels;
        for (int r = 0; r < RowCount; r++)
            for (int c = 0; c < channels; c++)
                for (int i = 0; i < d; i++)
                    Gradients[table.Name][(c * vocabulary + Ids[r * channels + c]) * d + i] += this[dy][r * d + i];
    }

    private int[] Ids => _isText ? batch.Text : batch.Audio;

    private void Angles(RotaryTable o)
    {
        RotaryFrequencies frequencies = RotaryFrequencies.For(_isText ? config.EncoderConfig : config.DecoderConfig);
        float[] inverse = frequencies.Compute();
        int length = _isText ? batch.Length : batch.Rows, half = inverse.Length;
        double[] cos = new double[RowCount * half], sin = new double[RowCount * half];
        for (int i = 0; i < cos.Length; i++)
        {
            double angle = (double)inverse[i % half] * (i / half % length);
            (cos[i], sin[i]) = (Math.Cos(angle) * frequencies.AttentionScaling, Math.Sin(angle) * frequencies.AttentionScaling);
        }

        (_values[o.Cos], _values[o.Sin]) = (cos, sin);
    }

    private static double[] Norm(double[] x, double[] w, double epsilon)
    {
        double[] y = new double[x.Length];
        for (int r = 0; r < x.Length; r += w.Length)
        {
            double scale = Scale(x, r, w.Length, epsilon);
            for (int i = 0; i < w.Length; i++)
                y[r + i] = x[r + i] * scale * w[i];
        }

        return y;
    }

    private static double Scale(double[] x, int at, int d, double epsilon)
    {
        double squares = 0;
        for (int i = 0; i < d; i++)
            squares += x[at + i] * x[at + i];
        return 1 / Math.Sqrt(squares / d + (float)epsilon);
    }

    private void NormGradient(RmsNormGradient o)
    {
        double[] x = this[o.X], dy = this[o.Dy], w = parameters[o.W.Name], dx = new double[x.Length];
        int d = w.Length;
        for (int r = 0; r < x.Length; r += d)
        {
            double scale = Scale(x, r, d, o.Epsilon), dot = 0;
            for (int i = 0; i < d; i++)
                dot += dy[r + i] * w[i] * x[r + i];
            for (int i = 0; i < d; i++)
            {
                dx[r + i] = scale * dy[r + i] * w[i] - x[r + i] * scale * scale * scale * dot / d;
                Gradients[o.W.Name][i] += dy[r + i] * x[r + i] * scale;
            }
        }

        _values[o.Y] = Plus(o.Sum, dx);
    }

    private static double[] Product(double[] x, double[] w, int k, int n)
    {
        double[] y = new double[x.Length / k * n];
        for (int i = 0; i < y.Length; i++)
            for (int j = 0; j < k; j++)
                y[i] += x[i / n * k + j] * w[i % n * k + j];
        return y;
    }

    private static double[] ProductTransposed(double[] dy, double[] w, int n, int k)
    {
        double[] dx = new double[dy.Length / n * k];
        for (int i = 0; i < dx.Length; i++)
            for (int j = 0; j < n; j++)
                dx[i] += dy[i / k * n + j] * w[j * k + i % k];
        return dx;
    }

    private static void WeightGradient(double[] dw, double[] dy, double[] x, int n, int k)
    {
        for (int r = 0; r < dy.Length / n; r++)
            for (int i = 0; i < dw.Length; i++)
                dw[i] += dy[r * n + i / k] * x[r * k + i % k];
    }

    private static double[] Turn(double[] x, double[] cos, double[] sin, int width, int direction)
    {
        double[] y = new double[x.Length];
        int half = cos.Length / (x.Length / width);
        for (int i = 0; i < x.Length; i++)
        {
            int at = i / width * half + i % half;
            bool isFirst = i % (2 * half) < half;
            y[i] = x[i] * cos[at] + (isFirst ? -x[i + half] : x[i - half]) * direction * sin[at];
        }

        return y;
    }

    private void Append(AppendKeyValues o)
    {
        double[] keys = o.Inputs.Length == 3 ? this[o.Keys] : Turn(this[o.Keys], this[o.Inputs[3]], this[o.Inputs[4]], o.Keys.Width, 1);
        _caches[o.Y] = (keys, this[o.Values]);
    }

    private static double[] Gate(double[] x, int n, HiddenActivation activation)
    {
        double[] y = new double[x.Length / 2];
        for (int i = 0; i < y.Length; i++)
            y[i] = x[2 * (i / n) * n + n + i % n] * Activation(x[2 * (i / n) * n + i % n], activation).Value;
        return y;
    }

    private static double[] GateGradient(double[] dy, double[] x, int n, HiddenActivation activation)
    {
        double[] dx = new double[x.Length];
        for (int i = 0; i < dy.Length; i++)
        {
            int gate = 2 * (i / n) * n + i % n, up = gate + n;
            (double value, double slope) = Activation(x[gate], activation);
            (dx[gate], dx[up]) = (dy[i] * x[up] * slope, dy[i] * value);
        }

        return dx;
    }

    private static (double Value, double Slope) Activation(double x, HiddenActivation activation)
    {
        double s = 1 / (1 + Math.Exp(-x)), inner = Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x), tanh = Math.Tanh(inner);
        return activation switch
        {
            HiddenActivation.Silu => (x * s, s * (1 + x * (1 - s))),
            HiddenActivation.GeluNew =>
                (0.5 * x * (1 + tanh), 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * Math.Sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x)),
            HiddenActivation.Gelu => (x * Normal(x), Normal(x) + x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI)),
            _ => x < 0 ? (0, 0) : (x, 1),
        };
    }

    /// <summary>The normal distribution's integral: its series (Marsaglia 2004, Evaluating the Normal Distribution).</summary>
    private static double Normal(double x)
    {
        double sum = x, term = x;
        for (int i = 3; Math.Abs(term) > 1e-18 && i < 400; i += 2)
            sum += term *= x * x / i;
        return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
    }

    private (double[] Y, double[] Dq, double[] Dk, double[] Dv) Attend(Attention o, double[]? dy, double[]? queries)
    {
        double[] q = queries ?? this[o.Q];
        (double[] keys, double[] values) = o.Of == AttentionKind.Self ? _caches[o.Keys] : (this[o.Keys], this[o.Values]);
        int keyCount = o.Of == AttentionKind.Self ? batch.Rows : batch.Length, rows = _isText ? batch.Length : batch.Rows;
        int e = o.HeadDim, heads = o.Q.Width / e, width = keys.Length / (batch.Count * keyCount);
        double[] y = new double[q.Length], dq = new double[q.Length], dk = new double[keys.Length], dv = new double[keys.Length];
        for (int at = 0; at < batch.Count * rows * heads; at++)
        {
            int row = at / heads, item = row / rows, keyHead = at % heads * (width / e) / heads;
            double[] p = Probabilities(o.Of, item, row % rows, keyCount, j => Dot(q, at * e, keys, Key(j), e), out bool isEven);
            for (int j = 0; j < keyCount; j++)
                for (int i = 0; i < e; i++)
                    y[at * e + i] += p[j] * values[Key(j) + i];
            if (dy is null)
                continue;
            double mean = Dot(dy, at * e, y, at * e, e);
            for (int j = 0; j < keyCount; j++)
            {
                double ds = isEven ? 0 : p[j] * (Dot(dy, at * e, values, Key(j), e) - mean);
                for (int i = 0; i < e; i++)
                {
                    dv[Key(j) + i] += p[j] * dy[at * e + i];
                    dq[at * e + i] += ds * keys[Key(j) + i];
                    dk[Key(j) + i] += ds * q[at * e + i];
                }
            }

            int Key(int j) => (item * keyCount + j) * width + keyHead * e;
        }

        return (y, dq, dk, dv);
    }

    /// <summary>A row that sees no key attends evenly to all.</summary>
    private double[] Probabilities(AttentionKind of, int item, int row, int keyCount, Func<int, double> score, out bool isEven)
    {
        int[]? mask = of == AttentionKind.Self ? batch.AudioMask : batch.TextMask;
        bool[] sees = [.. Enumerable.Range(0, keyCount).Select(j => mask[item * keyCount + j] != 0 && (of != AttentionKind.Self || j <= row))];
        isEven = !sees.Contains(true);
        double[] p = new double[keyCount];
        for (int j = 0; j < keyCount; j++)
            p[j] = sees[j] ? score(j) : double.NegativeInfinity;
        double max = p.Max();
        for (int j = 0; j < keyCount; j++)
            p[j] = isEven ? 1 : Math.Exp(p[j] - max);
        double sum = p.Sum();
        return [.. p.Select(x => x / sum)];
    }

    private static double Dot(double[] a, int atA, double[] b, int atB, int count)
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += a[atA + i] * b[atB + i];
        return sum;
    }

    private double Entropy(double[] x, int channels, double[]? gradient)
    {
        int vocabulary = x.Length / (RowCount * channels);
        double loss = 0;
        for (int i = 0; i < RowCount * channels; i++)
        {
            if (batch.Labels[i] < 0)
                continue;
            var logits = x.AsSpan(i * vocabulary, vocabulary).ToArray();
            double total = logits.Sum(Math.Exp);
            loss += Math.Log(total) - logits[batch.Labels[i]];
            for (int j = 0; j < vocabulary && gradient is not null; j++)
                gradient[i * vocabulary + j] = Math.Exp(logits[j]) / total - (j == batch.Labels[i] ? 1 : 0);
        }

        return loss;
    }
}

/// <summary>What a pass reads.</summary>
/// <param name="Count">Sequences.</param>
/// <param name="Length">Text ids of each.</param>
/// <param name="Rows">Audio rows of each.</param>
/// <param name="Text">Text ids.</param>
/// <param name="TextMask">1 where an id is text.</param>
/// <param name="Audio">Audio ids [sequences·rows, channels].</param>
/// <param name="AudioMask">1 where a row is to be seen.</param>
/// <param name="Labels">Labels [sequences·rows, channels]; -100 where there is none.</param>
internal sealed record Batch(int Count, int Length, int Rows, int[] Text, int[] TextMask, int[] Audio, int[] AudioMask, int[] Labels);
