using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Dia.Graph;
using Dia.IO;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>Weight panels of <see cref="GemmJob{TFormat}"/>: [k][Gemm.PanelColumns], the last one filled up with zero columns.</summary>
internal static unsafe class GemmPanels
{
    /// <summary>The panel of rows column.. of weights [n, count] that lie <paramref name="stride"/> apart.</summary>
    public static void FromRows<TFormat>(float* panel, byte* w, int column, int n, int count, long stride)
        where TFormat : struct, IStoredFormat
    {
        for (int c = 0; c < Gemm.PanelColumns; c += 8)
            Transpose<TFormat>(panel + c, Gemm.PanelColumns, w + (column + c) * stride * TFormat.Size, stride, Math.Clamp(n - column - c, 0, 8), count);
    }

    /// <summary>A panel's row: that many columns of a row of weights, or as many as it has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CopyColumns<TFormat>(float* panel, byte* w, int columns)
        where TFormat : struct, IStoredFormat
    {
        if (columns >= Gemm.PanelColumns)
        {
            TFormat.Load(w, out Vector<float> first, out Vector<float> second);
            VectorMath.StorePair(panel, first, second);
            return;
        }
        for (int j = 0; j < Gemm.PanelColumns; j++)
            panel[j] = j < columns ? TFormat.Read(w + j * TFormat.Size) : 0;
    }

    /// <summary>The panel of positions column.. of <see cref="WeightOrder.PanelColumns"/>, for their columns k .. k + count.</summary>
    public static void FromPanels<TFormat>(float* panel, byte* w, int column, int n, long k, int count, long positions)
        where TFormat : struct, IStoredFormat
    {
        // k begins at a whole panel: a block of k is a number of them.
        int width = Gemm.PanelColumns;
        for (int i = 0; i < count; i += width)
            FromRows<TFormat>(panel + i * width, w + (k + i) * positions * TFormat.Size, column, n, Math.Min(width, count - i), width);
    }

    /// <summary>
    /// to[i, j] = from[j, i] for <paramref name="rows"/> (at most 8) rows of <paramref name="count"/> values; zeros fill up to eight columns.
    /// </summary>
    public static void Transpose<TFormat>(float* to, int toStride, byte* from, long fromStride, int rows, int count)
        where TFormat : struct, IStoredFormat
    {
        int i = 0;
        if (rows == 8 && Avx.IsSupported)
        {
            // Two values of 16 bits are moved as one.
            for (; TFormat.Size == 2 && i <= count - 16; i += 16)
                TransposePairs<TFormat>(to + (long)i * toStride, toStride, from + (long)i * TFormat.Size, fromStride * TFormat.Size);
            for (; i <= count - 8; i += 8)
                Transpose8<TFormat>(to + (long)i * toStride, toStride, from + (long)i * TFormat.Size, fromStride * TFormat.Size);
        }
        for (; i < count; i++)
        {
            for (int j = 0; j < 8; j++)
                to[(long)i * toStride + j] = j < rows ? TFormat.Read(from + (j * fromStride + i) * TFormat.Size) : 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose8<TFormat>(float* to, int toStride, byte* from, long stride)
        where TFormat : struct, IStoredFormat
    {
        Vector256<float> r0 = TFormat.Load8(from), r1 = TFormat.Load8(from + stride);
        Vector256<float> r2 = TFormat.Load8(from + 2 * stride), r3 = TFormat.Load8(from + 3 * stride);
        Vector256<float> r4 = TFormat.Load8(from + 4 * stride), r5 = TFormat.Load8(from + 5 * stride);
        Vector256<float> r6 = TFormat.Load8(from + 6 * stride), r7 = TFormat.Load8(from + 7 * stride);
        Transpose8(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        long c = toStride;
        r0.Store(to);
        r1.Store(to + c);
        r2.Store(to + 2 * c);
        r3.Store(to + 3 * c);
        r4.Store(to + 4 * c);
        r5.Store(to + 5 * c);
        r6.Store(to + 6 * c);
        r7.Store(to + 7 * c);
    }

    // Sixteen values of eight rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposePairs<TFormat>(float* to, int toStride, byte* from, long stride)
        where TFormat : struct, IStoredFormat
    {
        Vector256<float> r0 = Vector256.Load((float*)from), r1 = Vector256.Load((float*)(from + stride));
        Vector256<float> r2 = Vector256.Load((float*)(from + 2 * stride)), r3 = Vector256.Load((float*)(from + 3 * stride));
        Vector256<float> r4 = Vector256.Load((float*)(from + 4 * stride)), r5 = Vector256.Load((float*)(from + 5 * stride));
        Vector256<float> r6 = Vector256.Load((float*)(from + 6 * stride)), r7 = Vector256.Load((float*)(from + 7 * stride));
        Transpose8(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        long c = 2L * toStride;
        StoreSplit<TFormat>(r0, to, toStride);
        StoreSplit<TFormat>(r1, to + c, toStride);
        StoreSplit<TFormat>(r2, to + 2 * c, toStride);
        StoreSplit<TFormat>(r3, to + 3 * c, toStride);
        StoreSplit<TFormat>(r4, to + 4 * c, toStride);
        StoreSplit<TFormat>(r5, to + 5 * c, toStride);
        StoreSplit<TFormat>(r6, to + 6 * c, toStride);
        StoreSplit<TFormat>(r7, to + 7 * c, toStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreSplit<TFormat>(Vector256<float> words, float* to, int toStride)
        where TFormat : struct, IStoredFormat
    {
        TFormat.Split(words.AsUInt32(), out Vector256<float> lower, out Vector256<float> upper);
        lower.Store(to);
        upper.Store(to + toStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose8(ref Vector256<float> r0, ref Vector256<float> r1, ref Vector256<float> r2, ref Vector256<float> r3,
        ref Vector256<float> r4, ref Vector256<float> r5, ref Vector256<float> r6, ref Vector256<float> r7)
    {
        // Pairs of rows, then pairs of pairs (64 bits), then the 128-bit halves.
        Vector256<double> p0 = Avx.UnpackLow(r0, r1).AsDouble(), p1 = Avx.UnpackHigh(r0, r1).AsDouble();
        Vector256<double> p2 = Avx.UnpackLow(r2, r3).AsDouble(), p3 = Avx.UnpackHigh(r2, r3).AsDouble();
        Vector256<double> p4 = Avx.UnpackLow(r4, r5).AsDouble(), p5 = Avx.UnpackHigh(r4, r5).AsDouble();
        Vector256<double> p6 = Avx.UnpackLow(r6, r7).AsDouble(), p7 = Avx.UnpackHigh(r6, r7).AsDouble();
        r0 = Avx.UnpackLow(p0, p2).AsSingle();
        r1 = Avx.UnpackHigh(p0, p2).AsSingle();
        r2 = Avx.UnpackLow(p1, p3).AsSingle();
        r3 = Avx.UnpackHigh(p1, p3).AsSingle();
        r4 = Avx.UnpackLow(p4, p6).AsSingle();
        r5 = Avx.UnpackHigh(p4, p6).AsSingle();
        r6 = Avx.UnpackLow(p5, p7).AsSingle();
        r7 = Avx.UnpackHigh(p5, p7).AsSingle();
        Halves(ref r0, ref r4);
        Halves(ref r1, ref r5);
        Halves(ref r2, ref r6);
        Halves(ref r3, ref r7);
    }

    // The lower halves of both, and the upper.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Halves(ref Vector256<float> a, ref Vector256<float> b)
    {
        Vector256<float> lower = Avx.Permute2x128(a, b, 0x20);
        b = Avx.Permute2x128(a, b, 0x31);
        a = lower;
    }
}

/// <summary>
/// Lays out a convolution's kernel as panels in its stored format, k counting taps, then inputs. A transposed convolution of kernel
/// 2s and stride s is a convolution of two taps with s·outputs columns p·outputs + o: tap 0 has w[i, o, p + s], tap 1 has w[i, o, p].
/// </summary>
internal unsafe struct PackJob<T> : IParallelJob
    where T : unmanaged
{
    // Cache lines that columns are written to in turn.
    private const int MostLines = 256;

    public T* From;
    public T* To;
    public int Inputs;
    public int Outputs;
    public int Kernel;
    public bool Transposed;

    /// <summary>Packs a kernel into memory of its own.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static void* Pack(CpuThreads threads, DeviceMemory memory, WeightSpec spec, void* from)
    {
        bool transposed = spec.Role == WeightRole.TransposedConvolution;
        PackJob<T> job = new()
        {
            From = (T*)from,
            Outputs = spec.Shape[transposed ? 1 : 0],
            Inputs = spec.Shape[transposed ? 0 : 1],
            Kernel = spec.Shape[2],
            Transposed = transposed,
        };
        int panels = Gemm.Panels(job.Columns);
        long bytes = (long)panels * job.Taps * job.Inputs * Gemm.PanelColumns * sizeof(T);
        job.To = (T*)memory.Allocate((bytes + 3) / 4);
        LargePages.AskToFill(job.To, bytes);
        try
        {
            threads.Run(ref job, panels);
            return job.To;
        }
        catch
        {
            memory.Free(job.To);
            throw;
        }
    }

    /// <summary>Columns of the product.</summary>
    public readonly int Columns => Transposed ? Outputs * (Kernel / 2) : Outputs;

    /// <summary>Taps of the product.</summary>
    public readonly int Taps => Transposed ? 2 : Kernel;

    /// <summary>Packs one panel.</summary>
    public readonly void Run(int part, int thread)
    {
        int first = part * Gemm.PanelColumns, count = Math.Min(Gemm.PanelColumns, Columns - first);
        T* panel = To + (long)part * Taps * Inputs * Gemm.PanelColumns;
        if (Transposed)
            PackTransposed(panel, first, count);
        else
            PackForward(panel, first, count);
    }

    // A column's values lie in order of inputs, then taps; they go to one line each, so lines of few inputs, which stay in the cache, get all columns.
    private readonly void PackForward(T* panel, int first, int count)
    {
        int width = Gemm.PanelColumns, block = Math.Max(1, MostLines / Kernel);
        long tapStride = (long)Inputs * width;
        for (int start = 0; start < Inputs; start += block)
        {
            int end = Math.Min(start + block, Inputs);
            for (int j = 0; j < count; j++)
            {
                T* from = From + ((long)(first + j) * Inputs + start) * Kernel;
                for (int i = start; i < end; i++)
                {
                    T* to = panel + (long)i * width + j;
                    for (int t = 0; t < Kernel; t++, to += tapStride)
                        *to = *from++;
                }
            }
        }
    }

    private readonly void PackTransposed(T* panel, int first, int count)
    {
        int width = Gemm.PanelColumns, stride = Kernel / 2;
        int* columns = stackalloc int[width];
        for (int j = 0; j < count; j++)
            columns[j] = (first + j) % Outputs * Kernel + (first + j) / Outputs;
        T* current = panel + (long)Inputs * width;
        for (int i = 0; i < Inputs; i++, panel += width, current += width)
        {
            T* from = From + (long)i * Outputs * Kernel;
            for (int j = 0; j < count; j++)
            {
                panel[j] = from[columns[j] + stride];
                current[j] = from[columns[j]];
            }
        }
    }
}
