#pragma warning disable IDE1006, CS8981 // The names are CUDA's and the package's.
namespace ManagedCuda.VectorTypes;

/// <summary>The extent of a grid in blocks, or of a block in threads; x is the fastest dimension.</summary>
/// <param name="x">Extent in x.</param>
/// <param name="y">Extent in y.</param>
/// <param name="z">Extent in z.</param>
/// <exception cref="OverflowException">One is negative.</exception>
public readonly struct dim3(int x, int y = 1, int z = 1)
{
    /// <summary>Extent in x.</summary>
    public uint x { get; } = checked((uint)x);

    /// <summary>Extent in y.</summary>
    public uint y { get; } = checked((uint)y);

    /// <summary>Extent in z.</summary>
    public uint z { get; } = checked((uint)z);

    /// <summary>(x, 1, 1)</summary>
    /// <param name="x">Extent in x.</param>
    public static implicit operator dim3(int x) => new(x);

    /// <summary>"(x, y, z)"</summary>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"({x}, {y}, {z})");
}
