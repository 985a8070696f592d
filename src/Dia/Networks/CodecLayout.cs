using Dia.Graph;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>How the rows of a codec's values follow from each other, and how large its windows are: arithmetic over its table of operations.</summary>
public sealed class CodecLayout
{
    // Values up to which the walks need no memory of their own: steps allocate nothing.
    private const int FewValues = 256;

    private readonly Step[] _encoder, _decoder;
    private readonly int _encoderValues, _decoderValues;

    /// <summary>The layout of a codec.</summary>
    /// <param name="operations">Its functions: encode, quantize, decode.</param>
    /// <param name="hopLength">Samples in one frame, but for what an odd stride lacks at the end.</param>
    /// <param name="windowFrames">Most frames of one window.</param>
    /// <param name="arenaSize">Float32 values that a window needs.</param>
    public CodecLayout(OperationInfo[] operations, int hopLength, int windowFrames, long arenaSize)
        : this(operations, hopLength, windowFrames, arenaSize, isFiltered: false) => Filtered = new(operations, hopLength, windowFrames, arenaSize, true);

    private CodecLayout(OperationInfo[] operations, int hopLength, int windowFrames, long arenaSize, bool isFiltered)
    {
        ArgumentNullException.ThrowIfNull(operations);
        (Operations, HopLength, WindowFrames, ArenaSize, IsFiltered, Filtered) = (operations, hopLength, windowFrames, arenaSize, isFiltered, this);
        _encoder = Steps(OperationsOf(encoding: true));
        _decoder = Steps(OperationsOf(encoding: false));
        (_encoderValues, _decoderValues) = (1 + _encoder.Max(s => s.LastValue), 1 + _decoder.Max(s => s.LastValue));
        LookAheadFrames = (int)FramesFor(new RowRange(0, hopLength)).End - 1;
        // Tiles begin anew with frames that are so many apart; a window that begins within a frame needs no more than one of a frame more that does not.
        MostFrames = Enumerable.Range(0, TilePeriod).Max(t => FramesFor(new RowRange((long)t * hopLength, WindowSamples + hopLength)).Count);
    }

    // Rows of all sizes of tiles, 4 of each dilation of 1, 3 and 9, are a divisor of the rows of so many frames.
    private const int TilePeriod = ConvolutionWindow.FilterResults * 9;

    /// <summary>The same codec where convolutions are filtered minimally: their rows are made in whole tiles, so windows read more of what is before.</summary>
    public CodecLayout Filtered { get; }

    /// <summary>Whether it is that one.</summary>
    public bool IsFiltered { get; }

    /// <summary>The table of operations.</summary>
    public IReadOnlyList<OperationInfo> Operations { get; }

    /// <summary>Most frames of one window.</summary>
    public int WindowFrames { get; }

    /// <summary>Most samples of one window.</summary>
    public long WindowSamples => (long)WindowFrames * HopLength;

    /// <summary>Samples in one frame, but for what an odd stride lacks at the end.</summary>
    public int HopLength { get; }

    /// <summary>Float32 values that a <see cref="CodecPass"/> needs.</summary>
    public long ArenaSize { get; }

    /// <summary>
    /// Frames after the first that must be known before its last sample can be decoded exactly: how far the decoder's receptive field
    /// reaches to the right. Of other frames too, but for whole tiles (<see cref="Filtered"/>): there <see cref="FramesFor"/> says it.
    /// </summary>
    public int LookAheadFrames { get; }

    /// <summary>The most frames that a window of <see cref="WindowSamples"/> depends on.</summary>
    public long MostFrames { get; }

    /// <summary>Samples that so many frames decode to.</summary>
    public long SamplesOf(long frames) => Walk(_decoder, _decoderValues, frames, default, _decoderValues - 1).Total;

    /// <summary>Frames that so many samples encode to.</summary>
    public long FramesOf(long samples) => Walk(_encoder, _encoderValues, samples, default, _encoderValues - 1).Total;

    /// <summary>The frames that a window of samples depends on; it may reach past either end of the sound.</summary>
    public RowRange FramesFor(RowRange window) => Walk(_decoder, _decoderValues, 0, window, 1).Range;

    /// <summary>The values of a window of frames to encode, of a sound of so many samples; with a cache, what is left to be made.</summary>
    internal CodecValue[] Encoding(long samples, RowRange window, CodecValue[]? reuse = null, CodecCache? cache = null) =>
        Fill(_encoder, _encoderValues, samples, window, reuse, cache);

    /// <summary>The values of a window of samples to decode, of a sound of so many frames; with a cache, what is left to be made.</summary>
    internal CodecValue[] Decoding(long frames, RowRange window, CodecValue[]? reuse = null, CodecCache? cache = null) =>
        Fill(_decoder, _decoderValues, frames, window, reuse, cache);

    /// <summary>How many values it has, and one for none.</summary>
    internal int ValueCount(bool encoding) => encoding ? _encoderValues : _decoderValues;

    /// <summary>Which rows of its operand an operation reads.</summary>
    internal ConvolutionWindow WindowOf(OperationInfo operation) => IsFiltered ? operation.Window : operation.Window.RowByItself();

    /// <summary>The specs of a codec's weights, those of filtered convolutions marked.</summary>
    internal WeightSpec[] PreparedSpecs(WeightSpec[] specs)
    {
        WeightSpec[] prepared = [.. specs];
        foreach (OperationInfo o in Operations.Where(o => WindowOf(o).Tile > 1))
            prepared[o.Weight] = specs[o.Weight] with { IsFiltered = true };
        return prepared;
    }

    /// <summary>The convolutions' kernels that encoding or decoding needs, by the numbers of their weights.</summary>
    internal IEnumerable<int> Kernels(bool encoding) =>
        OperationsOf(encoding).Where(o => o.Kind is OperationKind.Convolution or OperationKind.TransposedConvolution).Select(o => o.Weight);

    private IEnumerable<OperationInfo> OperationsOf(bool encoding) => Operations.Where(o => o.Function == Function.CodecDecode != encoding);

    private Step[] Steps(IEnumerable<OperationInfo> part) => [.. part.Where(o => o.Kind != OperationKind.Observe)
        .Select(o => new Step(o.Result, o.SnakeResult, o.Operand, o.Other, WindowOf(o)))];

    private static CodecValue[] Fill(Step[] operations, int count, long input, RowRange window, CodecValue[]? reuse, CodecCache? cache)
    {
        CodecValue[] values = reuse?.Length == count ? reuse : new CodecValue[count];
        Fill(operations, input, window, values, cache is null ? [] : cache.Ends);
        return values;
    }

    private static CodecValue Walk(Step[] operations, int count, long input, RowRange window, int value)
    {
        Span<CodecValue> values = count <= FewValues ? stackalloc CodecValue[FewValues] : new CodecValue[count];
        Fill(operations, input, window, values, []);
        return values[value];
    }

    private static void Fill(Step[] operations, long input, RowRange window, Span<CodecValue> values, ReadOnlySpan<long> ends)
    {
        // Rows of every value's whole timeline, the first operations' first.
        values.Clear();
        foreach (Step o in operations)
        {
            if (o.Result > 0)
                values[o.Result].Total = o.Operand == 0 ? input : o.Window.Rows(values[o.Operand].Total);
            if (o.SnakeResult > 0)
                values[o.SnakeResult].Total = values[o.Result].Total;
        }

        for (int v = 0; v < ends.Length; v++)
            (values[v].Range, values[v].Fresh) = (new RowRange(ends[v], 0), ends[v]);
        Ranges(operations, values, window, continues: ends.Length > 0);
    }

    /// <summary>
    /// The rows that every value must hold, from the last operation back to the first: what the operations after it read. Where windows before have made
    /// some of them, the others are made.
    /// </summary>
    private static void Ranges(Step[] operations, Span<CodecValue> values, RowRange window, bool continues)
    {
        for (int i = operations.Length - 1; i >= 0; i--)
        {
            Step o = operations[i];
            if (o.SnakeResult > 0 && values[o.SnakeResult].IsKnown)
                Need(values, o.Result, values[o.SnakeResult].Made, continues);
            RowRange rows = o.Window.Covered(values[o.Result].IsKnown ? values[o.Result].Made : window);
            Need(values, o.Result, rows, continues);
            Need(values, o.SnakeResult, rows, continues);
            Need(values, o.Operand, o.Window.Read(rows), continues);
            // A residual has the result in its memory, with what that holds of earlier rows. (What else is computed in place is read row by row.)
            Need(values, o.Other, o.Result > 0 ? values[o.Result].Range : rows, continues);
        }
    }

    private static void Need(Span<CodecValue> values, int value, RowRange rows, bool continues)
    {
        if (value == 0)
            return;
        ref CodecValue v = ref values[value];
        v.Range = v.IsKnown || continues ? v.Range.Union(rows) : rows;
        v.IsKnown = true;
        if (!continues)
            v.Fresh = v.Range.Start;
    }

    // An operation: its values, as they are numbered in the table, and its window.
    private readonly record struct Step(int Result, int SnakeResult, int Operand, int Other, ConvolutionWindow Window)
    {
        public int LastValue => Math.Max(Math.Max(Result, SnakeResult), Operand);
    }
}

/// <summary>A value of the codec in a window.</summary>
internal struct CodecValue
{
    /// <summary>Rows of its whole timeline.</summary>
    public long Total;

    /// <summary>The rows that it must hold.</summary>
    public RowRange Range;

    /// <summary>The first of them that the window makes; windows before it made the others.</summary>
    public long Fresh;

    /// <summary>Whether it is known yet which rows are needed.</summary>
    public bool IsKnown;

    /// <summary>The rows that the window makes.</summary>
    public readonly RowRange Made => new(Fresh, Range.End - Fresh);
}
