using Dia.Backends;

namespace Dia.Networks;

/// <summary>What a network calls after each product with a weight, in a turn: it may add to the result, or look at the input.</summary>
public abstract unsafe class LinearAdapter : IDisposable
{
    /// <summary>Sees a product y[rows, n] = x[rows, k]·wᵀ and may add to y.</summary>
    /// <param name="b">The backend.</param>
    /// <param name="y">What the product gave.</param>
    /// <param name="x">What it was given.</param>
    /// <param name="weight">The number of its weight.</param>
    /// <param name="rows">Rows of both.</param>
    /// <param name="n">Values of a row of y.</param>
    /// <param name="k">Values of a row of x.</param>
    /// <param name="phase">What the product is part of.</param>
    public abstract void Add<TBackend>(in TBackend b, float* y, float* x, int weight, int rows, int n, int k, Phase phase)
        where TBackend : struct, IBackend;

    /// <inheritdoc/>
    public abstract void Dispose();
}
