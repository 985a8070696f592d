using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Planning;

/// <summary>Values of a codec that have a row at the same times.</summary>
/// <param name="From">The timeline of what its first value is computed from; −1: it is that of the samples.</param>
/// <param name="Window">Which rows of that one a row is computed from.</param>
/// <param name="RowsPerFrame">Rows of a frame.</param>
/// <param name="Margin">Rows before the first and after the last that are zero, for the operations that read or write past either end.</param>
internal readonly record struct Timeline(int From, ConvolutionWindow Window, int RowsPerFrame, int Margin);

/// <summary>The timelines of functions that run one after the other over a whole sound, each value with as many rows as its own has.</summary>
internal sealed class Timelines
{
    private readonly Dictionary<Value, int> _numbers = [];
    private readonly List<Timeline> _all;

    /// <summary>Finds them.</summary>
    /// <param name="functions">The functions, and their backward functions.</param>
    /// <param name="hopLength">Samples of a frame.</param>
    public Timelines(IReadOnlyList<FunctionGraph> functions, int hopLength)
    {
        _all = [new(-1, ConvolutionWindow.RowByRow, hopLength, 0)];
        foreach (Operation operation in functions.SelectMany(f => f.Operations))
            foreach (Value y in operation.Outputs)
                _numbers[y] = y.GradientOf is { } x ? _numbers[x] : operation.Inputs.Length == 0 ? 0 : After(_numbers[operation.Inputs[0]], operation.Window);
    }

    /// <summary>All of them, the samples' first.</summary>
    public IReadOnlyList<Timeline> All => _all;

    /// <summary>The number of a value's.</summary>
    public int this[Value value] => _numbers[value];

    private int After(int from, ConvolutionWindow window)
    {
        Widen(from, window.Transposed ? 1 : window.Padding);
        if (window is { Transposed: false, Stride: 1 } && 2 * window.Padding == (window.Kernel - 1) * window.Dilation)
            return from;
        int number = _all.FindIndex(t => t.From == from && t.Window == window);
        if (number < 0)
        {
            number = _all.Count;
            int rows = window.Transposed ? _all[from].RowsPerFrame * window.Stride : _all[from].RowsPerFrame / window.Stride;
            _all.Add(new(from, window, rows, window.Transposed ? window.Padding : 0));
        }

        return number;
    }

    private void Widen(int number, int margin) => _all[number] = _all[number] with { Margin = Math.Max(_all[number].Margin, margin) };
}
