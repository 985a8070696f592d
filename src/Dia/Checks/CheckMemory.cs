using Dia.Backends;
using Dia.Backends.Scalar;
using Dia.Graph;
using Dia.IO;
using Dia.Weights;

namespace Dia.Checks;

/// <summary>The same values twice: for the scalar backend in the host's memory, and in a device's.</summary>
/// <param name="host">The host's.</param>
/// <param name="device">The device's.</param>
/// <param name="count">How many values.</param>
internal readonly unsafe struct Mirrored<T>(nint host, nint device, int count)
    where T : unmanaged
{
    public nint Host => host;

    public nint Device => device;

    public int Count => count;

    public T* OnHost => (T*)Host;

    public T* OnDevice => (T*)Device;

    public Span<T> Values => new(OnHost, Count);

    /// <summary>The values from an index on.</summary>
    public Mirrored<T> From(int index) => new(Host + (nint)index * sizeof(T), Device + (nint)index * sizeof(T), Count - index);

    /// <summary>The same memory.</summary>
    public Mirrored<byte> Bytes => new(Host, Device, checked(Count * sizeof(T)));
}

/// <summary>
/// Operands of checks, made from a seed: the same on every machine. Everything is freed together. In the host's memory there are guards around each,
/// which no one may write; a device has tools of its own that see who leaves an allocation.
/// </summary>
/// <param name="backend">The checked backend.</param>
/// <param name="seed">The seed.</param>
/// <param name="unaligned">Whether operands in the host's memory start one value behind an aligned address.</param>
/// <param name="report">Told of guards that were written.</param>
internal sealed unsafe class CheckMemory<TBackend>(TBackend backend, int seed, bool unaligned = false, Action<KernelCheck>? report = null) : IDisposable
    where TBackend : struct, IBackend
{
    private const int Guard = 256;
    private const byte GuardValue = 0xA5;

    private readonly List<(nint Memory, long Bytes)> _host = [];
    private readonly List<nint> _device = [];
    private readonly List<nint> _stored = [];
    private readonly List<(WeightSpec Spec, Weight Weight)> _weights = [];

    public Random Random { get; } = new(seed);

    /// <summary>Values on both sides.</summary>
    public Mirrored<T> Place<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        long bytes = Math.Max(values.Length, 1) * (long)sizeof(T);
        bool shifted = unaligned && sizeof(T) == sizeof(float);
        void* host = Guarded(bytes, shifted), device;
        values.CopyTo(new Span<T>(host, values.Length));
        if (backend.Memory.IsHost)
            device = Guarded(bytes, shifted);
        else
            _device.Add((nint)(device = backend.Memory.Allocate((bytes + 3) / 4)));
        backend.Memory.Upload(device, host, values.Length * (long)sizeof(T));
        return new Mirrored<T>((nint)host, (nint)device, values.Length);
    }

    /// <summary>Random values, uniform from −range to range.</summary>
    public Mirrored<float> Floats(int count, float range = 1, float center = 0) => Place<float>(Numbers(count, range, center));

    /// <summary>The same, starting one value behind an aligned address: no vector load may take it.</summary>
    public Mirrored<float> Unaligned(int count, float range = 1) => Floats(count + 1, range).From(1);

    /// <summary>Random whole numbers from 0 on.</summary>
    public Mirrored<int> Integers(int count, int below)
    {
        int[] values = new int[count];
        for (int i = 0; i < count; i++)
            values[i] = Random.Next(below);
        return Place<int>(values);
    }

    /// <summary>A random weight: as the scalar backend and as the checked one wants it.</summary>
    public (Weight Host, Weight Device) Weight(WeightRole role, WeightFormat format, int[] shape, float range = 1, float center = 0)
    {
        WeightSpec spec = new("check", shape, role);
        return Weight(spec, format, Numbers((int)spec.Count, range, center));
    }

    /// <summary>A weight of given values.</summary>
    public (Weight Host, Weight Device) Weight(WeightSpec spec, WeightFormat format, float[] values)
    {
        StoredWeight stored = Store(format, values);
        return (default(ScalarBackend).Prepare(spec, stored), Prepare(spec, stored));
    }

    /// <summary>Values as a checkpoint holds them.</summary>
    public StoredWeight Store(WeightFormat format, float[] values)
    {
        byte* data = (byte*)HostMemory.AllocateBytes(WeightFormats.Bytes(format, values.Length + 1));
        _stored.Add((nint)data);
        data += unaligned ? WeightFormats.Bytes(format, 1) : 0;
        WeightFormats.Write(values, format, data);
        return new StoredWeight { Data = data, Format = format };
    }

    /// <summary>A random weight of integers: every integer is in it, if it has so many, and the bits behind the values of a row are random too.</summary>
    /// <param name="storage">How they are stored.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="columns">Values of a row.</param>
    /// <param name="scales">The scales, over and over; none: such that values reach from about −1 to 1, of both signs and some 0.</param>
    public (Weight Host, Weight Device) Integers(WeightStorage storage, int rows, int columns, params float[] scales)
    {
        WeightSpec spec = new("check", [rows, columns], WeightRole.Linear);
        StoredWeight stored = StoreIntegers(storage, rows, columns, scales);
        return (default(ScalarBackend).Prepare(spec, stored), Prepare(spec, stored));
    }

    /// <summary>The same as a checkpoint holds it.</summary>
    public StoredWeight StoreIntegers(WeightStorage storage, int rows, int columns, params float[] scales)
    {
        int bytes = checked((int)(rows * storage.RowBytes(columns))), shift = unaligned ? 1 : 0;
        byte* data = (byte*)HostMemory.AllocateBytes(bytes + shift) + shift;
        _stored.Add((nint)(data - shift));
        var integers = new Span<byte>(data, bytes);
        Random.NextBytes(integers);
        for (int i = 0; i < Math.Min(bytes, 256); i++)
            integers[i] = (byte)i;
        float largest = storage.Format == WeightFormat.Int4 ? 8 : 128;
        float[] values = Numbers(rows * storage.Groups(columns), 1 / largest, 0);
        for (int i = 0; i < values.Length; i++)
            values[i] = scales.Length > 0 ? scales[i % scales.Length] : i % 9 == 8 ? 0 : values[i];
        return new StoredWeight { Data = data, Storage = storage, Scales = Store(storage.ScaleFormat, values).Data, Columns = columns };
    }

    /// <summary>A weight as the checked backend wants it.</summary>
    public Weight Prepare(WeightSpec spec, in StoredWeight stored)
    {
        Weight weight = backend.Prepare(spec, stored);
        _weights.Add((spec, weight));
        return weight;
    }

    /// <summary>What the device has of a mirrored.</summary>
    public T[] Download<T>(Mirrored<T> mirrored)
        where T : unmanaged
    {
        T[] values = new T[mirrored.Count];
        fixed (T* to = values)
            backend.Memory.Download(to, mirrored.OnDevice, values.Length * (long)sizeof(T));
        return values;
    }

    /// <summary>Frees the weights made so far: checks of large ones hold one at a time.</summary>
    public void ReleaseWeights()
    {
        foreach ((WeightSpec spec, Weight weight) in _weights)
            backend.Release(spec, weight);
        _weights.Clear();
        foreach (nint data in _stored)
            HostMemory.Free((void*)data);
        _stored.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ReleaseWeights();
        foreach (nint memory in _device)
            backend.Memory.Free((void*)memory);
        bool intact = true;
        foreach ((nint memory, long bytes) in _host)
        {
            intact &= IsIntact((byte*)memory, Guard) && IsIntact((byte*)memory + bytes - Guard, Guard);
            HostMemory.Free((void*)memory);
        }

        if (!intact)
            report?.Invoke(new KernelCheck("memory beside an operand", "", double.PositiveInfinity, 0));
    }

    private static bool IsIntact(byte* guard, int bytes) => !new ReadOnlySpan<byte>(guard, bytes).ContainsAnyExcept(GuardValue);

    /// <summary>Memory of the host between guards.</summary>
    private void* Guarded(long bytes, bool shifted)
    {
        long before = Guard + (shifted ? sizeof(float) : 0), all = before + bytes + Guard;
        byte* memory = (byte*)HostMemory.AllocateBytes(all);
        _host.Add(((nint)memory, all));
        new Span<byte>(memory, (int)before).Fill(GuardValue);
        new Span<byte>(memory + before + bytes, Guard).Fill(GuardValue);
        return memory + before;
    }

    private float[] Numbers(int count, float range, float center)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = center + (Random.NextSingle() * 2 - 1) * range;
        return values;
    }
}
