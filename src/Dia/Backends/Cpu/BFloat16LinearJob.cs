using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// The linear layer of many rows whose activations are rounded to bfloat16, as weights of other formats are: y[r, c] = Σ_k x[r, k]·w[c, k] (+ y). Each
/// output is one chain of sums over ascending k, whatever the blocking; threads and blocks divide outputs only.
/// </summary>
/// <remarks>
/// x is laid out once for all threads, tile by tile, two values of k in a word. A part is a block of rows that stays in the second-level cache, and a
/// group of panels of 32 weights: for each block of k, a panel is laid out (2 bytes a weight read) and multiplied with every tile of the rows.
/// </remarks>
internal unsafe struct BFloat16LinearJob : IParallelJob
{
    private const int TileRows = BFloat16Products.TileRows, Columns = BFloat16Products.PanelColumns, KBlock = BFloat16Products.KBlock;
    private const int PairsOfBlock = KBlock / 2, TileSums = TileRows * Columns;

    // Tiles of a part: 528 rows, both guidance streams of a prompt's block.
    private const int MaxTiles = 44;
    private const int MaxPanels = 8;

    /// <summary>What is multiplied.</summary>
    public MatrixProduct P;

    /// <summary>The weights' format.</summary>
    public WeightFormat Format;

    private bool _layingOut;
    private uint* _rows;
    private long _tileWords;
    private byte* _scratch;
    private long _scratchStride;
    private int _tiles;
    private int _partTiles;
    private int _rowParts;
    private int _partPanels;

    private readonly int K => (int)P.K;

    private readonly int Panels => (P.N + Columns - 1) / Columns;

    // Per thread: a row and 32 rows of what is not laid out straight from the weights, a panel, and sums.
    private static long Staged => KBlock + Columns * PairsOfBlock;

    /// <summary>Runs the product.</summary>
    public void Start(CpuThreads threads)
    {
        if (P.Rows <= 0 || P.N <= 0)
            return;
        _tiles = (P.Rows + TileRows - 1) / TileRows;
        // The last rows of a tile fill up its words' places by eight: four words of what follows.
        _tileWords = (K + 1L) / 2 * TileRows + 16;
        int parts = Divide(4 * threads.Count);
        long own = Staged + PairsOfBlock * Columns + (long)_partPanels * _partTiles * TileSums;
        _scratch = threads.Scratch(own * sizeof(uint), out _scratchStride, _tiles * _tileWords * sizeof(uint));
        _rows = (uint*)(_scratch + threads.Count * _scratchStride);
        _layingOut = true;
        threads.Run(ref this, _tiles);
        _layingOut = false;
        threads.Run(ref this, parts);
    }

    private int Divide(int wanted)
    {
        _rowParts = (_tiles + MaxTiles - 1) / MaxTiles;
        _partTiles = (_tiles + _rowParts - 1) / _rowParts;
        int groups = Math.Max((Panels + MaxPanels - 1) / MaxPanels, Math.Min((wanted + _rowParts - 1) / _rowParts, Panels));
        _partPanels = (Panels + groups - 1) / groups;
        return _rowParts * ((Panels + _partPanels - 1) / _partPanels);
    }

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        uint* staged = (uint*)(_scratch + thread * _scratchStride);
        if (_layingOut)
            LayOutTile(part, staged + KBlock);
        else
            Multiply(part, staged);
    }

    // Rows of x as the tile reads them, [pairs, 12] words; rows that fill it up are zeros.
    private readonly void LayOutTile(int tile, uint* words)
    {
        int rows = Math.Min(TileRows, P.Rows - tile * TileRows);
        uint* to = _rows + tile * _tileWords;
        for (int k = 0; k < K; k += KBlock, to += PairsOfBlock * TileRows)
        {
            int count = Math.Min(KBlock, K - k), pairs = (count + 1) / 2;
            for (int r = 0; r < rows; r++)
                Round(P.X + ((long)tile * TileRows + r) * K + k, count, words + r * PairsOfBlock);
            // The upper rows first: zeros fill them up to eight, in places of the next pair's lower rows.
            Transpose(to + 8, TileRows, words + 8 * PairsOfBlock, PairsOfBlock, Math.Clamp(rows - 8, 0, 8), pairs);
            Transpose(to, TileRows, words, PairsOfBlock, Math.Min(rows, 8), pairs);
        }
    }

    private readonly void Multiply(int part, uint* staged)
    {
        int firstTile = part % _rowParts * _partTiles, tiles = Math.Min(_partTiles, _tiles - firstTile);
        int firstPanel = part / _rowParts * _partPanels, panels = Math.Min(_partPanels, Panels - firstPanel);
        uint* panel = staged + Staged;
        float* sums = (float*)(panel + PairsOfBlock * Columns);
        new Span<float>(sums, panels * tiles * TileSums).Clear();
        for (int k = 0; k < K; k += KBlock)
        {
            int count = Math.Min(KBlock, K - k);
            for (int p = 0; p < panels; p++)
            {
                LayOutPanel(panel, staged, (firstPanel + p) * Columns, k, count);
                uint* rows = _rows + firstTile * _tileWords + k / 2 * TileRows;
                for (int t = 0; t < tiles; t++, rows += _tileWords)
                    BFloat16Products.Tile(rows, panel, sums + ((long)p * tiles + t) * TileSums, (count + 1) / 2);
            }
        }
        int firstRow = firstTile * TileRows;
        for (int p = 0; p < panels; p++)
            Store(sums + (long)p * tiles * TileSums, firstRow, Math.Min(tiles * TileRows, P.Rows - firstRow), (firstPanel + p) * Columns);
    }

    // Values k .. k + count of 32 weights, [pairs, 32] words.
    private readonly void LayOutPanel(uint* panel, uint* staged, int column, int k, int count)
    {
        int columns = Math.Min(Columns, P.N - column), stride = PairsOfBlock;
        uint* from = staged + KBlock;
        bool isThere = Format == WeightFormat.BFloat16 && K % 2 == 0;
        if (isThere)
        {
            from = (uint*)((ushort*)P.W + (long)column * K + k);
            stride = K / 2;
        }
        for (int c = 0; !isThere && c < columns; c++)
            Stage(column + c, k, count, (float*)staged, from + c * PairsOfBlock);
        for (int c = 0; c < Columns; c += 8)
            Transpose(panel + c, Columns, from + (long)c * stride, stride, Math.Clamp(columns - c, 0, 8), (count + 1) / 2);
    }

    private readonly void Stage(int column, int k, int count, float* wide, uint* to)
    {
        if (P.HasIntegers)
            IntegerRows.Widen(P.Integers, column, k, count, wide);
        else
            CpuFormat.Of(Format).Widen(wide, P.W, (long)column * K + k, count);
        Round(wide, count, to);
    }

    private static void Round(float* from, int count, uint* to)
    {
        BFloat16Products.Round(from, (ushort*)to, count);
        if (count % 2 != 0)
            ((ushort*)to)[count] = 0;
    }

    private static void Transpose(uint* to, int toStride, uint* from, int fromStride, int rows, int count) =>
        GemmPanels.Transpose<Float32Format>((float*)to, toStride, (byte*)from, fromStride, rows, count);

    private readonly void Store(float* sums, int firstRow, int rows, int column)
    {
        int columns = Math.Min(Columns, P.N - column);
        float* y = P.Y + firstRow * P.YStride + column;
        for (int r = 0; r < rows; r++, sums += Columns, y += P.YStride)
        {
            int i = 0;
            for (; i <= columns - Vector<float>.Count; i += Vector<float>.Count)
                (P.Accumulate ? Vector.Load(y + i) + Vector.Load(sums + i) : Vector.Load(sums + i)).Store(y + i);
            for (; i < columns; i++)
                y[i] = P.Accumulate ? y[i] + sums[i] : sums[i];
        }
    }
}
