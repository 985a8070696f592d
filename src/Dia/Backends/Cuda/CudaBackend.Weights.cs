using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Backends.Cuda;

// Weights on the device.
public readonly unsafe partial struct CudaBackend
{
    /// <summary>
    /// Copies a weight to the device, in the format it is stored in: vectors become float32, convolution kernels get the order in which
    /// their products read them, scales of integers in float16 become float32.
    /// </summary>
    /// <exception cref="DiaException">No memory (Device), or integers have more scales than the kernels count (Model).</exception>
    public Weight Prepare(WeightSpec spec, in StoredWeight stored)
    {
        if (stored.Storage.IsQuantized)
            return PlaceIntegers(spec, stored);
        long bytes = WeightFormats.Bytes(stored.Format, spec.Count);
        if (spec.Role == WeightRole.Vector)
        {
            float[] values = new float[spec.Count];
            WeightFormats.Read(stored.Data, stored.Format, values);
            fixed (float* from = values)
                return new Weight(Place(spec, from, values.Length * (long)sizeof(float)), WeightFormat.Float32);
        }

        return new Weight(spec.Role is WeightRole.Convolution or WeightRole.TransposedConvolution ? Pack(spec, stored, bytes) : Place(spec, stored.Data, bytes),
            stored.Format);
    }

    /// <inheritdoc/>
    public void Release(WeightSpec spec, in Weight weight)
    {
        _device.DeviceMemory.Free(weight.Data);
        _device.DeviceMemory.Free(weight.Stored.Scales);
    }

    private Weight PlaceIntegers(WeightSpec spec, in StoredWeight stored)
    {
        int rows = spec.Shape[0], columns = spec.Columns, count = ScaleCount(spec, stored.Storage);
        byte[] scales = new byte[CudaIntegers.ScaleBytes(stored.Storage, rows, columns)];
        WeightStorage placed = CudaIntegers.Placed(stored.Storage);
        if (placed.ScaleFormat == WeightFormat.Float32)
            WeightFormats.Read(stored.Scales, stored.Storage.ScaleFormat, MemoryMarshal.Cast<byte, float>(scales.AsSpan())[..count]);
        else
            new ReadOnlySpan<byte>(stored.Scales, count * sizeof(ushort)).CopyTo(scales);
        void* values = Place(spec, stored.Data, rows * stored.Storage.RowBytes(columns));
        try
        {
            fixed (byte* from = scales)
                return new Weight(new StoredWeight { Data = values, Storage = placed, Scales = Place(spec, from, scales.Length), Columns = columns });
        }
        catch
        {
            _device.DeviceMemory.Free(values);
            throw;
        }
    }

    private static int ScaleCount(WeightSpec spec, WeightStorage storage)
    {
        long count = (long)spec.Shape[0] * storage.Groups(spec.Columns);
        return count <= Array.MaxLength / sizeof(float) ? (int)count
            : throw new DiaException(DiaErrorKind.Model, $"{spec.Name} has {count} scales, more than a GPU's kernels count. Use --device cpu.");
    }

    private void* Pack(WeightSpec spec, in StoredWeight stored, long bytes)
    {
        // First what stays: what goes again then leaves no gap between weights.
        void* packed = _device.DeviceMemory.AllocateBytes(bytes, $"the weight {spec.Name}"), placed = null;
        try
        {
            placed = Place(spec, stored.Data, bytes);
            bool transposed = spec.Role == WeightRole.TransposedConvolution;
            int outputs = spec.Shape[transposed ? 1 : 0], inputs = spec.Shape[transposed ? 0 : 1], kernel = spec.Shape[2];
            if (transposed)
                Kernels.PackTransposed(stored.Format, CudaKernels.Over(spec.Count), packed, placed, outputs, inputs, kernel / 2);
            else
                Kernels.PackConvolution(stored.Format, CudaKernels.Over(spec.Count), packed, placed, outputs, inputs, kernel);
            return packed;
        }
        catch
        {
            _device.DeviceMemory.Free(packed);
            throw;
        }
        finally
        {
            _device.DeviceMemory.Free(placed);
        }
    }

    private void* Place(WeightSpec spec, void* from, long bytes)
    {
        void* memory = _device.DeviceMemory.AllocateBytes(bytes, $"the weight {spec.Name}");
        try
        {
            _device.DeviceMemory.UploadParallel(memory, from, bytes);
            return memory;
        }
        catch
        {
            _device.DeviceMemory.Free(memory);
            throw;
        }
    }
}
