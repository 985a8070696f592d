using Dia.Backends;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>
/// A LoRA adapter beside a network's weights: y += scale·(x·aᵀ)·bᵀ after each product whose weight it has a layer for. Rows go through it a part at a time,
/// which changes no bit, so that its memory does not depend on a pass.
/// </summary>
public sealed unsafe class LoraAdapter : LinearAdapter
{
    /// <summary>Rows that go through it at a time.</summary>
    internal const int PartRows = 512;

    private readonly Network _network;
    private readonly int[] _layers; // by the number of a weight; -1: none
    private readonly Weight[] _down, _up;
    private readonly nint[] _scaled; // b times all scales, on the host
    private readonly float* _between;

    /// <summary>Prepares an adapter, which this owns from then on, in a turn.</summary>
    /// <param name="network">The network that it is for.</param>
    /// <param name="weights">Its tensors.</param>
    /// <param name="count">The weights that the network has.</param>
    /// <param name="strength">What is added is scaled by this besides.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal LoraAdapter(Network network, LoraWeights weights, int count, double strength)
    {
        (_network, Weights, Strength) = (network, weights, strength);
        int layers = weights.Layers.Length;
        (_layers, _down, _up, _scaled) = (new int[count], new Weight[layers], new Weight[layers], new nint[layers]);
        Array.Fill(_layers, -1);
        MaxRank = weights.Layers.Max(l => l.Rank);
        try
        {
            _between = network.Memory.Allocate((long)PartRows * MaxRank);
            for (int i = 0; i < layers; i++)
            {
                _layers[weights.Layers[i].Weight] = i;
                _scaled[i] = (nint)DeviceMemory.Host.Allocate(weights.Specs[2 * i + 1].Count);
                Prepare(i);
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        Training = new LoraTraining(this, network.Memory);
    }

    /// <summary>Its tensors.</summary>
    internal LoraWeights Weights { get; }

    /// <summary>What is added is scaled by this besides.</summary>
    internal double Strength { get; }

    /// <summary>The greatest rank of a layer.</summary>
    internal int MaxRank { get; }

    /// <summary>The same as training does it.</summary>
    internal LoraTraining Training { get; }

    /// <summary>A layer's a [r, k].</summary>
    internal ref readonly Weight Down(int layer) => ref _down[layer];

    /// <summary>A layer's b [n, r], scaled.</summary>
    internal ref readonly Weight Up(int layer) => ref _up[layer];

    /// <summary>The layer of a weight; -1: it has none.</summary>
    internal int LayerOf(int weight) => _layers[weight];

    /// <summary>Has a layer's tensors prepared, again where they have changed; in a turn.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal void Prepare(int layer)
    {
        WeightSpec a = Weights.Specs[2 * layer], b = Weights.Specs[2 * layer + 1];
        float scale = (float)(Weights.Scale(layer) * Strength);
        float* from = Weights[2 * layer + 1], to = (float*)_scaled[layer];
        for (long i = 0; i < b.Count; i++)
            to[i] = scale * from[i];

        Prepare(ref _down[layer], a, Weights[2 * layer]);
        Prepare(ref _up[layer], b, to);
    }

    /// <summary>y[rows, n] += scale·(x[rows, k]·aᵀ)·bᵀ where the weight has a layer.</summary>
    /// <inheritdoc cref="LinearAdapter.Add"/>
    public override void Add<TBackend>(in TBackend b, float* y, float* x, int weight, int rows, int n, int k, Phase phase)
    {
        int layer = _layers[weight];
        if (layer < 0)
            return;
        int rank = Weights.Layers[layer].Rank;
        for (int first = 0; first < rows; first += PartRows)
        {
            int part = Math.Min(PartRows, rows - first);
            b.Linear(_between, x + (long)first * k, _down[layer], part, rank, k, phase, accumulate: false);
            b.Linear(y + (long)first * n, _between, _up[layer], part, n, rank, phase, accumulate: true);
        }
    }

    /// <summary>Frees it; in a turn.</summary>
    public override void Dispose()
    {
        Training?.Dispose();
        for (int i = 0; i < _down.Length; i++)
        {
            Release(Weights.Specs[2 * i], _down[i]);
            Release(Weights.Specs[2 * i + 1], _up[i]);
            DeviceMemory.Host.Free((void*)_scaled[i]);
        }

        Array.Clear(_down);
        Array.Clear(_up);
        Array.Clear(_scaled);
        _network.Memory.Free(_between);
        Weights.Dispose();
    }

    private void Prepare(ref Weight weight, WeightSpec spec, float* values)
    {
        Weight prepared = _network.PrepareOther(spec, new StoredWeight { Data = values, Format = WeightFormat.Float32 });
        Release(spec, weight);
        weight = prepared;
    }

    private void Release(WeightSpec spec, in Weight weight)
    {
        if (!weight.IsMissing)
            _network.ReleaseOther(spec, weight);
    }
}
