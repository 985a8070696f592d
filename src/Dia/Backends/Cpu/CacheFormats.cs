using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>How attention reads keys and values: caches of one format (<see cref="CacheRows"/>), or copies of their rows.</summary>
internal unsafe interface ICacheFormat
{
    /// <summary>Bytes of a value.</summary>
    static abstract int Size { get; }

    /// <summary>Whether rows come from memory, so that kernels ask for later ones; else they are in the first-level cache.</summary>
    static abstract bool IsAskedFor { get; }

    /// <summary>What the values that are loaded must be multiplied by: a power of two, which goes to the other factor of their products.</summary>
    static abstract float Factor { get; }

    /// <summary>The first half of the 2·Vector.Count values at p.</summary>
    static abstract Vector<float> First(byte* p);

    /// <summary>Their second half.</summary>
    static abstract Vector<float> Second(byte* p);
}

/// <summary><see cref="WeightFormat.Float32"/>.</summary>
internal readonly unsafe struct Float32Cache : ICacheFormat
{
    public static int Size => 4;

    public static bool IsAskedFor => true;

    public static float Factor => 1;

    public static Vector<float> First(byte* p) => Vector.Load((float*)p);

    public static Vector<float> Second(byte* p) => Vector.Load((float*)p + Vector<float>.Count);
}

/// <summary><see cref="WeightFormat.Float16"/>.</summary>
internal readonly unsafe struct Float16Cache : ICacheFormat
{
    public static int Size => 2;

    public static bool IsAskedFor => true;

    public static float Factor => CacheRows.Float16Factor;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> First(byte* p) => CacheRows.Divided(Vector.ShiftLeft(Vector.Load((int*)p), 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Second(byte* p) => CacheRows.Divided(Vector.Load((int*)p));
}

/// <summary>Rows of float32 that were copied to be read many times.</summary>
internal readonly unsafe struct CopiedRows : ICacheFormat
{
    public static int Size => Float32Cache.Size;

    public static bool IsAskedFor => false;

    public static float Factor => Float32Cache.Factor;

    public static Vector<float> First(byte* p) => Float32Cache.First(p);

    public static Vector<float> Second(byte* p) => Float32Cache.Second(p);
}
