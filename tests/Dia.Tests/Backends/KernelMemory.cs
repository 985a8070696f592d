using System.Runtime.InteropServices;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Graph;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>One weight as each backend prepared it.</summary>
internal readonly record struct BothWeights(Weight Cpu, Weight Scalar);

/// <summary>Native arrays with guard values around them, at addresses that no vector size divides, and weights in any format.</summary>
internal sealed unsafe class KernelMemory : IDisposable
{
    private const int Guard = 64;
    private const float GuardValue = 12345.678f;

    private readonly List<(nint Block, int Count)> _floats = [];
    private readonly List<nint> _others = [];
    private readonly List<(CpuBackend Backend, WeightSpec Spec, Weight Weight)> _weights = [];
    private readonly Random _random;

    public KernelMemory(int seed = 1) => _random = new Random(seed);

    /// <summary>Uniform values in [−scale, scale), 4 bytes off any alignment.</summary>
    public float* Random(int count, double scale = 1)
    {
        float* p = Filled(count, 0);
        for (int i = 0; i < count; i++)
            p[i] = (float)((2 * _random.NextDouble() - 1) * scale);
        return p;
    }

    public float* Filled(int count, float value)
    {
        float* block = (float*)NativeMemory.AlignedAlloc((nuint)(count + 2 * Guard + 16) * sizeof(float), 64) + 1;
        _floats.Add(((nint)block, count));
        new Span<float>(block, count + 2 * Guard).Fill(GuardValue);
        new Span<float>(block + Guard, count).Fill(value);
        return block + Guard;
    }

    public float* Copy(float* from, int count)
    {
        float* p = Filled(count, 0);
        new Span<float>(from, count).CopyTo(new Span<float>(p, count));
        return p;
    }

    public float* Absolute(float* from, int count)
    {
        float* p = Copy(from, count);
        for (int i = 0; i < count; i++)
            p[i] = MathF.Abs(p[i]);
        return p;
    }

    public int* Integers(int count, int below)
    {
        int* p = (int*)NativeMemory.Alloc((nuint)Math.Max(1, count) * sizeof(int));
        _others.Add((nint)p);
        for (int i = 0; i < count; i++)
            p[i] = _random.Next(below);
        return p;
    }

    /// <summary>A weight of random values, its 16-bit formats 2 bytes off alignment, prepared for the CPU backend and the scalar one.</summary>
    public BothWeights Weight(CpuBackend backend, WeightFormat format, WeightRole role, double scale, params int[] shape) =>
        Stored(backend, format, role, Random(Count(shape), scale), shape);

    /// <summary>The same from given values, rounded to the format.</summary>
    public BothWeights Stored(CpuBackend backend, WeightFormat format, WeightRole role, float* values, params int[] shape)
    {
        int count = Count(shape);
        byte* data = (byte*)NativeMemory.Alloc((nuint)count * 4 + 16);
        _others.Add((nint)data);
        StoredWeight w = new() { Data = data + (format == WeightFormat.Float32 ? 4 : 2), Format = format };
        for (int i = 0; i < count; i++)
        {
            if (format == WeightFormat.Float32)
                ((float*)w.Data)[i] = values[i];
            else if (format == WeightFormat.BFloat16)
                ((ushort*)w.Data)[i] = (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16);
            else
                ((Half*)w.Data)[i] = (Half)values[i];
        }
        WeightSpec spec = new("w", shape, role);
        Weight prepared = backend.Prepare(spec, w);
        _weights.Add((backend, spec, prepared));
        return new BothWeights(prepared, default(ScalarBackend).Prepare(spec, w));
    }

    /// <summary>The absolute values of the scalar backend's weight, as float32, for error bounds with that backend.</summary>
    public Weight Absolute(in Weight w, int count)
    {
        float* p = Filled(count, 0);
        int* ids = Integers(1, 1);
        ScalarBackend scalar = default;
        scalar.Embed(p, ids, w, 1, count);
        return scalar.Prepare(new WeightSpec("w", [count], WeightRole.Linear), new StoredWeight { Data = Absolute(p, count), Format = WeightFormat.Float32 });
    }

    private static int Count(int[] shape) => (int)new WeightSpec("w", shape, WeightRole.Linear).Count;

    public void Dispose()
    {
        foreach ((CpuBackend backend, WeightSpec spec, Weight weight) in _weights)
            backend.Release(spec, weight);
        bool intact = true;
        foreach ((nint block, int count) in _floats)
        {
            Span<float> all = new((void*)block, count + 2 * Guard);
            intact &= !all[..Guard].ContainsAnyExcept(GuardValue) && !all[(Guard + count)..].ContainsAnyExcept(GuardValue);
            NativeMemory.AlignedFree((float*)block - 1);
        }
        foreach (nint p in _others)
            NativeMemory.Free((void*)p);
        Assert.True(intact, "values outside an array were written");
    }

    /// <summary>Equal within tolerance[i] (absolute) or relative·|expected|; NaN equals NaN, infinities must agree.</summary>
    public static void Close(float* expected, float* actual, int count, double relative, double absolute, float* magnitude = null)
    {
        for (int i = 0; i < count; i++)
        {
            if (float.IsNaN(expected[i]) ? float.IsNaN(actual[i]) : expected[i] == actual[i])
                continue;
            double allowed = absolute + relative * Math.Abs(magnitude == null ? expected[i] : magnitude[i]);
            Assert.True(Math.Abs((double)expected[i] - actual[i]) <= allowed, $"value {i} of {count}: expected {expected[i]:R}, got {actual[i]:R}, allowed {allowed:R}");
        }
    }

    public static void Same(float* expected, float* actual, long count) =>
        Assert.True(new Span<int>(expected, (int)count).SequenceEqual(new Span<int>(actual, (int)count)), "not the same bits");
}
