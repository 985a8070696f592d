using Dia.Configuration;

namespace Dia.Backends.SelfTest;

// The shapes of a compiled model.
public sealed unsafe partial class KernelChecks<TBackend>
{
    // Rows of many-row operations: more than a tile, few enough that the scalar backend is done in seconds.
    private const int ModelRows = 66;

    /// <summary>Every operation at the shapes of a model's encoder and decoder.</summary>
    public void RunModel(DiaConfig config)
    {
        DiaEncoderConfig e = config.EncoderConfig;
        DiaDecoderConfig d = config.DecoderConfig;
        int encoderQueries = e.NumAttentionHeads * e.HeadDim, queries = d.NumAttentionHeads * d.HeadDim, crossQueries = d.CrossNumAttentionHeads * d.CrossHeadDim;
        int keys = d.NumKeyValueHeads * d.HeadDim, crossKeys = d.CrossNumKeyValueHeads * d.CrossHeadDim;

        // Distinct [outputs, inputs] of linear layers.
        HashSet<(int N, int K)> blocks =
        [
            (encoderQueries, e.HiddenSize), (e.NumKeyValueHeads * e.HeadDim, e.HiddenSize), (e.HiddenSize, encoderQueries),
            (2 * e.IntermediateSize, e.HiddenSize), (e.HiddenSize, e.IntermediateSize), (crossKeys, d.CrossHiddenSize),
        ];
        HashSet<(int N, int K)> steps =
        [
            (queries, d.HiddenSize), (keys, d.HiddenSize), (d.HiddenSize, queries), (crossQueries, d.HiddenSize), (d.HiddenSize, crossQueries),
            (2 * d.IntermediateSize, d.HiddenSize), (d.HiddenSize, d.IntermediateSize), (d.NumChannels * d.VocabSize, d.HiddenSize),
        ];
        foreach ((int n, int k) in steps)
            StepLinear(n, k);
        blocks.UnionWith(steps); // prompts
        foreach ((int n, int k) in blocks)
            BlockLinear(n, k, ModelRows);
        foreach (int width in new HashSet<int> { e.HiddenSize, d.HiddenSize })
            Norm(3, width);
        foreach ((int heads, int keyHeads, int headDim) in new HashSet<(int, int, int)>
        {
            (e.NumAttentionHeads, e.NumKeyValueHeads, e.HeadDim), (d.NumAttentionHeads, d.NumKeyValueHeads, d.HeadDim), (d.CrossNumAttentionHeads, d.CrossNumKeyValueHeads, d.CrossHeadDim),
        })
        {
            Rotary(heads, keyHeads, headDim);
            Attention(heads, keyHeads, headDim);
        }
    }

    /// <summary>Every operation at the shapes of a codec.</summary>
    public void RunCodec(DacConfig config)
    {
        const int Kernel = 7;
        HashSet<int> widths = [];
        Convolution(1, config.EncoderHiddenSize, Kernel, 1, 1, ModelRows);
        int width = config.EncoderHiddenSize;
        foreach (int ratio in config.DownsamplingRatios)
        {
            widths.Add(width);
            Convolution(width, 2 * width, 2 * ratio, ratio, 1, ModelRows);
            width *= 2;
        }

        Convolution(width, config.HiddenSize, 3, 1, 1, ModelRows);
        Convolution(config.HiddenSize, config.CodebookDim, 1, 1, 1, ModelRows);
        Codes(config.CodebookSize, config.CodebookDim);
        Convolution(config.CodebookDim, config.HiddenSize, 1, 1, 1, ModelRows);
        Convolution(config.HiddenSize, config.DecoderHiddenSize, Kernel, 1, 1, ModelRows);
        width = config.DecoderHiddenSize;
        foreach (int ratio in config.UpsamplingRatios)
        {
            TransposedConvolution(width, width / 2, ratio);
            width /= 2;
            widths.Add(width);
        }

        foreach (int units in widths)
        {
            foreach (int dilation in (ReadOnlySpan<int>)[1, 3, 9])
                Convolution(units, units, Kernel, 1, dilation, ModelRows);
            Convolution(units, units, 1, 1, 1, ModelRows);
        }

        Convolution(width, 1, Kernel, 1, 1, ModelRows);
    }
}
