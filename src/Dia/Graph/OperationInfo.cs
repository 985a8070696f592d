using Dia.Configuration;

namespace Dia.Graph;

/// <summary>An operation of a compiled function: a row of the table that an emitted class carries, so that nobody needs to read its code.</summary>
/// <param name="Function">The function that it is part of.</param>
/// <param name="Stage">The stage: the embedding, a layer, a block of the codec.</param>
/// <param name="Kind">What it computes.</param>
public sealed record OperationInfo(Function Function, string Stage, OperationKind Kind)
{
    /// <summary>Names of the values that it defines; empty: it stores or observes one.</summary>
    public string Y { get; init; } = "";

    /// <summary>Names of the values that it reads.</summary>
    public string X { get; init; } = "";

    /// <summary>Which rows of the pass it does.</summary>
    public Rows Rows { get; init; }

    /// <summary>Its weight's number in the model's table of weights; −1: it has none. A convolution's bias is the next.</summary>
    public int Weight { get; init; } = -1;

    /// <summary>The number of the α of Snake, where a convolution's results go through that as they are computed; −1: they do not.</summary>
    public int Alpha { get; init; } = -1;

    /// <summary>Where its result lies in the arena, in float32 values (of a row, but for the codec); −1: elsewhere.</summary>
    public long Offset { get; init; }

    /// <summary>Where Snake of its result lies, if that has memory of its own (<see cref="SnakeResult"/>).</summary>
    public long SnakeOffset { get; init; }

    /// <summary>Values of a row of its result.</summary>
    public int N { get; init; }

    /// <summary>Values of a row that a product reads.</summary>
    public int K { get; init; }

    /// <summary>Entries of a table, of each channel.</summary>
    public int Entries { get; init; }

    /// <summary>Query heads; channels of ids.</summary>
    public int Heads { get; init; }

    /// <summary>Key-value heads.</summary>
    public int KeyHeads { get; init; }

    /// <summary>Values of a head.</summary>
    public int HeadDim { get; init; }

    /// <summary>The layer whose cache or constant it uses.</summary>
    public int Layer { get; init; }

    /// <summary>Of a gate.</summary>
    public HiddenActivation Activation { get; init; }

    /// <summary>Taps of a convolution; 0: it is none.</summary>
    public int Kernel { get; init; }

    /// <summary>A convolution's stride.</summary>
    public int Stride { get; init; }

    /// <summary>A convolution's dilation.</summary>
    public int Dilation { get; init; }

    /// <summary>A convolution's padding.</summary>
    public int Padding { get; init; }

    /// <summary>Rows of the result that minimal filtering makes together (<see cref="ConvolutionWindow.Tile"/>); 0: each is made by itself.</summary>
    public int Tile { get; init; }

    /// <summary>Floating-point operations of a row; a multiply-add is two.</summary>
    public long Flops { get; init; }

    /// <summary>Float32 values that a row reads and writes.</summary>
    public long Values { get; init; }

    /// <summary>More <see cref="Flops"/> for each key that the row sees.</summary>
    public long FlopsOfKey { get; init; }

    /// <summary>More <see cref="Values"/> for each key of a sequence, whatever its rows.</summary>
    public long ValuesOfKey { get; init; }

    /// <summary>Values of the weight that a row reads; 0: all rows read it once together.</summary>
    public long TableValues { get; init; }

    /// <summary>A codec's value that it defines, counted from 1; 0: none.</summary>
    public int Result { get; init; }

    /// <summary>A codec's value that is Snake of its result, counted from 1; 0: none, or the result itself is.</summary>
    public int SnakeResult { get; init; }

    /// <summary>A codec's value that it reads, counted from 1; 0: none.</summary>
    public int Operand { get; init; }

    /// <summary>A codec's second value that it reads row by row, counted from 1; 0: none.</summary>
    public int Other { get; init; }

    /// <summary>Which rows of its operand it reads.</summary>
    public ConvolutionWindow Window => Kernel == 0
        ? ConvolutionWindow.RowByRow : new(Kernel, Stride, Dilation, Padding, Kind == OperationKind.TransposedConvolution, Math.Max(Tile, 1));
}
