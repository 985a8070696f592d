#pragma warning disable IDE1006, CS8981 // The names are CUDA's and the package's.
namespace ManagedCuda.VectorTypes;

/// <summary>The extent of a grid in blocks, or of a block in threads.</summary>
public struct dim3
{
    /// <summary>Extent in x, the fastest dimension.</summary>
    public uint x;

    /// <summary>Extent in y.</summary>
    public uint y;

    /// <summary>Extent in z.</summary>
    public uint z;

    /// <summary>An extent.</summary>
    /// <param name="x">Extent in x.</param>
    /// <param name="y">Extent in y.</param>
    /// <param name="z">Extent in z.</param>
    public dim3(uint x, uint y = 1, uint z = 1)
    {
        this.x = x;
        this.y = y;
        this.z = z;
    }

    /// <summary>An extent.</summary>
    /// <param name="x">Extent in x.</param>
    /// <param name="y">Extent in y.</param>
    /// <param name="z">Extent in z.</param>
    /// <exception cref="OverflowException">One is negative.</exception>
    public dim3(int x, int y = 1, int z = 1)
        : this(checked((uint)x), checked((uint)y), checked((uint)z))
    {
    }

    /// <summary>(x, 1, 1)</summary>
    /// <param name="x">Extent in x.</param>
    public static implicit operator dim3(int x) => new(x);

    /// <summary>"(x, y, z)"</summary>
    public override readonly string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"({x}, {y}, {z})");
}
