using Dia.Backends;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>
/// A LoRA adapter in training: inputs are dropped on their way to it, and its parameters get gradients. What lies between its products is computed again in
/// the backward pass: it costs less than it takes to keep.
/// </summary>
public sealed unsafe class LoraTraining : IDisposable
{
    private const int PartRows = LoraAdapter.PartRows;

    private readonly LoraAdapter _adapter;
    private readonly DeviceMemory _memory;
    private float* _between, _dBetween, _dropped;

    internal LoraTraining(LoraAdapter adapter, DeviceMemory memory) => (_adapter, _memory) = (adapter, memory);

    /// <summary>What values are dropped by, and how the pass under way does it.</summary>
    internal (ulong Seed, uint Pass) Draw { get; set; }

    private float Share => (float)_adapter.Weights.Config.LoraDropout;

    /// <summary>Takes the memory that passes need, once; in a turn.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal void Reserve()
    {
        LoraWeights weights = _adapter.Weights;
        if (_between == null)
            _between = _memory.Allocate((long)PartRows * _adapter.MaxRank);
        if (_dBetween == null)
            _dBetween = _memory.Allocate((long)PartRows * _adapter.MaxRank);
        if (_dropped == null && Share > 0)
            _dropped = _memory.Allocate((long)PartRows * Enumerable.Range(0, weights.Layers.Length).Max(i => weights.Specs[2 * i].Shape[1]));
    }

    /// <summary>As <see cref="LoraAdapter.Add"/>.</summary>
    public void Add<TBackend>(in TBackend b, float* y, float* x, int weight, int rows, int n, int k, Phase phase)
        where TBackend : struct, ITrainingBackend
    {
        int layer = _adapter.LayerOf(weight);
        if (layer < 0)
            return;
        int rank = _adapter.Weights.Layers[layer].Rank;
        for (int first = 0; first < rows; first += PartRows)
        {
            int part = Math.Min(PartRows, rows - first);
            b.Linear(_between, Dropped(b, x, weight, first, part, k), _adapter.Down(layer), part, rank, k, phase, accumulate: false);
            b.Linear(y + (long)first * n, _between, _adapter.Up(layer), part, n, rank, phase, accumulate: true);
        }
    }

    /// <summary>dx[rows, k] += scale·dropped((dy[rows, n]·b)·a) where the weight has a layer.</summary>
    public void AddInputGradient<TBackend>(in TBackend b, float* dx, float* dy, int weight, int rows, int n, int k)
        where TBackend : struct, ITrainingBackend
    {
        int layer = _adapter.LayerOf(weight);
        if (layer < 0)
            return;
        int rank = _adapter.Weights.Layers[layer].Rank;
        for (int first = 0; first < rows; first += PartRows)
        {
            int part = Math.Min(PartRows, rows - first);
            float* to = dx + (long)first * k;
            b.LinearInputGradient(_dBetween, dy + (long)first * n, _adapter.Up(layer), part, n, rank, accumulate: false);
            b.LinearInputGradient(Share > 0 ? _dropped : to, _dBetween, _adapter.Down(layer), part, rank, k, accumulate: Share <= 0);
            if (Share > 0)
                b.Dropout(to, _dropped, (long)part * k, Mask(weight, (long)first * k), 1, accumulate: true);
        }
    }

    /// <summary>da += scale·(dy·b)ᵀ·dropped(x), db += scale·dyᵀ·(dropped(x)·aᵀ), where the weight has a layer and they are trained.</summary>
    public void AddWeightGradients<TBackend>(in TBackend b, ParameterGradients g, float* dy, float* x, int weight, int rows, int n, int k)
        where TBackend : struct, ITrainingBackend
    {
        int layer = _adapter.LayerOf(weight);
        if (layer < 0)
            return;
        int rank = _adapter.Weights.Layers[layer].Rank;
        float* da = g.OfAdapter(2 * layer), db = g.OfAdapter(2 * layer + 1);
        float scale = (float)(_adapter.Weights.Scale(layer) * _adapter.Strength);
        for (int first = 0; first < rows && (da != null || db != null); first += PartRows)
        {
            int part = Math.Min(PartRows, rows - first);
            float* dropped = Dropped(b, x, weight, first, part, k), dyPart = dy + (long)first * n;
            if (db != null)
            {
                b.Linear(_between, dropped, _adapter.Down(layer), part, rank, k, Phase.Prefill, accumulate: false);
                b.Dropout(_between, _between, (long)part * rank, default, scale, accumulate: false);
                b.LinearWeightGradient(db, dyPart, _between, part, n, rank);
            }

            if (da == null)
                continue;
            b.LinearInputGradient(_dBetween, dyPart, _adapter.Up(layer), part, n, rank, accumulate: false);
            b.LinearWeightGradient(da, _dBetween, dropped, part, rank, k);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _memory.Free(_between);
        _memory.Free(_dBetween);
        _memory.Free(_dropped);
        _between = _dBetween = _dropped = null;
    }

    private float* Dropped<TBackend>(in TBackend b, float* x, int weight, int first, int rows, int k)
        where TBackend : struct, ITrainingBackend
    {
        float* from = x + (long)first * k;
        if (Share <= 0)
            return from;
        b.Dropout(_dropped, from, (long)rows * k, Mask(weight, (long)first * k), 1, accumulate: false);
        return _dropped;
    }

    private DropoutMask Mask(int weight, long first) => new(Share, Draw.Seed, Draw.Pass, (uint)weight, first);
}
