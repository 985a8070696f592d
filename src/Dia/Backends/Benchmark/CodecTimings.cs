using System.Globalization;
using Dia.Backends.SelfTest;
using Dia.Codec;
using Dia.Configuration;
using Dia.Weights;

namespace Dia.Backends.Benchmark;

/// <summary>Times the operations of the codec's decoder over a window of frames.</summary>
internal sealed unsafe class CodecTimings<TBackend>(TBackend backend, DeviceClock clock, DacModel codec, Action<KernelTiming> report)
    where TBackend : struct, IBackend
{
    // Where a few frames take so long, a whole window would take minutes.
    private const int FewFrames = 4;
    private const double Patience = 0.3;

    private readonly DeviceMemory _memory = backend.Memory;

    /// <summary>Runs all of them.</summary>
    public void Run()
    {
        double few = clock.Time(() => codec.Decode(new int[FewFrames, codec.Codebooks]));
        int frames = few > Patience ? FewFrames : codec.WindowFrames;
        foreach (var group in Operations().GroupBy(o => o.Kind))
        {
            foreach (Operation o in group)
                Time(o, frames);
        }
    }

    /// <summary>Each shape of the decoder once, in order, with how often it occurs.</summary>
    private List<Operation> Operations()
    {
        DacConfig config = codec.Config;
        var found = new Dictionary<(string, int, int, int, int, int), Operation>();
        for (int i = 0; i < codec.Specs.Length; i++)
        {
            WeightSpec spec = codec.Specs[i];
            if (!spec.Name.StartsWith("decoder.", StringComparison.Ordinal) || spec.Name.EndsWith("bias", StringComparison.Ordinal))
                continue;
            WeightFormat format = codec.Weights.Weights[i].Format;
            Weight weight = codec.Network.Weights[i];
            int rate = Rate(config, spec.Name), bias = Array.FindIndex(codec.Specs, s => s.Name == spec.Name.Replace(".weight", ".bias", StringComparison.Ordinal));
            Operation o = spec.Role switch
            {
                WeightRole.Convolution => new("convolution", spec.Shape[1], spec.Shape[0], spec.Shape[2], CodecGeometry.Of(spec).Dilation, rate, format, weight, codec.Network.Weights[bias]),
                WeightRole.TransposedConvolution => new("transposed_convolution", spec.Shape[0], spec.Shape[1], spec.Shape[2] / 2, 1, rate, format, weight, codec.Network.Weights[bias]),
                _ => new("snake", (int)spec.Count, (int)spec.Count, 1, 1, rate, format, weight, weight),
            };
            var key = (o.Kind, o.Inputs, o.Outputs, o.Kernel, o.Dilation, o.Rate);
            found[key] = found.TryGetValue(key, out Operation? same) ? same with { Count = same.Count + 1 } : o;
        }

        return [.. found.Values];
    }

    /// <summary>Rows a frame has where an operation reads: a block's transposed convolution multiplies them.</summary>
    private static int Rate(DacConfig config, string name)
    {
        int rate = 1;
        string[] parts = name.Split('.');
        if (parts[1] != "block")
            return parts[1] == "conv1" ? 1 : config.HopLength;
        int block = int.Parse(parts[2], CultureInfo.InvariantCulture);
        for (int i = 0; i < block; i++)
            rate *= config.UpsamplingRatios[i];
        return parts[3].StartsWith("res_unit", StringComparison.Ordinal) ? rate * config.UpsamplingRatios[block] : rate;
    }

    private void Time(Operation o, int frames)
    {
        int rows = checked(frames * o.Rate), stride = o.Kind == "transposed_convolution" ? o.Kernel : 1;
        int windows = o.Kind == "convolution" ? rows + ((o.Kernel - 1) * o.Dilation) : rows + 1;
        float* x = _memory.Allocate((long)windows * o.Inputs), y = null;
        try
        {
            y = _memory.Allocate((long)rows * stride * o.Outputs);
            Weight weight = o.Weight, bias = o.Bias;
            double seconds = o.Count * clock.Time(() =>
            {
                if (o.Kind == "convolution")
                    backend.Convolution(y, x, weight, bias, rows, o.Inputs, o.Outputs, o.Kernel, 1, o.Dilation, false);
                else if (o.Kind == "snake")
                    backend.Snake(y, x, weight, rows, o.Inputs);
                else
                    backend.TransposedConvolution(y, x, weight, bias, rows, o.Inputs, o.Outputs, stride);
            });
            double taps = o.Kind == "snake" ? 0 : o.Kind == "convolution" ? o.Kernel : 2 * stride;
            double bytes = (((double)windows * o.Inputs) + ((double)rows * stride * o.Outputs)) * sizeof(float);
            bytes += taps * o.Inputs * o.Outputs * WeightFormats.ByteSize(o.Format);
            string sizes = o.Kind == "snake" ? $"[{rows}, {o.Inputs}]" : $"[{rows}, {o.Inputs}, {o.Outputs}] k{(o.Kind == "convolution" ? o.Kernel : 2 * stride)}{(o.Dilation > 1 ? $" d{o.Dilation}" : "")}";
            string name = o.Kind == "snake" ? o.Kind : $"{o.Kind} {o.Format}";
            report(new KernelTiming("codec", name, $"{o.Count} x {sizes}", o.Count * bytes, 2.0 * o.Count * taps * rows * o.Inputs * o.Outputs, seconds));
        }
        finally
        {
            _memory.Free(x);
            _memory.Free(y);
        }
    }

    private sealed record Operation(string Kind, int Inputs, int Outputs, int Kernel, int Dilation, int Rate, WeightFormat Format, Weight Weight, Weight Bias)
    {
        public int Count { get; init; } = 1;
    }
}
