using Dia.Backends;
using Dia.Configuration;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Codec;

/// <summary>The DAC codec of a checkpoint: samples to codes and back, in windows of bounded memory; one call at a time.</summary>
public sealed unsafe class DacModel : IAudioCodec, IDisposable
{
    private readonly LoadedWeights _weights;
    private readonly WeightSpec[] _specs;
    private readonly DacNetwork _network;
    private float* _arena;

    private DacModel(DacConfig config, LoadedWeights weights, WeightSpec[] specs, DacNetwork network)
    {
        Config = config;
        _weights = weights;
        _specs = specs;
        _network = network;
        for (int i = 0; i < specs.Length; i++)
            network.Prepare(specs[i], i);
    }

    /// <summary>Its configuration.</summary>
    public DacConfig Config { get; }

    /// <inheritdoc/>
    public int SamplingRate => Config.SamplingRate;

    /// <inheritdoc/>
    public int HopLength => Config.HopLength;

    /// <inheritdoc/>
    public int Codebooks => Config.NCodebooks;

    /// <summary>Loads a codec's checkpoint (plain weights or weight-norm pairs).</summary>
    /// <param name="folder">The codec's folder: config.json, model.safetensors.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <exception cref="DiaException">Model: missing, malformed, or no compiled codec fits.</exception>
    public static DacModel FromPretrained(ModelFolder folder, IEnumerable<CompiledModel> models, Device device, ICollection<string>? warnings = null)
    {
        DacConfig config = ModelCatalog.ReadCodecConfig(folder, warnings);
        CompiledModel compiled = ModelCatalog.FindCodec(models, config, folder.Description);
        WeightSpec[] specs = compiled.CodecWeights();
        LoadedWeights weights = LoadedWeights.Load(folder, specs);
        return new DacModel(config, weights, specs, compiled.CreateCodec(device, weights.Weights)!);
    }

    /// <summary>Samples to codes [frames, codebooks]. Nothing is padded: frames follow from the strides (numerics.md).</summary>
    public int[,] Encode(ReadOnlySpan<float> samples) => Encode(samples, null, out _);

    /// <summary>Samples to codes [frames, quantizers], and what lies between.</summary>
    /// <param name="samples">Mono, at the codec's rate.</param>
    /// <param name="quantizers">How many of the first quantizers to use; null: all.</param>
    /// <param name="trace">The latents and projections.</param>
    /// <exception cref="DiaException">Usage: more quantizers than the codec has. Device: no memory.</exception>
    public int[,] Encode(ReadOnlySpan<float> samples, int? quantizers, out CodecTrace trace)
    {
        int count = quantizers ?? Codebooks;
        if (count < 1 || count > Codebooks)
            throw new DiaException(DiaErrorKind.Usage, $"The codec has {Codebooks} quantizers; {count} cannot be used.");
        long frames = _network.FramesOf(samples.Length);
        trace = new CodecTrace(frames, Config.HiddenSize, count, Config.CodebookDim);
        using var pass = CodecPass.ForSamples(_network, Arena(), samples.ToArray(), count, trace);
        for (long start = 0; start < frames; start += _network.WindowFrames)
            _network.Encode(pass, new RowRange(start, Math.Min(_network.WindowFrames, frames - start)));
        return pass.Codes();
    }

    /// <summary>Codes [frames, codebooks] to samples; fewer codebooks than the codec has are taken as its first ones.</summary>
    /// <exception cref="DiaException">Input: a code that no codebook holds, or too many codebooks. Device: no memory.</exception>
    public float[] Decode(int[,] codes) => Decode(codes, null);

    /// <summary>The same, recording the quantized representation.</summary>
    public float[] Decode(int[,] codes, CodecTrace? trace)
    {
        Check(codes);
        using var pass = CodecPass.ForCodes(_network, Arena(), codes, trace);
        long window = (long)_network.WindowFrames * HopLength;
        for (long start = 0; start < pass.SampleCount; start += window)
            _network.Decode(pass, new RowRange(start, Math.Min(window, pass.SampleCount - start)));
        return pass.Samples();
    }

    /// <summary>A window of the samples that codes decode to, exactly as a part of the whole.</summary>
    /// <param name="codes">[frames, codebooks].</param>
    /// <param name="window">Which samples; at most 64 frames' worth.</param>
    /// <exception cref="DiaException">Input: a code that no codebook holds, or too many codebooks. Device: no memory.</exception>
    public float[] Decode(int[,] codes, RowRange window)
    {
        Check(codes);
        using var pass = CodecPass.ForCodes(_network, Arena(), codes);
        if (window.Start < 0 || window.End > pass.SampleCount || window.Count > (long)_network.WindowFrames * HopLength)
            throw new ArgumentOutOfRangeException(nameof(window));
        _network.Decode(pass, window);
        return pass.Samples().AsSpan((int)window.Start, (int)window.Count).ToArray();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _network.Free(_arena);
        _arena = null;
        for (int i = 0; i < _specs.Length; i++)
            _network.Release(_specs[i], i);
        _weights.Dispose();
    }

    // Kept from call to call: a stream of windows would otherwise map and unmap its pages each time.
    private float* Arena() => _arena is null ? _arena = _network.Allocate(_network.ArenaSize) : _arena;

    private void Check(int[,] codes)
    {
        if (codes.GetLength(1) < 1 || codes.GetLength(1) > Codebooks)
            throw new DiaException(DiaErrorKind.Input, $"The codes have {codes.GetLength(1)} codebooks; the codec takes 1 to {Codebooks}.");
        for (int t = 0; t < codes.GetLength(0); t++)
            for (int c = 0; c < codes.GetLength(1); c++)
                if ((uint)codes[t, c] >= (uint)Config.CodebookSize)
                    throw new DiaException(DiaErrorKind.Input, $"Frame {t}, codebook {c}: code {codes[t, c]} is not in 0 to {Config.CodebookSize - 1}.");
    }
}
