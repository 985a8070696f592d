using Dia.Backends.Cpu;
using Dia.IO;
using Dia.Weights;

namespace Dia.Checks;

/// <summary>
/// Writes checkpoints of weights that any program can recompute, so that tests and benchmarks at full size need no download.
/// The recipe is that of tests/fixtures/make_full.py: value i of NAME is center + bound·(2u − 1) in float32, rounded to bfloat16;
/// u = the top 24 bits / 2^24 of splitmix64 for the state fnv1a64(NAME) + (i + 1)·0x9E3779B97F4A7C15.
/// </summary>
public static unsafe class CheckpointSynthesizer
{
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private const int Step = 1 << 22;
    private const int Block = 1 << 16;

    /// <summary>Writes a checkpoint: model.safetensors and the given small files.</summary>
    /// <param name="outDir">A folder, made if need be.</param>
    /// <param name="specs">The weights.</param>
    /// <param name="format">BFloat16, or Float32 with the same values.</param>
    /// <param name="texts">The small files by name: config.json, whose dtype is set to the format, and others.</param>
    /// <param name="threads">How many threads compute; −1 for one per core.</param>
    /// <param name="cancellationToken">Looked at every few megabytes; no unfinished file stays.</param>
    /// <exception cref="DiaException">The folder cannot be written (Output), or the format is Float16 (Usage).</exception>
    public static void Write(string outDir, IReadOnlyList<WeightSpec> specs, WeightFormat format, IReadOnlyDictionary<string, string> texts, int threads = -1,
        CancellationToken cancellationToken = default)
    {
        if (format == WeightFormat.Float16)
            throw new DiaException(DiaErrorKind.Usage, "recomputable weights are rounded to bfloat16: write them as bf16 or f32.");
        using var pool = new CpuThreads(threads < 1 ? Environment.ProcessorCount : threads);
        byte* buffer = (byte*)HostMemory.AllocateBytes(WeightFormats.Bytes(format, Step)); // Before anything is written.
        try
        {
            using var folder = new CheckpointWriter(outDir);
            foreach (var (name, text) in texts)
                folder.AddText(name, name == ModelFolder.ConfigName ? ConfigurationText.WithDType(text, format, name) : text);
            WriteTensors(folder, specs, format, buffer, pool, cancellationToken);
            folder.Commit();
        }
        finally
        {
            HostMemory.Free(buffer);
        }
    }

    private static void WriteTensors(
        CheckpointWriter folder, IReadOnlyList<WeightSpec> specs, WeightFormat format, byte* buffer, CpuThreads pool, CancellationToken cancellationToken)
    {
        var byName = specs.ToDictionary(s => s.Name, StringComparer.Ordinal);
        var entries = specs.Select(s => new SafetensorsEntry(s.Name, WeightFormats.Type(format), Array.ConvertAll(s.Shape, d => (long)d)));
        SafetensorsWriter writer = folder.BeginTensors(entries);
        foreach (var entry in writer.Tensors)
        {
            var spec = byName[entry.Name];
            var recipe = Recipe.Of(spec);
            for (long at = 0; at < spec.Count; at += Step)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int count = (int)Math.Min(Step, spec.Count - at);
                var job = new FillJob { Recipe = recipe, First = at, Count = count, Target = buffer, Format = format };
                pool.Run(ref job, (count + Block - 1) / Block);
                writer.Write(entry.Name, new ReadOnlySpan<byte>(buffer, (int)WeightFormats.Bytes(format, count)));
            }
        }
    }

    /// <summary>Values <paramref name="first"/>... of a weight.</summary>
    internal static void Values(WeightSpec spec, long first, Span<float> values) => Recipe.Of(spec).Fill(first, values);

    /// <summary>What distribution a parameter has: uniform in center ± bound, by its name and shape.</summary>
    internal static (float Center, float Bound) Kind(string name, int[] shape)
    {
        if (name.Contains("norm", StringComparison.Ordinal))
            return (1, 0.25f);
        if (name.EndsWith("alpha", StringComparison.Ordinal))
            return (1, 0.5f);
        if (name.EndsWith("bias", StringComparison.Ordinal))
            return (0, 0.0625f);
        if (name.Contains("embed", StringComparison.Ordinal) || name.Contains("codebook", StringComparison.Ordinal))
            return (0, 1);

        // Two taps of a transposed convolution of kernel 2·stride meet in each output.
        long fan = name.Contains("conv_t1", StringComparison.Ordinal) ? shape[0] * 2L : shape.Skip(1).Aggregate(1L, (n, d) => n * d);
        double gain = name.Contains("q_proj", StringComparison.Ordinal) ? 0.25
            : name.Contains("logits_dense", StringComparison.Ordinal) ? 2
            : name == "decoder.conv2.weight" ? 0.125
            : name.Contains("conv", StringComparison.Ordinal) ? 0.5 : 1;
        return (0, (float)(gain * Math.Sqrt(3.0 / fan)));
    }

    /// <summary>What a weight's values are made of: a hash of its name, and its distribution.</summary>
    private readonly record struct Recipe(ulong Hash, float Center, float Bound)
    {
        public static Recipe Of(WeightSpec spec)
        {
            var (center, bound) = Kind(spec.Name, spec.Shape);
            return new Recipe(Fnv1A.Hash(Encoding.UTF8.GetBytes(spec.Name)), center, bound);
        }

        public void Fill(long first, Span<float> values)
        {
            ulong state = Hash + (ulong)first * Golden;
            for (int i = 0; i < values.Length; i++)
            {
                ulong z = state += Golden;
                z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
                z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
                z ^= z >> 31;

                // 24 bits times a power of two, minus 1: exact. Signed, since that conversion is one instruction.
                float u = (int)(z >> 40) * (1f / (1 << 23)) - 1f;

                // Adding a center of 0 changes nothing: u is never -0.
                values[i] = u * Bound + Center;
            }
        }
    }

    private struct FillJob : IParallelJob
    {
        private const int Piece = 1 << 12;

        public Recipe Recipe;
        public long First;
        public int Count;
        public byte* Target;
        public WeightFormat Format;

        public readonly void Run(int part, int thread)
        {
            Span<float> values = stackalloc float[Piece];
            int end = Math.Min(Count, (part + 1) * Block);
            for (int at = part * Block; at < end; at += Piece)
            {
                Span<float> some = values[..Math.Min(Piece, end - at)];
                Recipe.Fill(First + at, some);
                foreach (ref float value in some)
                    value = WeightFormats.FromBFloat16(WeightFormats.ToBFloat16(value));
                WeightFormats.Write(some, Format, Target + WeightFormats.Bytes(Format, at));
            }
        }
    }
}
