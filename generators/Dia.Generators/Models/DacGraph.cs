using Dia.Configuration;
using Dia.Generators.Differentiation;
using Dia.Generators.Fusion;
using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Models;

/// <summary>The DAC codec: encoder, residual vector quantizer and decoder of a configuration.</summary>
internal sealed class DacGraph
{
    // Windows need whole tiles of minimal filtering. Longer ones than this are not worth it: the first sound would wait for them, and short windows be long.
    private const int MostFramesOfTile = 2;

    private readonly DacConfig _config;
    private readonly GraphBuilder _encoder = new(), _decoder;
    private readonly bool _training;

    /// <summary>Writes the functions.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="training">
    /// Whether they are to be trained. Then all of them are one after the other: the decoder reads the code vectors that the quantizers chose, which have
    /// the gradients of what they stand for, and the quantizers have their losses.
    /// </param>
    public DacGraph(DacConfig config, bool training = false)
    {
        (_config, _training, _decoder) = (config, training, training ? _encoder : new());
        Value samples = BuildSamples();
        Value?[] vectors = BuildQuantizers(BuildEncoder(samples));
        Value audio = BuildDecoder(vectors);
        if (training)
            Trained = Differentiation.Trained.Of(_encoder, [samples, audio], long.MaxValue);
        else
            (Encoder, Decoder) = (Rewrites.Apply(_encoder.Functions), Rewrites.Apply(_decoder.Functions));
    }

    /// <summary>Samples to latents, latents to codes; in training none.</summary>
    public IReadOnlyList<FunctionGraph> Encoder { get; } = [];

    /// <summary>Codes to samples; in training none.</summary>
    public IReadOnlyList<FunctionGraph> Decoder { get; } = [];

    /// <summary>In training: all functions, and their backward functions.</summary>
    public IReadOnlyList<FunctionGraph> Trained { get; } = [];

    private Value BuildSamples()
    {
        _encoder.Function(Function.CodecEncode);
        _encoder.Stage("Samples", $"1 to {_config.EncoderHiddenSize} channels at the sampling rate.");
        return _encoder.Add(new LoadSamples());
    }

    private Value BuildEncoder(Value x)
    {
        GraphBuilder g = _encoder;
        int channels = _config.EncoderHiddenSize, rowsOfFrame = _config.HopLength;
        x = Convolution(g, x, "encoder.conv1", channels, kernel: 7, padding: 3);
        for (int i = 0; i < _config.DownsamplingRatios.Count; i++)
        {
            string block = $"encoder.block.{i}";
            int stride = _config.DownsamplingRatios[i];
            g.Stage($"Block{i}", $"{block}: stride {stride}, {channels} to {2 * channels} channels.");
            x = Snake(g, ResidualUnits(g, x, block, rowsOfFrame), block + ".snake1");
            channels *= 2;
            rowsOfFrame /= stride;
            x = Convolution(g, x, block + ".conv1", channels, 2 * stride, padding: (stride + 1) / 2, stride: stride);
        }

        g.Stage("Latents", $"{channels} channels to latents of {_config.HiddenSize}.");
        x = Convolution(g, Snake(g, x, "encoder.snake1"), "encoder.conv2", _config.HiddenSize, kernel: 3, padding: 1);
        g.Add(new Observe(x, Observed.Latents, 0));
        return x;
    }

    /// <summary>The nearest code vector of each codebook, its out_proj subtracted from what is left.</summary>
    /// <returns>In training, these vectors.</returns>
    private Value?[] BuildQuantizers(Value residual)
    {
        var vectors = new Value?[_config.NCodebooks];
        GraphBuilder g = _encoder;
        g.Function(Function.CodecQuantize);
        for (int i = 0; i < _config.NCodebooks; i++)
        {
            g.Stage($"Codebook{i:00}", "The nearest code vector to what is left, its out_proj subtracted.", LeastCodebooks(i));
            Value projected = Convolution(g, residual, DacNames.Quantizer(i) + ".in_proj", _config.CodebookDim, kernel: 1);
            g.Add(new Observe(projected, Observed.Projected, i));
            Value codes = g.Add(new NearestCode(projected, Codebook(i), i));
            Value vector = CodeVector(g, codes, i);
            if (_training)
                vector = vectors[i] = StraightThrough(g, projected, vector);
            residual = g.Add(new Subtract(residual, OutProjection(g, vector, i)));
        }

        return vectors;
    }

    /// <summary>A code vector, with its losses, in place of what it is the nearest to.</summary>
    private static Value StraightThrough(GraphBuilder g, Value projected, Value vector)
    {
        g.Add(new MeanSquaredError(projected, vector, QuantizerLoss.Commitment));
        g.Add(new MeanSquaredError(vector, projected, QuantizerLoss.Codebook));
        return g.Add(new StraightThrough(vector, projected));
    }

    private Value BuildDecoder(Value?[] vectors)
    {
        GraphBuilder g = _decoder;
        int channels = _config.DecoderHiddenSize, rowsOfFrame = 1;
        g.Function(Function.CodecDecode);
        Value? x = null;
        for (int i = 0; i < _config.NCodebooks; i++)
        {
            g.Stage($"Codebook{i:00}", $"A code vector through its out_proj{(i == 0 ? "" : ", added")}: latents of {_config.HiddenSize}.",
                LeastCodebooks(i));
            Value vector = OutProjection(g, vectors[i] ?? CodeVector(g, null, i), i);
            x = x is null ? vector : g.Add(new Add(x, vector));
        }

        g.Stage("Latents", $"Latents of {_config.HiddenSize} to {channels} channels.");
        g.Add(new Observe(x!, Observed.Quantized, 0));
        x = Convolution(g, x!, "decoder.conv1", channels, kernel: 7, padding: 3);
        for (int i = 0; i < _config.UpsamplingRatios.Count; i++)
        {
            string block = $"decoder.block.{i}", name = block + ".conv_t1";
            int stride = _config.UpsamplingRatios[i], inputs = channels;
            g.Stage($"Block{i}", $"{block}: stride {stride}, {channels} to {channels / 2} channels.");
            channels /= 2;
            x = Snake(g, x, block + ".snake1");
            x = g.Add(new TransposedConvolution(x, DacNames.TransposedKernel(name, inputs, channels, 2 * stride), DacNames.Bias(name, channels), stride,
                (stride + 1) / 2));
            rowsOfFrame *= stride;
            x = ResidualUnits(g, x, block, rowsOfFrame);
        }

        g.Stage("Samples", $"{channels} channels to samples.");
        x = Convolution(g, Snake(g, x, "decoder.snake1"), "decoder.conv2", 1, kernel: 7, padding: 3);
        x = g.Add(new Tanh(x));
        g.Add(new StoreSamples(x));
        return x;
    }

    /// <summary>Three units: x + conv1(snake(conv7(snake(x)))), dilations 1, 3, 9.</summary>
    private static Value ResidualUnits(GraphBuilder g, Value x, string block, int rowsOfFrame)
    {
        for (int unit = 1, dilation = 1; unit <= 3; unit++, dilation *= 3)
        {
            string name = $"{block}.res_unit{unit}";
            Value y = Snake(g, x, name + ".snake1");
            g.Remark($"res_unit{unit}: x + conv2(snake2(conv1(snake1(x)))), dilation {dilation}");
            int tile = ConvolutionWindow.FilterResults * dilation;
            y = Convolution(g, y, name + ".conv1", x.Width, ConvolutionWindow.FilterTaps, padding: 3 * dilation, dilation: dilation,
                tile: tile <= MostFramesOfTile * rowsOfFrame ? tile : 1);
            y = Convolution(g, Snake(g, y, name + ".snake2"), name + ".conv2", x.Width, kernel: 1);
            x = g.Add(new Add(x, y));
        }

        return x;
    }

    private Parameter Codebook(int quantizer) => DacNames.Codebook(quantizer, _config.CodebookSize, _config.CodebookDim);

    /// <summary>In training all codebooks are in use.</summary>
    private int LeastCodebooks(int quantizer) => _training ? 0 : quantizer + 1;

    private Value CodeVector(GraphBuilder g, Value? codes, int quantizer) => g.Add(new CodeLookup(codes, Codebook(quantizer), quantizer));

    private Value OutProjection(GraphBuilder g, Value vector, int quantizer) =>
        Convolution(g, vector, DacNames.Quantizer(quantizer) + ".out_proj", _config.HiddenSize, kernel: 1);

    private static Value Snake(GraphBuilder g, Value x, string name) => g.Add(new Snake(x, DacNames.Alpha(name, x.Width)));

    private static Value Convolution(GraphBuilder g, Value x, string name, int outputs, int kernel, int padding = 0, int stride = 1, int dilation = 1,
        int tile = 1) =>
        g.Add(new Convolution(x, DacNames.Kernel(name, outputs, x.Width, kernel), DacNames.Bias(name, outputs), padding, stride, dilation, tile));
}
