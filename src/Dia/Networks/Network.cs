using Dia.Backends;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>What every emitted network has: its weights as its backend prepared them, of which it is the only owner.</summary>
public abstract class Network
{
    private WeightSpec[] _specs = [];
    private StoredWeight[] _stored = [];

    /// <summary>The prepared weights, in the order of the specs.</summary>
    protected internal Weight[] Weights { get; private set; } = [];

    /// <summary>The memory it computes in.</summary>
    public abstract DeviceMemory Memory { get; }

    /// <summary>Has the backend prepare a weight.</summary>
    protected abstract Weight Prepare(WeightSpec spec, in StoredWeight stored);

    /// <summary>Frees what <see cref="Prepare(WeightSpec, in StoredWeight)"/> made.</summary>
    protected abstract void Release(WeightSpec spec, in Weight weight);

    /// <summary>
    /// Prepares weights in a turn, all but those that <see cref="PrepareLeft"/> will; what a failure leaves is for <see cref="Release()"/> to free.
    /// </summary>
    internal void Prepare(Tenant tenant, WeightSpec[] specs, StoredWeight[] stored, IReadOnlySet<int>? later = null)
    {
        using Lock.Scope turn = tenant.Enter();
        (_specs, _stored, Weights) = (specs, stored, new Weight[specs.Length]);
        for (int i = 0; i < specs.Length; i++)
            if (later?.Contains(i) != true)
                PrepareLeft(i);
    }

    /// <summary>Prepares a weight if it is not yet, in a turn.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    private protected void PrepareLeft(int index)
    {
        if (Weights[index].IsMissing && !_stored[index].IsMissing)
            Weights[index] = Prepare(_specs[index], _stored[index]);
    }

    /// <summary>Has a weight that is none of the model's prepared; in a turn.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal Weight PrepareOther(WeightSpec spec, in StoredWeight stored) => Prepare(spec, stored);

    /// <summary>Frees such a weight.</summary>
    internal void ReleaseOther(WeightSpec spec, in Weight weight) => Release(spec, weight);

    /// <summary>Has a weight prepared again after its values, or where they are, changed; in a turn.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal void Prepare(int index, in StoredWeight stored)
    {
        Weight prepared = Prepare(_specs[index], stored);
        Release(_specs[index], Weights[index]);
        Weights[index] = prepared;
    }

    /// <summary>Frees the weights.</summary>
    internal void Release()
    {
        for (int i = 0; i < Weights.Length; i++)
            if (!Weights[i].IsMissing)
                Release(_specs[i], Weights[i]);
        Weights = [];
    }
}
