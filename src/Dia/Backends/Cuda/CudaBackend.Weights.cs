using Dia.Weights;
using ManagedCuda;

namespace Dia.Backends;

// Weights on the device.
public readonly unsafe partial struct CudaBackend
{
    /// <summary>
    /// Copies a weight to the device, in the format it is stored in: vectors become float32, convolution kernels get the order in which
    /// their products read them. Packed is its device address.
    /// </summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Prepare(WeightSpec spec, ref Weight weight)
    {
        int bytes = WeightFormats.ByteSize(weight.Format);
        if (spec.Role == WeightRole.Vector)
        {
            float[] values = new float[spec.Count];
            WeightFormats.Read(weight.Data, weight.Format, values);
            fixed (float* from = values)
                weight.Packed = Place(spec, from, values.Length * (long)sizeof(float));
            return;
        }

        if (spec.Role is not (WeightRole.Convolution or WeightRole.TransposedConvolution))
        {
            weight.Packed = Place(spec, weight.Data, spec.Count * bytes);
            return;
        }

        // First what stays: what goes again then leaves no gap between weights.
        weight.Packed = _device.DeviceMemory.AllocateBytes(spec.Count * bytes, $"the weight {spec.Name}");
        void* stored = Place(spec, weight.Data, spec.Count * bytes);
        try
        {
            bool transposed = spec.Role == WeightRole.TransposedConvolution;
            KernelArguments a = Pointers(weight.Packed, stored);
            a.Add(spec.Shape[transposed ? 1 : 0]); // outputs
            a.Add(spec.Shape[transposed ? 0 : 1]); // inputs
            a.Add(transposed ? spec.Shape[2] / 2 : spec.Shape[2]);
            _device.Launch((transposed ? Kernels.PackTransposed : Kernels.PackConvolution)[(int)weight.Format], Blocks(spec.Count), Threads, a);
        }
        finally
        {
            _device.DeviceMemory.Free(stored);
        }
    }

    /// <inheritdoc/>
    public void Release(WeightSpec spec, ref Weight weight)
    {
        _device.DeviceMemory.Free(weight.Packed);
        weight.Packed = null;
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
