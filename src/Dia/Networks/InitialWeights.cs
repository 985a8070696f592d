using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>
/// Weights of a model that no checkpoint sets, as the reference initialises them: norms 1, all others normal(0, initializer_range of the part they are in).
/// The same seed gives the same bits on every host: a weight's value i is made of the Philox block of the counter (i/2, weight's number, 1), and by
/// nothing but operations that IEEE 754 defines.
/// </summary>
internal static unsafe class InitialWeights
{
    private const int Part = 1 << 16;

    /// <summary>The weights of a compiled model.</summary>
    /// <param name="compiled">The model.</param>
    /// <param name="config">Whose initializer_range counts.</param>
    /// <param name="seed">Which of all such weights.</param>
    /// <param name="isUsed">Which weights are wanted, by their number.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static LoadedWeights Create(CompiledModel compiled, DiaConfig config, ulong seed, Func<int, bool> isUsed)
    {
        WeightSpec[] specs = compiled.Weights();
        return new LoadedWeights(specs, isUsed, (number, memory) =>
        {
            float* values = (float*)memory;
            long count = specs[number].Count;
            double deviation = Deviation(config, compiled.FunctionOf(number));
            if (specs[number].Role == WeightRole.Vector)
                for (long i = 0; i < count; i++)
                    values[i] = 1;
            else
                Parallel.For(0, (count + Part - 1) / Part, part =>
                    Fill(values + part * Part, part * Part, (int)Math.Min(Part, count - part * Part), (uint)number, seed, deviation));
        });
    }

    /// <summary>Values of a normal distribution around 0.</summary>
    /// <param name="values">Receives them.</param>
    /// <param name="first">The index of the first in its weight, even.</param>
    /// <param name="count">How many.</param>
    /// <param name="number">The weight's number.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="deviation">The standard deviation.</param>
    public static void Fill(float* values, long first, int count, uint number, ulong seed, double deviation)
    {
        for (int i = 0; i < count; i += 2)
        {
            ulong block = (ulong)(first + i) / 2;
            (uint a, uint b, uint c, uint d) =
                Philox4x32.Block((uint)block, (uint)(block >> 32), number, (uint)Drawn.Weight, (uint)seed, (uint)(seed >> 32));
            values[i] = (float)(Quantile(Uniform(a, b)) * deviation);
            if (i + 1 < count)
                values[i + 1] = (float)(Quantile(Uniform(c, d)) * deviation);
        }
    }

    /// <summary>The standard normal distribution's value below which a share p lies: Wichura 1988, algorithm AS 241 (PPND16), relative error 1e-16.</summary>
    /// <param name="p">Between 0 and 1.</param>
    public static double Quantile(double p)
    {
        double q = p - 0.5;
        if (Math.Abs(q) <= 0.425)
        {
            double r = 0.180625 - q * q;
            return q * Polynomial(Center, r) / Polynomial(CenterDivisor, r);
        }

        double root = Math.Sqrt(-Log(q < 0 ? p : 1 - p));
        double value = root <= 5 ? Polynomial(Side, root - 1.6) / Polynomial(SideDivisor, root - 1.6)
            : Polynomial(Tail, root - 5) / Polynomial(TailDivisor, root - 5);
        return q < 0 ? -value : value;
    }

    /// <summary>
    /// The natural logarithm of a positive normal number: that of the power of two, and 2·artanh((m − 1)/(m + 1)) of the rest. Math.Log is the system's,
    /// whose last bit is not the same everywhere.
    /// </summary>
    public static double Log(double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(x);
        int exponent = (int)(bits >> 52) - 1023;
        double m = BitConverter.Int64BitsToDouble((bits & 0xFFFFFFFFFFFFF) | (1023L << 52));
        if (m > 1.4142135623730951)
            (m, exponent) = (m / 2, exponent + 1);
        double s = (m - 1) / (m + 1), square = s * s, sum = 0;
        for (int n = 23; n > 0; n -= 2)
            sum = sum * square + 1.0 / n;
        return exponent * 0.6931471805599453 + 2 * s * sum;
    }

    private static double Deviation(DiaConfig config, Function function)
    {
        double range = function switch
        {
            Function.Encode => config.EncoderConfig.InitializerRange,
            Function.Logits => config.InitializerRange,
            _ => config.DecoderConfig.InitializerRange,
        };
        return range is >= 0 and <= float.MaxValue ? range
            : throw new DiaException(DiaErrorKind.Usage, FormattableString.Invariant($"initializer_range is {range}; it must be a number from 0."));
    }

    // 52 bits and a half: never 0 or 1.
    private static double Uniform(uint high, uint low) => ((((ulong)high << 32) | low) >> 12) * (1.0 / (1UL << 52)) + 0.5 / (1UL << 52);

    private static double Polynomial(double[] factors, double x)
    {
        double sum = 0;
        for (int i = factors.Length - 1; i >= 0; i--)
            sum = sum * x + factors[i];
        return sum;
    }

    private static readonly double[] Center =
    [
        3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4, 4.5921953931549871457e+4,
        6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3,
    ];

    private static readonly double[] CenterDivisor =
    [
        1, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3, 2.1213794301586595867e+4, 3.9307895800092710610e+4,
        2.8729085735721942674e+4, 5.2264952788528545610e+3,
    ];

    private static readonly double[] Side =
    [
        1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0, 1.27045825245236838258e0,
        2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
    ];

    private static readonly double[] SideDivisor =
    [
        1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2,
        5.47593808499534494600e-4, 1.05075007164441684324e-9,
    ];

    private static readonly double[] Tail =
    [
        6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1, 2.65321895265761230930e-2,
        1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
    ];

    private static readonly double[] TailDivisor =
    [
        1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
        1.42151175831644588870e-7, 2.04426310338993978564e-15,
    ];
}
