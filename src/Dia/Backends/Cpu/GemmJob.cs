namespace Dia.Backends.Cpu;

/// <summary>
/// The matrix product behind linear layers and convolutions: y[r, c] = Σ_k a[r, k]·w[c, k] (+ bias, + y). Each output is one chain of
/// fused multiply-adds over ascending k, started from the bias, whatever the blocking; threads and blocks divide outputs only.
/// </summary>
/// <remarks>
/// Blocks of a and of w are first copied into the thread's scratch memory, in float32, padded with zeros to whole tiles: so the inner kernel
/// knows one shape only and no address is out of bounds. How operands lie is a choice of the copy: gradients are the same product. Whole tiles of a whose
/// rows' values follow each other are read where they are. One of narrower numbers would be another inner kernel and another type of those copies.
/// </remarks>
internal unsafe struct GemmJob<TFormat> : IParallelJob
    where TFormat : struct, IStoredFormat
{
    // Rows whose copying waits for memory unless they are asked for so long before.
    private const int RowsAhead = 12;

    /// <summary>What is multiplied.</summary>
    public MatrixProduct P;

    private byte* _scratch;
    private long _scratchStride;
    private int _rowBlock;
    private int _rowBlocks;
    private int _groupPanels;

    /// <summary>Runs the product.</summary>
    public void Start(CpuThreads threads)
    {
        if (P.Rows <= 0 || P.N <= 0)
            return;
        int threadCount = (long)P.Rows * P.N * P.K < Gemm.InlineWork ? 1 : threads.Count;
        // Two parts per thread even out the threads' speeds; large parts reuse what they copied.
        int parts = Divide(threadCount == 1 ? 1 : 2 * threadCount);
        long floats = (long)_rowBlock * Gemm.AStride + Panels * Gemm.PanelStride + (IsOneBlock ? 1L : _groupPanels) * _rowBlock * Gemm.PanelColumns
            + WidenedFloats;
        _scratch = threads.Scratch(floats * sizeof(float), out _scratchStride);
        threads.Run(ref this, parts, alone: threadCount == 1);
    }

    /// <summary>Runs the product as part of another job, on its thread and in its scratch memory, of <see cref="Gemm.ScratchFloats"/> values.</summary>
    public void RunWithin(float* scratch)
    {
        if (P.Rows <= 0 || P.N <= 0)
            return;
        _scratch = (byte*)scratch;
        int parts = Divide(1);
        for (int part = 0; part < parts; part++)
            Run(part, 0);
    }

    // How many panels are loaded at a time.
    private readonly int Panels => P.WOrder == WeightOrder.Columns ? Math.Min(_groupPanels, Gemm.MaxGroupPanels) : 1;

    // Room for integer weights of a panel in float32.
    private readonly int WidenedFloats => P.HasIntegers ? Gemm.PanelColumns * Gemm.AStride : 0;

    // Whether a panel's sums are done after one block of k: then those of other panels need no room beside them.
    private readonly bool IsOneBlock => P.K <= Gemm.KBlock;

    // The number of parts, not much more than are wanted. Rows of weights are laid out for each block of rows: so their panels are divided first.
    private int Divide(int wanted)
    {
        int panels = Gemm.Panels(P.N);
        _rowBlocks = (P.Rows + Gemm.MaxRowBlock - 1) / Gemm.MaxRowBlock;
        int groups = IsOneBlock ? 1 : (panels + Gemm.MaxGroupPanels - 1) / Gemm.MaxGroupPanels;
        while (P.WOrder == WeightOrder.Rows && _rowBlocks * groups < wanted && panels / groups > 2 * Gemm.MinGroupPanels)
            groups++;
        while (_rowBlocks * groups < wanted && P.Rows / _rowBlocks > 2 * Gemm.MinRowBlock)
            _rowBlocks++;
        while (_rowBlocks * groups < wanted && panels / groups > 2 * Gemm.MinGroupPanels)
            groups++;
        _rowBlock = ((P.Rows + _rowBlocks - 1) / _rowBlocks + Gemm.TileRows - 1) / Gemm.TileRows * Gemm.TileRows;
        _rowBlocks = (P.Rows + _rowBlock - 1) / _rowBlock;
        _groupPanels = (panels + groups - 1) / groups;
        return _rowBlocks * ((panels + _groupPanels - 1) / _groupPanels);
    }

    /// <inheritdoc/>
    public void Run(int part, int thread)
    {
        int firstRow = part % _rowBlocks * _rowBlock;
        int rows = Math.Min(_rowBlock, P.Rows - firstRow);
        int tiles = (rows + Gemm.TileRows - 1) / Gemm.TileRows;
        int firstPanel = part / _rowBlocks * _groupPanels;
        int panels = Math.Min(_groupPanels, Gemm.Panels(P.N) - firstPanel);
        float* a = (float*)(_scratch + thread * _scratchStride);
        float* b = a + (long)_rowBlock * Gemm.AStride;
        float* widened = b + Panels * Gemm.PanelStride;
        float* c = widened + WidenedFloats;
        int loaded = Panels;
        float* bias = stackalloc float[Gemm.PanelColumns], alpha = stackalloc float[Gemm.PanelColumns];

        for (long k = 0; k == 0 || k < P.K; k += Gemm.KBlock)
        {
            int count = (int)Math.Min(Gemm.KBlock, P.K - k);
            int inPlace = LiesInPlace(k, count) ? rows - rows % Gemm.TileRows : 0;
            CopyRows(a, firstRow, inPlace, rows, tiles, k, count);
            for (int p = 0; p < panels; p++)
            {
                if (P.WOrder == WeightOrder.Columns && p % loaded == 0)
                    LoadPanels(b, firstPanel + p, Math.Min(loaded, panels - p), k, count);
                float* panel = P.WOrder == WeightOrder.Columns ? b + p % loaded * Gemm.PanelStride : LoadPanel(b, widened, firstPanel + p, k, count);
                if (k == 0)
                    GatherColumns(bias, P.Bias, firstPanel + p);
                if (P.Snake != null)
                    GatherColumns(alpha, P.Alpha, firstPanel + p);
                bool isLast = p + 1 == panels;
                MultiplyPanel(new()
                {
                    A = a, X = inPlace > 0 ? At(firstRow, k) : null, InPlace = inPlace,
                    Panel = panel, Sums = IsOneBlock ? c : c + (long)p * tiles * Gemm.TileRows * Gemm.PanelColumns,
                    Bias = k == 0 ? bias : null, Alpha = alpha,
                    FirstRow = firstRow, Rows = rows, Number = firstPanel + p, K = k, Count = count,
                    NextNumber = isLast ? firstPanel : firstPanel + p + 1, NextK = isLast ? k + Gemm.KBlock : k,
                });
            }
        }
    }

    // All of a part's rows with a panel's weights of a block of k: the first of them where they are, at X, the others' copies in A.
    private struct PanelRows
    {
        public float* A, X, Panel, Sums;

        // What sums start from; null: from those of the blocks before. And α of the Snake that results go through.
        public float* Bias, Alpha;
        public int FirstRow, Rows, InPlace, Number, Count, NextNumber;
        public long K, NextK;
    }

    // Sums are kept between blocks of k; the last block's go to the results.
    private readonly void MultiplyPanel(in PanelRows b)
    {
        int width = Gemm.PanelColumns, column = b.Number * width, tiles = (b.Rows + Gemm.TileRows - 1) / Gemm.TileRows;
        bool isLast = b.K + b.Count == P.K, isWhole = column + width <= P.N && P.YStep == 1;
        float* y = P.Y + b.FirstRow * P.YStride + (long)column * P.YStep, sums = b.Sums;
        for (int t = 0, row = 0; t < tiles; t++, row += Gemm.TileRows, y += Gemm.TileRows * P.YStride)
        {
            long aStride = row < b.InPlace ? P.RowStride : Gemm.AStride;
            float* a = (row < b.InPlace ? b.X : b.A) + row * aStride;
            PrefetchWeights(t, tiles, b.NextNumber, b.NextK);
            float* from = b.Bias != null ? b.Bias : sums;
            int fromStride = b.Bias != null ? 0 : width;
            if (isLast)
            {
                int rows = Math.Min(Gemm.TileRows, b.Rows - row), columns = Math.Min(width, P.N - column);
                PrefetchResults(y);
                if (P.Snake != null && P.Snake != P.Y)
                    PrefetchResults(P.Snake + (y - P.Y));
                if (isWhole && rows == Gemm.TileRows)
                {
                    Gemm.Tile(a, aStride, b.Panel, b.Count, from, fromStride, y, P.YStride, P.Accumulate);
                }
                else
                {
                    Gemm.Tile(a, aStride, b.Panel, b.Count, from, fromStride, sums, width, accumulate: false);
                    Store(sums, y, rows, columns);
                }
                if (P.Snake != null)
                    StoreSnake(y, b.Alpha, rows, columns);
            }
            else
            {
                Gemm.Tile(a, aStride, b.Panel, b.Count, from, fromStride, sums, width, accumulate: false);
            }
            sums += Gemm.TileRows * width;
        }
    }

    // Beside each tile, its share of the weights of the panel that comes next: short runs too, whose reading was an eighth of a thread's time.
    private readonly void PrefetchWeights(int tile, int tiles, int panel, long k)
    {
        if (P.HasIntegers || P.WOrder is not (WeightOrder.Rows or WeightOrder.Panels))
            return;
        int bytes = (int)Math.Clamp(P.K - k, 0, Gemm.KBlock) * TFormat.Size, first = panel * Gemm.PanelColumns;
        if (P.WOrder == WeightOrder.Panels)
        {
            byte* weights = P.W + (panel * P.K + k) * Gemm.PanelColumns * TFormat.Size;
            int lines = bytes * Gemm.PanelColumns / 64;
            for (int i = lines * tile / tiles; i < lines * (tile + 1) / tiles; i++)
                VectorMath.PrefetchSecond(weights + i * 64);
            return;
        }
        int end = Math.Min(first + Gemm.PanelColumns * (tile + 1) / tiles, P.N);
        for (int column = first + Gemm.PanelColumns * tile / tiles; column < end; column++)
        {
            byte* w = P.W + (column * P.WStride + k) * TFormat.Size;
            for (int i = 0; i < bytes; i += 64)
                VectorMath.PrefetchSecond(w + i);
        }
    }

    // A panel's results are a short run of each row: the hardware does not foresee the next one.
    private readonly void PrefetchResults(float* y)
    {
        for (int r = 0; r < Gemm.TileRows; r++, y += P.YStride)
        {
            for (int i = 0; i < Gemm.PanelColumns; i += 16)
                VectorMath.Prefetch(y + i);
        }
    }

    // A panel's columns of a vector of BiasCount values; zeros where there is none.
    private readonly void GatherColumns(float* to, float* from, int panel)
    {
        for (int i = 0; i < Gemm.PanelColumns; i++)
        {
            int column = panel * Gemm.PanelColumns + i;
            to[i] = from != null && column < P.N ? from[column % P.BiasCount] : 0;
        }
    }

    private readonly void Store(float* sums, float* y, int rows, int columns)
    {
        for (int r = 0; r < rows; r++, sums += Gemm.PanelColumns, y += P.YStride)
        {
            for (int i = 0; i < columns; i++)
                y[(long)i * P.YStep] = P.Accumulate ? y[(long)i * P.YStep] + sums[i] : sums[i];
        }
    }

    // Of a tile's results, which the first-level cache still has.
    private readonly void StoreSnake(float* y, float* alpha, int rows, int columns)
    {
        float* to = P.Snake + (y - P.Y);
        for (int r = 0; r < rows; r++, y += P.YStride, to += P.YStride)
            Elementwise.Run(new Snake(to, y, alpha, 0), 0, columns);
    }

    private readonly float* At(long row, long k) => P.X + row * P.RowStride + k / P.TapLength * P.TapStride + k % P.TapLength;

    // Rows that are a multiple of a page apart would share cache sets; of others a copy gains less than it costs.
    private readonly bool LiesInPlace(long k, int count) => !P.Transposed && P.RowStride % Gemm.PageValues != 0
        && (P.TapStride == P.TapLength || k % P.TapLength + count <= P.TapLength);

    // Rows of a from a first one on, at columns k .. k + count; the rows that fill up the last tile are zeros.
    private void CopyRows(float* a, int firstRow, int first, int rows, int tiles, long k, int count)
    {
        for (int i = 0; P.Transposed && i < count; i += 8)
        {
            byte* x = (byte*)(P.X + (k + i) * P.RowStride + firstRow);
            GemmPanels.Transpose<Float32Format>(a + i, Gemm.AStride, x, P.RowStride, Math.Min(8, count - i), rows);
        }
        for (int r = first; !P.Transposed && r < rows; r++)
        {
            float* x = P.X + (firstRow + r) * P.RowStride;
            float* to = a + (long)r * Gemm.AStride;
            long tap = k / P.TapLength;
            int offset = (int)(k - tap * P.TapLength);
            for (int done = 0; done < count; tap++, offset = 0)
            {
                int run = Math.Min(P.TapLength - offset, count - done);
                Gemm.Copy(to + done, x + tap * P.TapStride + offset, run, RowsAhead * P.RowStride);
                done += run;
            }
        }
        for (int r = rows; r < tiles * Gemm.TileRows; r++)
            new Span<float>(a + (long)r * Gemm.AStride, count).Clear();
    }

    // Columns are loaded for all panels at once: those of one are a short run of each row, and many rows' share cache sets.
    private void LoadPanels(float* b, int panel, int panels, long k, int count)
    {
        int column = panel * Gemm.PanelColumns;
        byte* w = P.W + (k * P.WStride + column) * TFormat.Size;
        for (int i = 0; i < count; i++, b += Gemm.PanelColumns, w += P.WStride * TFormat.Size)
        {
            for (int p = 0; p < panels; p++)
            {
                GemmPanels.CopyColumns<TFormat>(b + p * Gemm.PanelStride, w + p * Gemm.PanelColumns * TFormat.Size,
                    P.N - column - p * Gemm.PanelColumns);
            }
        }
    }

    private float* LoadPanel(float* b, float* widened, int panel, long k, int count)
    {
        int column = panel * Gemm.PanelColumns;
        if (P.HasIntegers)
        {
            int columns = Math.Min(Gemm.PanelColumns, P.N - column);
            for (int c = 0; c < columns; c++)
                IntegerRows.Widen(P.Integers, column + c, (int)k, count, widened + c * Gemm.AStride);
            GemmPanels.FromRows<Float32Format>(b, (byte*)widened, 0, columns, count, Gemm.AStride);
            return b;
        }
        switch (P.WOrder)
        {
            case WeightOrder.Rows:
                GemmPanels.FromRows<TFormat>(b, P.W + k * TFormat.Size, column, P.N, count, P.WStride);
                return b;
            case WeightOrder.PanelColumns:
                GemmPanels.FromPanels<TFormat>(b, P.W, column, P.N, k, count, P.WStride);
                return b;
        }
        byte* stored = P.W + (panel * P.K + k) * Gemm.PanelColumns * TFormat.Size;
        if (typeof(TFormat) == typeof(Float32Format))
            return (float*)stored;
        for (int i = 0; i < count * Gemm.PanelColumns; i += Gemm.PanelColumns)
            GemmPanels.CopyColumns<TFormat>(b + i, stored + i * TFormat.Size, Gemm.PanelColumns);
        return b;
    }
}
