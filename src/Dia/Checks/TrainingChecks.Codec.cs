using Dia.Backends;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Checks;

internal sealed unsafe partial class TrainingChecks<TBackend>
{
    /// <summary>Snake's gradients, also where dx is dy.</summary>
    public void Snake(int rows, int channels)
    {
        using CheckMemory<TBackend> memory = checks.Memory(60);
        (Weight host, Weight device) = memory.Weight(WeightRole.Vector, WeightFormat.Float32, [channels], 0.9f, 1.2f);
        Mirrored<float> x = memory.Unaligned(rows * channels, 12), dy = memory.Floats(rows * channels), dx = memory.Floats(rows * channels),
            dalpha = memory.Floats(channels);
        string shapes = Text($"[{rows}, {channels}]");
        foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
        {
            _scalar.SnakeGradient(dx.OnHost, dalpha.OnHost, dy.OnHost, x.OnHost, host, rows, channels, accumulate);
            backend.SnakeGradient(dx.OnDevice, dalpha.OnDevice, dy.OnDevice, x.OnDevice, device, rows, channels, accumulate);

            // sin(2x) to 1e-6 absolute, and the angle αx of up to 25, rounded alike; for α's gradient that times x over the smallest α, 0.3, a sum over
            // the rows.
            checks.Compare($"snake_gradient{(accumulate ? " accumulated" : "")}", shapes, memory.Download(dx), dx.Values, 3e-6);
            checks.Compare("snake_alpha_gradient", shapes, memory.Download(dalpha), dalpha.Values, 2e-5, 12 * Math.Sqrt(rows));
        }

        backend.SnakeGradient(dy.OnDevice, null, dy.OnDevice, x.OnDevice, device, rows, channels, false);
        checks.Compare("snake_gradient in place", shapes, memory.Download(dy), memory.Download(dx), 0);
    }

    /// <summary>The gradients of a convolution: sums over taps and outputs, and over rows.</summary>
    public void Convolution(int inputs, int outputs, int kernel, int stride, int dilation, int rows)
    {
        string shapes = Text($"[{rows}, {inputs}, {outputs}] k{kernel} s{stride} d{dilation}");
        int read = ((rows - 1) * stride + (kernel - 1) * dilation + 1) * inputs, terms = kernel * outputs;
        using CheckMemory<TBackend> memory = checks.Memory(61);
        Mirrored<float> dy = memory.Unaligned(rows * outputs), dx = memory.Floats(read);
        foreach (WeightFormat format in checks.Formats)
        {
            (Weight host, Weight device) = memory.Weight(WeightRole.Convolution, format, [outputs, inputs, kernel]);
            foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
            {
                _scalar.ConvolutionInputGradient(dx.OnHost, dy.OnHost, host, rows, inputs, outputs, kernel, stride, dilation, accumulate);
                backend.ConvolutionInputGradient(dx.OnDevice, dy.OnDevice, device, rows, inputs, outputs, kernel, stride, dilation, accumulate);
                checks.Compare($"convolution_input_gradient{(accumulate ? " accumulated" : "")} {format}", shapes, memory.Download(dx), dx.Values, Sum(terms),
                    Math.Max(1, terms / 4.0));
            }
        }

        Mirrored<float> x = memory.Floats(read), dw = memory.Floats(outputs * inputs * kernel), dbias = memory.Floats(outputs);
        _scalar.ConvolutionWeightGradient(dw.OnHost, dbias.OnHost, dy.OnHost, x.OnHost, rows, inputs, outputs, kernel, stride, dilation);
        backend.ConvolutionWeightGradient(dw.OnDevice, dbias.OnDevice, dy.OnDevice, x.OnDevice, rows, inputs, outputs, kernel, stride, dilation);
        checks.Compare("convolution_weight_gradient", shapes, memory.Download(dw), dw.Values, Sum(rows), Math.Max(1, rows / 4.0));
        checks.Compare("convolution_bias_gradient", shapes, memory.Download(dbias), dbias.Values, Sum(rows), Math.Max(1, rows / 4.0));
        backend.ConvolutionWeightGradient(null, null, dy.OnDevice, x.OnDevice, rows, inputs, outputs, kernel, stride, dilation);
    }

    /// <summary>The gradient of a squared error.</summary>
    public void SquaredError(int count)
    {
        using CheckMemory<TBackend> memory = checks.Memory(63);
        Mirrored<float> x = memory.Unaligned(count), target = memory.Floats(count), dx = memory.Unaligned(count);
        foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
        {
            _scalar.SquaredErrorGradient(dx.OnHost, x.OnHost, target.OnHost, count, 0.7f, accumulate);
            backend.SquaredErrorGradient(dx.OnDevice, x.OnDevice, target.OnDevice, count, 0.7f, accumulate);

            // A difference, a product, a sum, of which each rounds; the operands are below 1.
            checks.Compare($"squared_error_gradient{(accumulate ? " accumulated" : "")}", $"[{count}]", memory.Download(dx), dx.Values, 4 * U);
        }
    }

    /// <summary>The same of a transposed convolution of kernel 2·stride.</summary>
    public void TransposedConvolution(int inputs, int outputs, int stride, int rows = 21)
    {
        string shapes = Text($"[{rows}, {inputs}, {outputs}] s{stride}");
        int terms = 2 * stride * outputs;
        using CheckMemory<TBackend> memory = checks.Memory(62);
        Mirrored<float> dy = memory.Unaligned(rows * stride * outputs), dx = memory.Floats((rows + 1) * inputs), x = memory.Floats((rows + 1) * inputs);
        foreach (WeightFormat format in checks.Formats)
        {
            (Weight host, Weight device) = memory.Weight(WeightRole.TransposedConvolution, format, [inputs, outputs, 2 * stride]);
            _scalar.TransposedConvolutionInputGradient(dx.OnHost, dy.OnHost, host, rows, inputs, outputs, stride);
            backend.TransposedConvolutionInputGradient(dx.OnDevice, dy.OnDevice, device, rows, inputs, outputs, stride);
            checks.Compare("transposed_convolution_input_gradient " + format, shapes, memory.Download(dx), dx.Values, Sum(terms), Math.Max(1, terms / 4.0));
        }

        Mirrored<float> dw = memory.Floats(inputs * terms), dbias = memory.Floats(outputs);
        _scalar.TransposedConvolutionWeightGradient(dw.OnHost, dbias.OnHost, dy.OnHost, x.OnHost, rows, inputs, outputs, stride);
        backend.TransposedConvolutionWeightGradient(dw.OnDevice, dbias.OnDevice, dy.OnDevice, x.OnDevice, rows, inputs, outputs, stride);
        checks.Compare("transposed_convolution_weight_gradient", shapes, memory.Download(dw), dw.Values, Sum(rows), Math.Max(1, rows / 4.0));
        checks.Compare("transposed_convolution_bias_gradient", shapes, memory.Download(dbias), dbias.Values, Sum(rows * stride),
            Math.Max(1, rows * stride / 4.0));
        backend.TransposedConvolutionWeightGradient(null, null, dy.OnDevice, x.OnDevice, rows, inputs, outputs, stride);
    }
}
