using Dia.IO;

namespace Dia.Backends;

/// <summary>
/// The memory of a device, for code that is not compiled per backend: passes, caches, results. Everything happens in the order of the
/// calls, after the operations that the device was given before. Its pointers are trusted.
/// </summary>
public abstract unsafe class DeviceMemory
{
    /// <summary>The host's own memory: what the processor's backends compute in.</summary>
    public static DeviceMemory Host { get; } = new OfHost();

    /// <summary>Whether the device computes in the host's memory, so that what is there need not be copied.</summary>
    public abstract bool IsHost { get; }

    /// <summary>Zeroed memory for <paramref name="count"/> float32 values, aligned to 64 bytes.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public abstract float* Allocate(long count);

    /// <summary>Frees what <see cref="Allocate"/> gave; null is ignored.</summary>
    public abstract void Free(void* memory);

    /// <summary>Copies host memory to the device; the host's may be changed as soon as this returns.</summary>
    /// <param name="to">Device memory.</param>
    /// <param name="from">Host memory.</param>
    /// <param name="bytes">How much.</param>
    public abstract void Upload(void* to, void* from, long bytes);

    /// <summary>Copies device memory to the host; the bytes are there when this returns.</summary>
    /// <param name="to">Host memory.</param>
    /// <param name="from">Device memory.</param>
    /// <param name="bytes">How much.</param>
    public abstract void Download(void* to, void* from, long bytes);

    /// <summary>Zeroes device memory.</summary>
    public abstract void Zero(float* memory, long count);

    /// <summary>Copies device values to the host.</summary>
    public void Download(Span<float> to, float* from)
    {
        fixed (float* target = to)
            Download(target, from, to.Length * (long)sizeof(float));
    }

    /// <summary>Copies host values to the device.</summary>
    public void Upload(float* to, ReadOnlySpan<float> from)
    {
        fixed (float* source = from)
            Upload(to, source, from.Length * (long)sizeof(float));
    }

    /// <summary>Values for the host to read: where they lie, if that is the host's memory, else in one copy.</summary>
    public ReadOnlySpan<float> Read(float* from, int count)
    {
        if (IsHost)
            return new(from, count);
        float[] copy = new float[count];
        Download(copy, from);
        return copy;
    }

    /// <summary>Device memory with these bytes in it, padded to whole float32 values.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public byte* Place(ReadOnlySpan<byte> bytes)
    {
        byte* memory = (byte*)Allocate((bytes.Length + 3L) / 4);
        try
        {
            fixed (byte* from = bytes)
                Upload(memory, from, bytes.Length);
            return memory;
        }
        catch
        {
            Free(memory);
            throw;
        }
    }

    private sealed class OfHost : DeviceMemory
    {
        public override bool IsHost => true;

        public override float* Allocate(long count) => HostMemory.Allocate(count);

        public override void Free(void* memory) => HostMemory.Free(memory);

        public override void Upload(void* to, void* from, long bytes) => Buffer.MemoryCopy(from, to, bytes, bytes);

        public override void Download(void* to, void* from, long bytes) => Buffer.MemoryCopy(from, to, bytes, bytes);

        public override void Zero(float* memory, long count)
        {
            for (; count > int.MaxValue; count -= int.MaxValue, memory += int.MaxValue)
                new Span<float>(memory, int.MaxValue).Clear();
            new Span<float>(memory, (int)count).Clear();
        }
    }
}
