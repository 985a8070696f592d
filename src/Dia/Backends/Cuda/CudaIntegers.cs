using Dia.Weights;

namespace Dia.Backends.Cuda;

/// <summary>Integers with scales on the device, as the kernels are given them (Kernels/integers.h).</summary>
/// <param name="weight">A weight of integers as <see cref="CudaBackend.Prepare"/> made it.</param>
internal readonly unsafe struct CudaIntegers(in Weight weight)
{
    private readonly StoredWeight _weight = weight.Stored;

    public WeightFormat Format => _weight.Format;

    public void* Values => _weight.Data;

    public void* Scales => _weight.Scales;

    public int NarrowScales => _weight.Storage.ScaleFormat == WeightFormat.BFloat16 ? 1 : 0;

    public int RowBytes => checked((int)_weight.Storage.RowBytes(_weight.Columns));

    public int Group => _weight.Storage.Group == 0 ? _weight.Columns : _weight.Storage.Group;

    public int Groups => _weight.Storage.Groups(_weight.Columns);

    /// <summary>Turns the sign bits of two's complement around: each byte is its value + 128 then, as of the other formats.</summary>
    public int Flip => _weight.Format == WeightFormat.Int8 ? unchecked((int)0x80808080) : 0;

    /// <summary>How the device holds scales: as float32, or bfloat16 where they were that.</summary>
    public static WeightStorage Placed(WeightStorage storage) =>
        storage with { ScaleFormat = storage.ScaleFormat == WeightFormat.BFloat16 ? WeightFormat.BFloat16 : WeightFormat.Float32 };

    /// <summary>Bytes of all scales on the device: whole words, as the kernels read them.</summary>
    public static long ScaleBytes(WeightStorage storage, int rows, int columns) => checked((rows * Placed(storage).ScaleBytes(columns) + 3) / 4 * 4);
}
