namespace Dia.Modeling;

/// <summary>Where the processor reads the matrices of a decoding step. Results do not depend on it.</summary>
public enum WeightPlacement
{
    /// <summary>Where the file is mapped: memory that other processes share, in pages as the system keeps the file.</summary>
    Map,

    /// <summary>In memory of large pages, to which they are copied. Where the system gives none, in small ones.</summary>
    Copy,

    /// <summary>In such a copy where it is faster, will have paid when the rows are made, and fits.</summary>
    Auto,
}
