using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;

namespace Dia.Checks;

/// <summary>What an operation is run on, all in its device's memory.</summary>
internal unsafe struct Operands
{
    public float* Y;
    public float* X;
    public int* Ids;
    public float* Cos;
    public float* Sin;
    public float* Frequencies;
    public AttentionBatch Batch;
    public Weight Weight;
    public Weight Bias;

    /// <summary>Where Snake of a convolution's results goes, with its α: Y, or memory of its own; null: nowhere.</summary>
    public float* Snake;
    public Weight Alpha;
    public int Rows;
    public int Layer;
    public Phase Phase;
}

/// <summary>Operations of a table, run one by one: for those who check and measure them. Emitted code calls the backend itself.</summary>
internal static unsafe class OperationRunner
{
    /// <summary>The name that reports give an operation.</summary>
    /// <exception cref="InvalidOperationException">It is none that runs alone.</exception>
    public static string Name(OperationKind kind, Phase phase) => kind switch
    {
        OperationKind.EmbeddingSum => "embed_sum",
        OperationKind.RmsNorm => "rms_norm",
        OperationKind.Linear => phase.IsStep() ? "step_linear" : "block_linear",
        OperationKind.GatedActivation => "gated_activation",
        OperationKind.AddConstant => "add_row",
        OperationKind.RotaryTable => "rope_table",
        OperationKind.Rotation => "rope",
        OperationKind.AppendKeyValues => "rope_key_values",
        OperationKind.Attention => "attention",
        OperationKind.Convolution => "convolution",
        OperationKind.TransposedConvolution => "transposed_convolution",
        OperationKind.Snake => "snake",
        _ => throw new InvalidOperationException($"{kind} does not run alone."),
    };

    /// <summary>
    /// Operations that work row by row on vectors of parameters, or none: the range of values to check one with, and what it may be off by in units of
    /// 2^-24. Null for others.
    /// </summary>
    public static (float Range, double Tolerance)? RowCheck(OperationInfo o) => o.Kind switch
    {
        // A sum of N squares, a root and a quotient.
        OperationKind.RmsNorm => (3, 6 + Math.Sqrt(o.N)),

        // e^x to 1.5 ulp, its sum, quotient and two products; GELU's 1 + erf loses up to a ulp of 1 at negative x, times x and up (12·12).
        OperationKind.GatedActivation => (6, o.Activation is HiddenActivation.Gelu ? 300 : 24),

        // sin² to 1e-6 absolute, over the smallest α, 0.3.
        OperationKind.Snake => (12, 68),
        _ => null,
    };

    /// <summary>Float32 values of its operand X for so many rows of its result.</summary>
    public static long InputValues(OperationInfo o, int rows) => o.Kind switch
    {
        OperationKind.GatedActivation => 2L * rows * o.N,
        _ => o.K > 0 ? o.Window.MostRead(rows) * o.K : (long)rows * o.N,
    };

    /// <summary>Runs an operation of these sizes.</summary>
    /// <exception cref="InvalidOperationException">It is none that runs alone.</exception>
    public static void Run<TBackend>(in TBackend b, OperationInfo o, in Operands p)
        where TBackend : struct, IBackend
    {
        switch (o.Kind)
        {
            case OperationKind.EmbeddingSum:
                b.EmbedSum(p.Y, p.Ids, p.Weight, p.Rows, o.Heads, o.Entries, o.N);
                break;
            case OperationKind.RmsNorm:
                b.RmsNorm(p.Y, p.X, p.Weight, p.Rows, o.N, 1e-5f);
                break;
            case OperationKind.Linear:
                b.Linear(p.Y, p.X, p.Weight, p.Rows, o.N, o.K, p.Phase, false);
                break;
            case OperationKind.GatedActivation:
                b.GatedActivation(p.Y, p.X, p.Rows, o.N, o.Activation);
                break;
            case OperationKind.AddConstant:
                b.AddRow(p.Y, p.X, p.Rows, o.N);
                break;
            case OperationKind.RotaryTable:
                b.RopeTable(p.Cos, p.Sin, p.Ids, p.Frequencies, p.Batch, o.N, 1);
                break;
            case OperationKind.Rotation:
                b.Rope(p.Y, p.Cos, p.Sin, p.Rows, o.Heads, o.HeadDim / 2);
                break;
            case OperationKind.AppendKeyValues:
                b.RopeKeyValues(p.Y, p.X, p.Cos, p.Sin, p.Batch, p.Layer, o.KeyHeads, o.HeadDim / 2);
                break;
            case OperationKind.Attention:
                b.Attention(p.Y, p.X, p.Batch, p.Layer, o.Heads, o.KeyHeads, o.HeadDim, null);
                break;
            case OperationKind.Convolution:
                b.Convolution(p.Y, p.X, p.Weight, p.Bias, p.Rows, o.K, o.N, o.Kernel, o.Stride, o.Dilation, false, p.Snake, p.Alpha);
                break;
            case OperationKind.TransposedConvolution:
                b.TransposedConvolution(p.Y, p.X, p.Weight, p.Bias, p.Rows / o.Stride, o.K, o.N, o.Stride, p.Snake, p.Alpha);
                break;
            case OperationKind.Snake:
                b.Snake(p.Y, p.X, p.Weight, p.Rows, o.N);
                break;
            default:
                throw new InvalidOperationException($"{o.Kind} does not run alone.");
        }
    }
}
