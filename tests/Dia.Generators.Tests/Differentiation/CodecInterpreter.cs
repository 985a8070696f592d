using Dia.Configuration;
using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Tests.Differentiation;

/// <summary>The codec's graph over a whole sound in plain loops in double, forward and backward.</summary>
/// <param name="config">The codec.</param>
/// <param name="sound">Samples.</param>
/// <param name="parameters">Its parameters, by name.</param>
/// <param name="at">
/// Where codes, targets of losses, and what a straight-through value is off by are constants: what is computed then is the function whose derivatives at
/// that pass the gradients are.
/// </param>
internal sealed class CodecInterpreter(DacConfig config, double[] sound, IReadOnlyDictionary<string, double[]> parameters, CodecInterpreter? at = null)
{
    private readonly Dictionary<Value, double[]> _values = [];

    /// <summary>The quantizers' loss.</summary>
    public double Loss { get; private set; }

    /// <summary>What the codes decode to.</summary>
    public double[] Audio { get; private set; } = [];

    /// <summary>The codes of each codebook.</summary>
    public Dictionary<int, int[]> Codes { get; } = at?.Codes ?? [];

    /// <summary>For the backward pass: the gradients of audio and loss.</summary>
    public double[] AudioGradient { get; init; } = [];

    /// <summary>See <see cref="AudioGradient"/>.</summary>
    public double LossGradient { get; init; }

    /// <summary>The gradient of each parameter.</summary>
    public Dictionary<string, double[]> Gradients { get; } = parameters.ToDictionary(p => p.Key, p => new double[p.Value.Length]);

    /// <summary>Runs functions in order.</summary>
    public void Run(IEnumerable<FunctionGraph> functions)
    {
        foreach (Operation operation in functions.SelectMany(f => f.Operations))
            Run(operation);
    }

    private double[] this[Value value] => _values[value];

    private double[] Constant(Value value) => (at ?? this)[value];

    private void Run(Operation operation)
    {
        switch (operation)
        {
            case LoadSamples o: _values[o.Y] = o.Y.GradientOf is null ? sound : AudioGradient; break;
            case StoreSamples o: Audio = this[o.X]; break;
            case Convolution o: _values[o.Y] = Plus(o.Residual, Convolve(this[o.X], o.W, o.Bias, o.Window)); break;
            case TransposedConvolution o: _values[o.Y] = Convolve(this[o.X], o.W, o.Bias, o.Window); break;
            case Snake o: _values[o.Y] = Snake(this[o.X], parameters[o.Alpha.Name]); break;
            case Tanh o: _values[o.Y] = [.. this[o.X].Select(Math.Tanh)]; break;
            case Subtract o: _values[o.Y] = [.. this[o.A].Zip(this[o.X], (a, x) => a - x)]; break;
            case Copy o: _values[o.Y] = this[o.X]; break;
            case NearestCode o: Codes.TryAdd(o.Index, Nearest(this[o.X], parameters[o.Codebook.Name], o.X.Width)); break;
            case CodeLookup o:
                int width = o.Y.Width;
                _values[o.Y] = [.. Codes[o.Index].SelectMany(code => parameters[o.Codebook.Name][(code * width)..((code + 1) * width)])];
                break;
            case StraightThrough o:
                _values[o.Y] = [.. Constant(o.X).Select((x, i) => x + (this[o.StandsFor][i] - Constant(o.StandsFor)[i]))];
                break;
            case MeanSquaredError o: Loss += WeightOf(o.Loss) * this[o.X].Zip(Constant(o.Target), (x, t) => (x - t) * (x - t)).Average(); break;
            case Observe: break;
            default: RunBackward(operation); break;
        }
    }

    private void RunBackward(Operation operation)
    {
        switch (operation)
        {
            case ConvolutionInputGradient o:
                _values[o.Y] = Plus(o.Sum, InputGradient(this[o.Dy], this[o.Forward.X].Length, o.Forward.W, o.Forward.Window));
                break;
            case TransposedConvolutionInputGradient o:
                _values[o.Y] = InputGradient(this[o.Dy], this[o.Forward.X].Length, o.Forward.W, o.Forward.Window);
                break;
            case ConvolutionWeightGradient o: WeightGradient(this[o.Dy], this[o.X], o.Forward.W, o.Forward.Bias, o.Forward.Window); break;
            case TransposedConvolutionWeightGradient o: WeightGradient(this[o.Dy], this[o.X], o.Forward.W, o.Forward.Bias, o.Forward.Window); break;
            case SnakeGradient o: _values[o.Y] = Plus(o.Sum, SnakeGradient(this[o.Dy], this[o.X], o.Alpha)); break;
            case TanhGradient o: _values[o.Y] = [.. this[o.Dy].Zip(this[o.Result], (dy, y) => dy * (1 - y * y))]; break;
            case SubtractGradient o: _values[o.Y] = [.. this[o.Dy].Select(dy => -dy)]; break;
            case MeanSquaredErrorGradient o:
                double factor = 2 * WeightOf(o.Loss) * LossGradient / this[o.X].Length;
                _values[o.Y] = Plus(o.Sum, [.. this[o.X].Zip(this[o.Target], (x, t) => factor * (x - t))]);
                break;
            case CodeLookupGradient o:
                for (int i = 0; i < this[o.Dy].Length; i++)
                    Gradients[o.Codebook.Name][Codes[o.Index][i / o.Dy.Width] * o.Dy.Width + i % o.Dy.Width] += this[o.Dy][i];
                break;
            default: throw new NotSupportedException(operation.Kind.ToString());
        }
    }

    private double WeightOf(QuantizerLoss loss) => loss == QuantizerLoss.Commitment ? config.CommitmentLossWeight : config.CodebookLossWeight;

    private double[] Plus(Value? a, double[] x) => a is null ? x : [.. this[a].Zip(x, (u, v) => u + v)];

    /// <summary>Each row that a row is computed from, with the tap between them.</summary>
    private static IEnumerable<(int Y, int X, int Tap)> Taps(ConvolutionWindow w, int xRows, int yRows)
    {
        int outer = w.Transposed ? xRows : yRows, inner = w.Transposed ? yRows : xRows;
        for (int r = 0; r < outer; r++)
        {
            for (int tap = 0; tap < w.Kernel; tap++)
            {
                int other = r * w.Stride - w.Padding + tap * w.Dilation;
                if (other >= 0 && other < inner)
                    yield return w.Transposed ? (other, r, tap) : (r, other, tap);
            }
        }
    }

    /// <summary>Where the weight of a tap from an input to an output channel is: a convolution's [out, in, k], a transposed one's [in, out, k].</summary>
    private static int At(Parameter w, ConvolutionWindow window, int x, int y, int tap) =>
        ((window.Transposed ? x : y) * w.Shape[1] + (window.Transposed ? y : x)) * w.Shape[2] + tap;

    private static (int Inputs, int Outputs) Channels(Parameter w, ConvolutionWindow window) =>
        window.Transposed ? (w.Shape[0], w.Shape[1]) : (w.Shape[1], w.Shape[0]);

    private double[] Convolve(double[] x, Parameter parameter, Parameter bias, ConvolutionWindow window)
    {
        (int inputs, int outputs) = Channels(parameter, window);
        double[] w = parameters[parameter.Name], b = parameters[bias.Name], y = new double[(int)window.Rows(x.Length / inputs) * outputs];
        for (int i = 0; i < y.Length; i++)
            y[i] = b[i % outputs];
        foreach (var (to, from, tap) in Taps(window, x.Length / inputs, y.Length / outputs))
            for (int o = 0; o < outputs; o++)
                for (int i = 0; i < inputs; i++)
                    y[to * outputs + o] += x[from * inputs + i] * w[At(parameter, window, i, o, tap)];
        return y;
    }

    private double[] InputGradient(double[] dy, int length, Parameter parameter, ConvolutionWindow window)
    {
        (int inputs, int outputs) = Channels(parameter, window);
        double[] w = parameters[parameter.Name], dx = new double[length];
        foreach (var (to, from, tap) in Taps(window, dx.Length / inputs, dy.Length / outputs))
            for (int o = 0; o < outputs; o++)
                for (int i = 0; i < inputs; i++)
                    dx[from * inputs + i] += dy[to * outputs + o] * w[At(parameter, window, i, o, tap)];
        return dx;
    }

    private void WeightGradient(double[] dy, double[] x, Parameter parameter, Parameter bias, ConvolutionWindow window)
    {
        (int inputs, int outputs) = Channels(parameter, window);
        for (int i = 0; i < dy.Length; i++)
            Gradients[bias.Name][i % outputs] += dy[i];
        foreach (var (to, from, tap) in Taps(window, x.Length / inputs, dy.Length / outputs))
            for (int o = 0; o < outputs; o++)
                for (int i = 0; i < inputs; i++)
                    Gradients[parameter.Name][At(parameter, window, i, o, tap)] += dy[to * outputs + o] * x[from * inputs + i];
    }

    private static double[] Snake(double[] x, double[] alpha) =>
        [.. x.Select((v, i) => v + Math.Pow(Math.Sin(alpha[i % alpha.Length] * v), 2) / (alpha[i % alpha.Length] + 1e-9f))];

    private double[] SnakeGradient(double[] dy, double[] x, Parameter parameter)
    {
        double[] alpha = parameters[parameter.Name], dx = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            double a = alpha[i % alpha.Length], divisor = a + 1e-9f, sin = Math.Sin(a * x[i]), slope = Math.Sin(2 * a * x[i]) / divisor;
            dx[i] = dy[i] * (1 + a * slope);
            Gradients[parameter.Name][i % alpha.Length] += dy[i] * (x[i] * slope - sin * sin / (divisor * divisor));
        }

        return dx;
    }

    private static int[] Nearest(double[] x, double[] codebook, int width)
    {
        double Cosine(int row, int code)
        {
            double dot = 0, squares = 0;
            for (int i = 0; i < width; i++)
            {
                dot += x[row * width + i] * codebook[code * width + i];
                squares += codebook[code * width + i] * codebook[code * width + i];
            }

            return dot / Math.Sqrt(squares);
        }

        return [.. Enumerable.Range(0, x.Length / width).Select(row => Enumerable.Range(0, codebook.Length / width).MaxBy(code => Cosine(row, code)))];
    }
}
