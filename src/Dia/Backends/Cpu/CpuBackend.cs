using Dia.Graph;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// The processor: SIMD of whatever width the build targets (System.Numerics.Vector) on a fixed number of threads. Results
/// do not depend on that number. Weights must have been through <see cref="Prepare"/>. One operation at a time.
/// </summary>
public readonly unsafe partial struct CpuBackend : ITrainingBackend, IDisposable
{
    private readonly CpuThreads _threads;
    private readonly DeviceMemory? _memory;
    private readonly bool _roundsPrompts;

    /// <summary>A backend with its own threads, which <see cref="Dispose"/> ends.</summary>
    /// <param name="threads">Number of threads, the caller's included; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one thread.</exception>
    public CpuBackend(int threads)
        : this(threads, null)
    {
    }

    /// <summary>The same with other memory than the host's own; null: that.</summary>
    /// <param name="threads">Number of threads.</param>
    /// <param name="memory">The memory.</param>
    /// <param name="roundsPrompts">Whether it rounds in <see cref="Phase.RoundedPrefill"/>, if it can.</param>
    internal CpuBackend(int threads, DeviceMemory? memory, bool roundsPrompts = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        (_threads, _memory) = (new CpuThreads(threads), memory);
        _roundsPrompts = roundsPrompts && BFloat16Products.IsSupported;
    }

    /// <summary>Number of threads.</summary>
    public int Threads => _threads.Count;

    /// <summary>Whether it rounds in <see cref="Phase.RoundedPrefill"/>.</summary>
    internal bool RoundsPrompts => _roundsPrompts;

    /// <summary>Jobs so far that threads shared.</summary>
    internal long Forks => _threads.Forks;

    /// <summary>Parts of these.</summary>
    internal long Parts => _threads.Parts;

    /// <summary>Ends the threads and frees the scratch memory.</summary>
    public void Dispose() => _threads?.Dispose();

    /// <inheritdoc/>
    public DeviceMemory Memory => _memory ?? DeviceMemory.Host;

    /// <summary>
    /// Vectors become float32, padded to whole SIMD vectors; convolution kernels become panels in their stored format, or what is multiplied by minimal
    /// filtering. Linear weights
    /// and tables are used as they are stored: nothing is copied.
    /// </summary>
    public Weight Prepare(WeightSpec spec, in StoredWeight stored)
    {
        if (stored.Storage.IsQuantized)
            return new Weight(stored); // of linear layers alone
        ref readonly CpuFormat kernels = ref CpuFormat.Of(stored.Format);
        switch (spec.Role)
        {
            case WeightRole.Vector:
                int count = checked((int)spec.Count);
                float* values = Memory.Allocate((count + Vector<float>.Count - 1) / Vector<float>.Count * Vector<float>.Count);
                kernels.Widen(values, stored.Data, 0, count);
                return new Weight(values, WeightFormat.Float32);
            case WeightRole.Convolution when spec.IsFiltered:
                return new Weight(kernels.Filter(_threads, Memory, spec, stored.Data), WeightFormat.Float32) { IsFiltered = true };
            case WeightRole.Convolution or WeightRole.TransposedConvolution:
                return new Weight(kernels.Pack(_threads, Memory, spec, stored.Data), stored.Format);
            default:
                return new Weight(stored.Data, stored.Format);
        }
    }

    /// <inheritdoc/>
    public void Release(WeightSpec spec, in Weight weight)
    {
        if (spec.Role is not (WeightRole.Linear or WeightRole.Embedding))
            Memory.Free(weight.Data);
    }

    /// <inheritdoc/>
    public void Embed(float* y, int* ids, in Weight table, int rows, int d) => LookUpCode(y, ids, 1, table, rows, d);

    /// <inheritdoc/>
    public void EmbedSum(float* y, int* ids, in Weight table, int rows, int channels, int vocabulary, int d)
    {
        float* row = (float*)_threads.Scratch(d * (long)sizeof(float), out _);
        for (long r = 0; r < rows; r++)
        {
            for (long c = 0; c < channels; c++)
            {
                long at = (c * vocabulary + ids[r * channels + c]) * d;
                Widen(c == 0 ? y + r * d : row, table, at, d);
                if (c > 0)
                    Elementwise.Run(new Add(y + r * d, row, d), 0, d);
            }
        }
    }

    /// <inheritdoc/>
    public void Linear(float* y, float* x, in Weight w, int rows, int n, int k, Phase phase, bool accumulate)
    {
        MatrixProduct product = new()
        {
            Y = y, YStride = n, X = x, W = (byte*)w.Data, WStride = k, Rows = rows, N = n, K = k, RowStride = k, TapLength = k, Accumulate = accumulate,
        };
        if (w.IsQuantized)
            product.Integers = w.Stored;
        if (w.IsQuantized && phase == Phase.RoundedDecode)
        {
            IntegerLinearJob job = new() { P = product };
            job.Start(_threads);
            return;
        }
        if (phase == Phase.RoundedPrefill && _roundsPrompts && w.Format != WeightFormat.Float32)
        {
            BFloat16LinearJob job = new() { P = product, Format = w.Format };
            job.Start(_threads);
            return;
        }
        ref readonly CpuFormat kernels = ref CpuFormat.Of(w.IsQuantized ? WeightFormat.Float32 : w.Format);
        (phase.IsStep() ? kernels.Decode : kernels.Prefill)(_threads, product);
    }

    /// <inheritdoc/>
    public void Attention(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim, float* maps)
    {
        AttentionCall call = new()
        {
            Y = y, Q = q, Items = batch.Items, ItemCount = batch.Count, MaxKeys = batch.MaxKeys, Format = batch.Format, Layer = layer,
                Heads = heads, KeyHeads = keyHeads, HeadDim = headDim, Maps = maps,
        };
        if (StepAttention.Takes(batch, headDim))
        {
            StepAttention.Run(_threads, call);
            return;
        }
        AttentionJob job = new() { C = call };
        job.Start(_threads);
    }

    /// <inheritdoc/>
    public void Convolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int kernel, int stride, int dilation,
        bool accumulate, float* snake = null, in Weight alpha = default)
    {
        if (w.IsFiltered)
        {
            FilteredConvolutionJob job = new()
            {
                Y = y, X = x, W = (float*)w.Data, Bias = (float*)bias.Data, Inputs = inputs, Outputs = outputs, Dilation = dilation, Accumulate = accumulate,
                Snake = snake, Alpha = (float*)alpha.Data,
            };
            job.Start(_threads, rows);
            return;
        }
        if (outputs == 1 && dilation == 1)
        {
            ConvolveToOne(y, x, w, bias, rows, checked(kernel * inputs), (long)stride * inputs, accumulate);
            if (snake != null)
                Snake(snake, y, alpha, rows, outputs);
            return;
        }
        // Without dilation the window of a row is one contiguous run.
        int tapLength = dilation == 1 ? checked(kernel * inputs) : inputs;
        Convolve(w, new MatrixProduct
        {
            Y = y, YStride = outputs, X = x, Bias = (float*)bias.Data, BiasCount = outputs, Rows = rows, N = outputs, K = (long)kernel * inputs,
            RowStride = (long)stride * inputs, TapLength = tapLength, TapStride = (long)dilation * inputs, Accumulate = accumulate,
            Snake = snake, Alpha = (float*)alpha.Data,
        });
    }

    /// <inheritdoc/>
    public void TransposedConvolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int stride, float* snake = null,
        in Weight alpha = default) =>
        Convolve(w, new MatrixProduct
        {
            Y = y, YStride = (long)stride * outputs, X = x, Bias = (float*)bias.Data, BiasCount = outputs, Rows = rows, N = checked(stride * outputs),
            K = 2L * inputs, RowStride = inputs, TapLength = checked(2 * inputs), TapStride = inputs, Snake = snake, Alpha = (float*)alpha.Data,
        });

    private void ConvolveToOne(float* y, float* x, in Weight w, in Weight bias, int rows, int count, long rowStride, bool accumulate)
    {
        int padded = (count + Vector<float>.Count - 1) / Vector<float>.Count * Vector<float>.Count;
        float* weights = (float*)_threads.Scratch((padded * (long)sizeof(float) + _threads.Count - 1) / _threads.Count, out _);
        new Span<float>(weights, padded).Clear();
        // They are the first column of a panel.
        for (int k = 0; k < count; k++)
            Widen(weights + k, w, (long)k * Gemm.PanelColumns, 1);
        SingleOutputJob job = new()
        {
            Y = y, X = x, RowStride = rowStride, W = weights, Count = count, Bias = bias.IsMissing ? 0 : *(float*)bias.Data,
            Accumulate = accumulate,
        };
        RowParts.Run(_threads, ref job, rows, count);
    }

    private void Convolve(in Weight w, MatrixProduct product)
    {
        product.W = (byte*)w.Data;
        product.WOrder = WeightOrder.Panels;
        CpuFormat.Of(w.Format).Prefill(_threads, product);
    }

    /// <inheritdoc/>
    public void NearestCode(int* codes, int codeStride, float* x, in Weight codebook, int rows, int entries, int d)
    {
        int padded = (entries + Vector<double>.Count - 1) / Vector<double>.Count * Vector<double>.Count;
        long tableBytes = (d + 1L) * padded * sizeof(double);
        byte* scratch = _threads.Scratch((tableBytes + d * sizeof(float) + _threads.Count - 1) / _threads.Count, out _);
        NearestCodeJob job = new()
        {
            Codes = codes, CodeStride = codeStride, X = x, Entries = entries, Width = d, Table = (double*)scratch, Padded = padded,
        };
        new Span<double>(job.Table, (d + 1) * padded).Clear();
        float* row = (float*)(scratch + tableBytes);
        for (int e = 0; e < entries; e++)
        {
            Widen(row, codebook, (long)e * d, d);
            job.Normalise(row, e);
        }
        RowParts.Run(_threads, ref job, rows, (long)entries * d / 4);
    }

    /// <inheritdoc/>
    public void LookUpCode(float* y, int* codes, int codeStride, in Weight codebook, int rows, int d)
    {
        for (long r = 0; r < rows; r++)
            Widen(y + r * d, codebook, (long)codes[r * codeStride] * d, d);
    }

    private static void Widen(float* to, in Weight w, long first, int count) => CpuFormat.Of(w.Format).Widen(to, w.Data, first, count);
}
