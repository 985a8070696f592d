using Dia.Codec;
using Dia.Configuration;

namespace Dia.Generators.Graph;

/// <summary>A codec activation: channels-last rows on a timeline. Each is written once; <see cref="Place"/> names the buffer.</summary>
/// <param name="Index">Number within its graph, in order of computation.</param>
/// <param name="Channels">Values a row.</param>
/// <param name="Timeline">Index of its timeline: frames, samples and the rates between.</param>
/// <param name="Place">Index of the value whose memory this one continues in (its own where it does not work in place).</param>
internal sealed record CodecValue(int Index, int Channels, int Timeline, int Place);

/// <summary>One operation of the codec: y is a new value, x an earlier one.</summary>
internal abstract record CodecOperation(CodecValue Y, CodecValue X)
{
    public abstract IEnumerable<Parameter> Parameters { get; }

    /// <summary>The most rows of x that are needed where <paramref name="count"/> rows of y are.</summary>
    public virtual long InputCount(long count) => count;

    /// <summary>The most rows of y that are computed where <paramref name="count"/> are asked for.</summary>
    public virtual long OutputCount(long count) => count;
}

/// <summary>Snake, in place or not.</summary>
internal sealed record Snake(CodecValue Y, CodecValue X, Parameter Alpha) : CodecOperation(Y, X)
{
    public override IEnumerable<Parameter> Parameters => [Alpha];
}

/// <summary>Convolution; <paramref name="Residual"/>: the value it is added to, in place.</summary>
internal sealed record Convolution(CodecValue Y, CodecValue X, Parameter W, Parameter Bias, int Kernel, int Stride, int Dilation, int Padding, CodecValue? Residual)
    : CodecOperation(Y, X)
{
    public override IEnumerable<Parameter> Parameters => [W, Bias];

    public override long InputCount(long count) => RowRange.ConvolutionInputCount(count, Kernel, Stride, Dilation);
}

/// <summary>Transposed convolution of kernel 2·stride.</summary>
internal sealed record TransposedConvolution(CodecValue Y, CodecValue X, Parameter W, Parameter Bias, int Stride, int Padding) : CodecOperation(Y, X)
{
    public override IEnumerable<Parameter> Parameters => [W, Bias];

    public override long InputCount(long count) => (count / Stride) + 1;

    public override long OutputCount(long count) => RowRange.TransposedGridCount(count, Stride);
}

/// <summary>tanh, in place.</summary>
internal sealed record Tanh(CodecValue Y, CodecValue X) : CodecOperation(Y, X)
{
    public override IEnumerable<Parameter> Parameters => [];
}

/// <summary>One quantizer of the residual vector quantizer.</summary>
internal sealed record Quantizer(Parameter InWeight, Parameter InBias, Parameter Codebook, Parameter OutWeight, Parameter OutBias);

/// <summary>A remark for the reader of the emitted code.</summary>
/// <param name="Operation">Index of the operation it precedes.</param>
/// <param name="Text">The remark.</param>
/// <param name="OpensBlock">Whether it is about a block, not about a unit of one.</param>
internal sealed record CodecTitle(int Operation, string Text, bool OpensBlock);

/// <summary>A chain of operations from one value to another.</summary>
/// <param name="Operations">In order.</param>
/// <param name="Input">What it starts from.</param>
/// <param name="Output">What it ends in.</param>
/// <param name="Titles">Remarks, in order.</param>
internal sealed record CodecChain(IReadOnlyList<CodecOperation> Operations, CodecValue Input, CodecValue Output, IReadOnlyList<CodecTitle> Titles)
{
    /// <summary>Rows of each value (by index) where the output has at most <paramref name="count"/>.</summary>
    public long[] MaximumRows(long count)
    {
        var need = new long[Operations.Count + 1];
        need[Output.Index] = count;
        foreach (CodecOperation operation in Operations.Reverse())
        {
            need[operation.Y.Index] = operation.OutputCount(need[operation.Y.Index]);
            long rows = need[operation.Y.Index];
            need[operation.X.Index] = Math.Max(need[operation.X.Index], operation.InputCount(rows));
            if (operation is Convolution { Residual: { } residual })
                need[residual.Index] = Math.Max(need[residual.Index], rows);
        }

        return need;
    }
}

/// <summary>The codec of a configuration: encoder, residual vector quantizer, decoder.</summary>
internal sealed class DacGraph
{
    public DacGraph(DacConfig config)
    {
        Config = config;
        Encoder = BuildEncoder(config);
        Decoder = BuildDecoder(config);
        Quantizers = Enumerable.Range(0, config.NCodebooks).Select(i => BuildQuantizer(config, i)).ToArray();
    }

    public DacConfig Config { get; }

    /// <summary>Samples [rows, 1] to latents [frames, hidden_size].</summary>
    public CodecChain Encoder { get; }

    /// <summary>Latents [frames, hidden_size] to samples [rows, 1].</summary>
    public CodecChain Decoder { get; }

    public IReadOnlyList<Quantizer> Quantizers { get; }

    /// <summary>Every parameter once.</summary>
    public IEnumerable<Parameter> Parameters =>
        Encoder.Operations.SelectMany(o => o.Parameters)
            .Concat(Quantizers.SelectMany(q => new[] { q.InWeight, q.InBias, q.Codebook, q.OutWeight, q.OutBias }))
            .Concat(Decoder.Operations.SelectMany(o => o.Parameters));

    private static CodecChain BuildEncoder(DacConfig c)
    {
        var chain = new Builder(1);
        int channels = c.EncoderHiddenSize;
        chain.Title($"1 to {channels} channels at the sampling rate");
        chain.Convolution("encoder.conv1", channels, kernel: 7, padding: 3);
        for (int i = 0; i < c.DownsamplingRatios.Count; i++)
        {
            string block = $"encoder.block.{i}";
            int stride = c.DownsamplingRatios[i];
            chain.Title($"{block}: stride {stride}, {channels} to {2 * channels} channels");
            chain.ResidualUnits(block);
            chain.Snake(block + ".snake1.alpha", inPlace: true);
            channels *= 2;
            chain.Convolution(block + ".conv1", channels, 2 * stride, padding: (stride + 1) / 2, stride: stride);
        }

        chain.Title($"{channels} channels to latents of {c.HiddenSize}");
        chain.Snake("encoder.snake1.alpha", inPlace: true);
        chain.Convolution("encoder.conv2", c.HiddenSize, kernel: 3, padding: 1);
        return chain.Build();
    }

    private static CodecChain BuildDecoder(DacConfig c)
    {
        var chain = new Builder(c.HiddenSize);
        int channels = c.DecoderHiddenSize;
        chain.Title($"latents of {c.HiddenSize} to {channels} channels");
        chain.Convolution("decoder.conv1", channels, kernel: 7, padding: 3);
        for (int i = 0; i < c.UpsamplingRatios.Count; i++)
        {
            string block = $"decoder.block.{i}";
            int stride = c.UpsamplingRatios[i];
            chain.Title($"{block}: stride {stride}, {channels} to {channels / 2} channels");
            chain.Snake(block + ".snake1.alpha", inPlace: true);
            channels /= 2;
            chain.TransposedConvolution(block + ".conv_t1", channels, stride, (stride + 1) / 2);
            chain.ResidualUnits(block);
        }

        chain.Title($"{channels} channels to samples");
        chain.Snake("decoder.snake1.alpha", inPlace: true);
        chain.Convolution("decoder.conv2", 1, kernel: 7, padding: 3);
        chain.Tanh();
        return chain.Build();
    }

    private static Quantizer BuildQuantizer(DacConfig c, int index)
    {
        string name = $"quantizer.quantizers.{index}";
        return new Quantizer(
            new Parameter(name + ".in_proj.weight", new([c.CodebookDim, c.HiddenSize, 1]), "Convolution"),
            new Parameter(name + ".in_proj.bias", new([c.CodebookDim]), "Vector"),
            new Parameter(name + ".codebook.weight", new([c.CodebookSize, c.CodebookDim]), "Embedding"),
            new Parameter(name + ".out_proj.weight", new([c.HiddenSize, c.CodebookDim, 1]), "Convolution"),
            new Parameter(name + ".out_proj.bias", new([c.HiddenSize]), "Vector"));
    }

    private sealed class Builder(int channels)
    {
        private readonly List<CodecOperation> _operations = [];
        private readonly List<CodecTitle> _titles = [];
        private readonly CodecValue _input = new(0, channels, 0, 0);
        private CodecValue _last = new(0, channels, 0, 0);
        private int _timelines = 1;

        public void Title(string text, bool opensBlock = true) => _titles.Add(new CodecTitle(_operations.Count, text, opensBlock));

        public void Snake(string alpha, bool inPlace)
        {
            CodecValue y = Next(_last.Channels, _last.Timeline, inPlace ? _last : null);
            Add(new Snake(y, _last, new Parameter(alpha, new([1, _last.Channels, 1]), "Vector")));
        }

        public void Tanh() => Add(new Tanh(Next(_last.Channels, _last.Timeline, _last), _last));

        public void Convolution(string name, int outputs, int kernel, int padding, int stride = 1, int dilation = 1, CodecValue? residual = null)
        {
            CodecValue y = Next(outputs, stride == 1 ? _last.Timeline : _timelines++, residual);
            Add(new Convolution(y, _last, new Parameter(name + ".weight", new([outputs, _last.Channels, kernel]), "Convolution"),
                new Parameter(name + ".bias", new([outputs]), "Vector"), kernel, stride, dilation, padding, residual));
        }

        public void TransposedConvolution(string name, int outputs, int stride, int padding)
        {
            CodecValue y = Next(outputs, _timelines++, null);
            Add(new TransposedConvolution(y, _last, new Parameter(name + ".weight", new([_last.Channels, outputs, 2 * stride]), "TransposedConvolution"),
                new Parameter(name + ".bias", new([outputs]), "Vector"), stride, padding));
        }

        /// <summary>Three units: h += conv1(snake(conv7(snake(h)))), dilations 1, 3, 9.</summary>
        public void ResidualUnits(string block)
        {
            for (int unit = 1, dilation = 1; unit <= 3; unit++, dilation *= 3)
            {
                string name = $"{block}.res_unit{unit}";
                CodecValue residual = _last;
                Title($"res_unit{unit}: x + conv2(snake2(conv1(snake1(x)))), dilation {dilation}", opensBlock: false);
                Snake(name + ".snake1.alpha", inPlace: false);
                Convolution(name + ".conv1", residual.Channels, kernel: 7, padding: 3 * dilation, dilation: dilation);
                Snake(name + ".snake2.alpha", inPlace: true);
                Convolution(name + ".conv2", residual.Channels, kernel: 1, padding: 0, residual: residual);
            }
        }

        public CodecChain Build() => new(_operations, _input, _last, _titles);

        private CodecValue Next(int channels, int timeline, CodecValue? place) =>
            new(_operations.Count + 1, channels, timeline, place?.Place ?? _operations.Count + 1);

        private void Add(CodecOperation operation)
        {
            _operations.Add(operation);
            _last = operation.Y;
        }
    }
}
