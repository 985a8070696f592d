namespace Dia.Backends.Cpu;

/// <summary>
/// A convolution of 7 taps and stride 1 by <see cref="MinimalFilter"/>: of each point a product [tiles, inputs]·[inputs, outputs], by the inner kernel of
/// <see cref="GemmJob{TFormat}"/>. A dilation of d is d sequences side by side, so that 4·d rows are d tiles. A tile's results depend on its ten rows
/// alone, wherever rows are cut; one that is not finite makes all four so, and not only those that it is a term of.
/// </summary>
internal unsafe struct FilteredConvolutionJob : IParallelJob
{
    // Tiles of a block. Their operands, so many values at most, stay in the second-level cache with a panel's results; a panel of weights is read for all of
    // them, so few would wait for weights.
    private const int MostTiles = 120, LeastTiles = 48, FewTiles = 24, MostOperands = 400_000;

    /// <summary>Results [rows, outputs] and operands: x is the row that tap 0 of the first result reads.</summary>
    public float* Y;
    public float* X;

    /// <summary>As <see cref="FilteredKernel{TFormat}"/> makes it.</summary>
    public float* W;
    public float* Bias;

    /// <summary>Where Snake of the results goes, and its α; null: none is wanted. What goes in place of the results is not stored before.</summary>
    public float* Snake;
    public float* Alpha;
    public int Inputs;
    public int Outputs;
    public int Dilation;
    public bool Accumulate;

    private byte* _scratch;
    private long _scratchStride;
    private int _tiles;
    private int _blockTiles;
    private int _blocks;
    private int _groupPanels;

    private readonly int KBlocks => (Inputs + Gemm.KBlock - 1) / Gemm.KBlock;

    private readonly long PointStride => (long)KBlocks * _blockTiles * Gemm.AStride;

    /// <summary>Runs it.</summary>
    /// <param name="threads">The pool.</param>
    /// <param name="rows">Rows of the result: whole tiles, from the beginning of one.</param>
    /// <exception cref="ArgumentException">They are not.</exception>
    public void Start(CpuThreads threads, int rows)
    {
        if (rows % (MinimalFilter.Results * Dilation) != 0)
            throw new ArgumentException($"{rows} rows are not whole tiles of {MinimalFilter.Results * Dilation}.", nameof(rows));
        if (rows == 0)
            return;
        _tiles = rows / MinimalFilter.Results;
        int threadCount = (long)_tiles * MinimalFilter.Points * Inputs * Outputs < Gemm.InlineWork ? 1 : threads.Count;
        int parts = Divide(threadCount == 1 ? 1 : 4 * threadCount);
        long floats = MinimalFilter.Points * (PointStride + (long)_blockTiles * Gemm.PanelColumns);
        _scratch = threads.Scratch(floats * sizeof(float), out _scratchStride);
        threads.Run(ref this, parts, alone: threadCount == 1);
    }

    // The number of parts: blocks of tiles, and groups of panels where there are too few of these.
    private int Divide(int wanted)
    {
        int panels = Gemm.Panels(Outputs), groups = 1;
        _blocks = (_tiles - 1) / Math.Clamp(MostOperands / (MinimalFilter.Points * Inputs), LeastTiles, MostTiles) + 1;
        while (_blocks < wanted && _tiles / _blocks > 2 * FewTiles)
            _blocks++;
        while (_blocks * groups < wanted && panels / groups > 2 * Gemm.MinGroupPanels)
            groups++;
        _blockTiles = ((_tiles - 1) / _blocks / Gemm.TileRows + 1) * Gemm.TileRows;
        _blocks = (_tiles - 1) / _blockTiles + 1;
        _groupPanels = (panels - 1) / groups + 1;
        return _blocks * ((panels - 1) / _groupPanels + 1);
    }

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        int firstTile = part % _blocks * _blockTiles, tiles = Math.Min(_blockTiles, _tiles - firstTile);
        int firstPanel = part / _blocks * _groupPanels, endPanel = Math.Min(firstPanel + _groupPanels, Gemm.Panels(Outputs));
        float* a = (float*)(_scratch + thread * _scratchStride);
        float* c = a + MinimalFilter.Points * PointStride;
        TransformInput(a, firstTile, tiles);
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            Multiply(a, c, firstTile, tiles, panel);
            TransformOutput(c, firstTile, tiles, panel);
        }
    }

    // Rows of the timeline are 4·d to d tiles: tile t has the rows t mod d, + d, + 2d, + 3d of its group.
    private readonly long FirstRow(int tile) => (long)(tile / Dilation) * MinimalFilter.Results * Dilation + tile % Dilation;

    // [point][block of k][tile][Gemm.AStride]
    private readonly void TransformInput(float* a, int firstTile, int tiles)
    {
        long stride = (long)Dilation * Inputs, pointStride = PointStride;
        for (int t = 0; t < tiles; t++)
        {
            float* x = X + FirstRow(firstTile + t) * Inputs;
            for (int k = 0; k < Inputs; k += Gemm.KBlock)
            {
                float* to = a + ((long)(k / Gemm.KBlock) * _blockTiles + t) * Gemm.AStride;
                int count = Math.Min(Gemm.KBlock, Inputs - k), i = 0;
                for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
                    MinimalFilter.Input(x + k + i, stride, to + i, pointStride, default(AllLanes));
                // Behind a row there is room for a vector.
                if (i < count)
                    MinimalFilter.Input(x + k + i, stride, to + i, pointStride, new FirstLanes(count - i));
            }
        }
        for (int p = 0; p < MinimalFilter.Points * KBlocks; p++)
        {
            for (int t = tiles; t % Gemm.TileRows != 0; t++)
                new Span<float>(a + ((long)p * _blockTiles + t) * Gemm.AStride, Gemm.KBlock).Clear();
        }
    }

    // [point][tile][panel's columns]
    private readonly void Multiply(float* a, float* c, int firstTile, int tiles, int panel)
    {
        int width = Gemm.PanelColumns, resultStride = _blockTiles * width;
        float* zeros = stackalloc float[width];
        new Span<float>(zeros, width).Clear();
        for (int p = 0; p < MinimalFilter.Points; p++, c += resultStride)
        {
            float* w = W + ((long)p * Gemm.Panels(Outputs) + panel) * Inputs * width;
            for (int k = 0; k < Inputs; k += Gemm.KBlock, a += _blockTiles * Gemm.AStride)
            {
                for (int t = 0; t < tiles; t += Gemm.TileRows)
                {
                    float* sums = c + t * width;
                    Gemm.Tile(a + t * Gemm.AStride, Gemm.AStride, w + (long)k * width, Math.Min(Gemm.KBlock, Inputs - k), k == 0 ? zeros : sums,
                        k == 0 ? 0 : width, sums, width, false);
                    if (p == MinimalFilter.Points - 1)
                        PrefetchResults(firstTile + t, Math.Min(Gemm.TileRows, tiles - t), panel);
                }
            }
        }
    }

    // A panel's results are a short run of each row: the hardware does not foresee them.
    private readonly void PrefetchResults(int firstTile, int tiles, int panel)
    {
        for (int t = 0; t < tiles; t++)
        {
            float* y = Y + FirstRow(firstTile + t) * Outputs + (long)panel * Gemm.PanelColumns;
            for (int r = 0; r < MinimalFilter.Results; r++, y += (long)Dilation * Outputs)
            {
                for (int i = 0; i < Gemm.PanelColumns; i += 16)
                    VectorMath.Prefetch(y + i);
            }
        }
    }

    private readonly void TransformOutput(float* c, int firstTile, int tiles, int panel)
    {
        int width = Gemm.PanelColumns, v = Vector<float>.Count;
        long pointStride = (long)_blockTiles * width;
        for (int t = 0; t < tiles; t++)
        {
            long row = FirstRow(firstTile + t) * Outputs;
            for (int column = panel * width, i = 0; i < width && column < Outputs; i += v, column += v)
            {
                if (column + v <= Outputs)
                    Store(c + t * width + i, pointStride, row, column, default(AllLanes));
                else
                    Store(c + t * width + i, pointStride, row, column, new FirstLanes(Outputs - column));
            }
        }
    }

    // Four results of each column, of rows a dilation apart.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Store<TLanes>(float* c, long pointStride, long row, int column, TLanes lanes)
        where TLanes : struct, ILanes
    {
        (Vector<float> y0, Vector<float> y1, Vector<float> y2, Vector<float> y3) = MinimalFilter.Output(c, pointStride);
        Vector<float> b = lanes.Load(Bias + column);
        long stride = (long)Dilation * Outputs;
        float* y = Y + row + column;
        y0 = Accumulate ? lanes.Load(y) + (y0 + b) : y0 + b;
        y1 = Accumulate ? lanes.Load(y + stride) + (y1 + b) : y1 + b;
        y2 = Accumulate ? lanes.Load(y + 2 * stride) + (y2 + b) : y2 + b;
        y3 = Accumulate ? lanes.Load(y + 3 * stride) + (y3 + b) : y3 + b;
        if (Snake != Y)
        {
            lanes.Store(y, y0);
            lanes.Store(y + stride, y1);
            lanes.Store(y + 2 * stride, y2);
            lanes.Store(y + 3 * stride, y3);
        }
        if (Snake == null)
            return;
        Vector<float> alpha = lanes.Load(Alpha + column);
        y = Snake + row + column;
        Cpu.Snake.Store(y, y0, alpha, lanes);
        Cpu.Snake.Store(y + stride, y1, alpha, lanes);
        Cpu.Snake.Store(y + 2 * stride, y2, alpha, lanes);
        Cpu.Snake.Store(y + 3 * stride, y3, alpha, lanes);
    }
}
