using Dia.IO;

namespace Dia.Backends;

/// <summary>
/// Small arrays that the host writes and the device reads (ids, positions, attention items), in one block so that one copy sends them all. Where
/// the device computes in the host's memory, both sides are the same.
/// </summary>
internal sealed unsafe class DeviceBlock : IDisposable
{
    private readonly DeviceMemory _memory;
    private readonly long[] _offsets;
    private readonly byte* _host;
    private readonly byte* _device;

    /// <summary>Zeroed arrays of so many bytes each.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public DeviceBlock(DeviceMemory memory, params ReadOnlySpan<long> sizes)
    {
        _memory = memory;
        _offsets = new long[sizes.Length + 1];
        for (int i = 0; i < sizes.Length; i++)
            _offsets[i + 1] = _offsets[i] + RoundUp(sizes[i]);
        _host = (byte*)HostMemory.AllocateBytes(Bytes);
        try
        {
            _device = memory.IsHost ? _host : (byte*)memory.Allocate(Bytes / sizeof(float));
        }
        catch
        {
            HostMemory.Free(_host);
            throw;
        }
    }

    private long Bytes => _offsets[^1];

    /// <summary>Bytes of a block of arrays of so many bytes each.</summary>
    public static long Size(params ReadOnlySpan<long> sizes)
    {
        long bytes = 0;
        foreach (long size in sizes)
            bytes += RoundUp(size);
        return bytes;
    }

    /// <summary>An array where the host writes it.</summary>
    public T* Host<T>(int index)
        where T : unmanaged => (T*)(_host + _offsets[index]);

    /// <summary>The same array where the device reads it.</summary>
    public T* Device<T>(int index)
        where T : unmanaged => (T*)(_device + _offsets[index]);

    /// <summary>Makes the device see what the host wrote.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Send()
    {
        if (_host != _device)
            _memory.Upload(_device, _host, Bytes);
    }

    private static long RoundUp(long size) => (size + 15) & ~15L;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_device != _host)
            _memory.Free(_device);
        HostMemory.Free(_host);
    }
}
