using System.Runtime.InteropServices;
using Dia.Audio;
using Dia.Backends;
using Dia.Configuration;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Codec;

/// <summary>The DAC codec of a checkpoint: samples to codes and back, in windows of bounded memory; one call at a time.</summary>
public sealed class DacModel : IAudioCodec, IDisposable
{
    private readonly LoadedWeights _weights;
    private readonly WeightSpec[] _specs;
    private readonly DacNetwork _network;
    private CodecPass? _pass;
    private CodecIdentity? _identity;

    private DacModel(DacConfig config, LoadedWeights weights, WeightSpec[] specs, DacNetwork network)
    {
        Config = config;
        _weights = weights;
        _specs = specs;
        _network = network;
        LookAheadFrames = network.LookAheadFrames;
        for (int i = 0; i < specs.Length; i++)
            network.Prepare(specs[i], i);
    }

    /// <summary>Its configuration.</summary>
    public DacConfig Config { get; }

    /// <summary>Its parameters; for checks and measurements.</summary>
    internal WeightSpec[] Specs => _specs;

    /// <summary>Their values, in the same order.</summary>
    internal LoadedWeights Weights => _weights;

    /// <inheritdoc/>
    public int SamplingRate => Config.SamplingRate;

    /// <inheritdoc/>
    public int HopLength => _network.HopLength;

    /// <inheritdoc/>
    public int Codebooks => Config.NCodebooks;

    /// <summary>What its codes are codes of: codecs whose identities match understand each other's.</summary>
    public CodecIdentity Identity => _identity ??= CodecIdentity.Of(this, _specs, _weights.Weights);

    /// <summary>Most frames of a window that is decoded at once.</summary>
    public int WindowFrames => _network.WindowFrames;

    /// <summary>Frames after a frame that must be known before its last sample can be decoded exactly.</summary>
    public int LookAheadFrames { get; }

    /// <summary>Samples that so many frames decode to.</summary>
    public long SamplesOf(long frames) => _network.SamplesOf(frames);

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
        LoadedWeights weights = LoadedWeights.Load(folder, specs, warnings);
        return new DacModel(config, weights, specs, compiled.CreateCodec(device, weights.Weights)!);
    }

    /// <summary>Refuses to be the codec of a model whose codes it cannot hold.</summary>
    /// <exception cref="DiaException">Model: its codebooks are not the model's channels, or are too small.</exception>
    public void CheckFits(DiaConfig model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (Codebooks != model.DecoderConfig.NumChannels)
            throw new DiaException(DiaErrorKind.Model, $"the codec has {Codebooks} codebooks, the model {model.DecoderConfig.NumChannels} channels: it needs its own codec.");
        if (Config.CodebookSize < model.EosTokenId)
            throw new DiaException(DiaErrorKind.Model, $"the codec's codebooks have {Config.CodebookSize} entries, the model's codes go up to {model.EosTokenId - 1}: it needs its own codec.");
    }

    /// <summary>A recording to codes [frames, codebooks]: averaged to mono, resampled where its rate is another, padded with silence to whole frames.</summary>
    /// <exception cref="DiaException">Input: no samples. Device: no memory.</exception>
    public int[,] Encode(AudioBuffer recording)
    {
        ArgumentNullException.ThrowIfNull(recording);
        if (recording.Frames == 0)
            throw new DiaException(DiaErrorKind.Input, "The recording holds no samples.");
        float[] mono = recording.ToMono(SamplingRate);
        float[] padded = new float[(mono.Length + HopLength - 1) / HopLength * HopLength];
        mono.CopyTo(padded, 0);
        return Encode(padded);
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
        trace = new CodecTrace(_network.Memory, _network.FramesOf(samples.Length), Config.HiddenSize, count, Config.CodebookDim);
        CodecPass pass = Pass;
        return pass.Encode(samples, count, trace);
    }

    /// <summary>Codes [frames, codebooks] to samples; fewer codebooks than the codec has are taken as its first ones.</summary>
    /// <exception cref="DiaException">Input: a code that no codebook holds, or too many codebooks. Device: no memory.</exception>
    public float[] Decode(int[,] codes) => Decode(codes, null);

    /// <summary>The same, recording the quantized representation.</summary>
    public float[] Decode(int[,] codes, CodecTrace? trace)
    {
        Check(codes);
        float[] samples = new float[_network.SamplesOf(codes.GetLength(0))];
        CodecPass pass = Pass;
        for (long start = 0; start < samples.Length; start += _network.WindowSamples)
        {
            var window = new RowRange(start, Math.Min(_network.WindowSamples, samples.Length - start));
            pass.Decode(Flat(codes), codes.GetLength(1), codes.GetLength(0), window, samples.AsSpan((int)start), trace);
        }

        return samples;
    }

    /// <summary>A window of the samples that codes decode to, exactly as a part of the whole.</summary>
    /// <param name="codes">[frames, codebooks].</param>
    /// <param name="window">Which samples; at most 64 frames' worth.</param>
    /// <exception cref="DiaException">Input: a code that no codebook holds, or too many codebooks. Device: no memory.</exception>
    public float[] Decode(int[,] codes, RowRange window)
    {
        Check(codes);
        float[] samples = new float[window.Count];
        CodecPass pass = Pass;
        pass.Decode(Flat(codes), codes.GetLength(1), codes.GetLength(0), window, samples);
        return samples;
    }

    /// <summary>The arena for windows of any number of sounds, one after the other.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public CodecPass CreatePass() => new(_network);

    /// <summary>Refuses a frame's codes that no codebook holds.</summary>
    /// <exception cref="DiaException">Input.</exception>
    internal void Check(ReadOnlySpan<int> codes, long frame)
    {
        for (int c = 0; c < codes.Length; c++)
            if ((uint)codes[c] >= (uint)Config.CodebookSize)
                throw new DiaException(DiaErrorKind.Input, $"Frame {frame}, codebook {c}: code {codes[c]} is not in 0 to {Config.CodebookSize - 1}.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pass?.Dispose();
        for (int i = 0; i < _specs.Length; i++)
            _network.Release(_specs[i], i);
        _weights.Dispose();
    }

    /// <summary>The arena of <see cref="Encode(ReadOnlySpan{float})"/> and <see cref="Decode(int[,])"/>, kept: mapping it anew costs more than a short sound.</summary>
    internal CodecPass Pass => _pass ??= CreatePass();

    private void Check(int[,] codes)
    {
        if (codes.GetLength(1) < 1 || codes.GetLength(1) > Codebooks)
            throw new DiaException(DiaErrorKind.Input, $"The codes have {codes.GetLength(1)} codebooks; the codec takes 1 to {Codebooks}.");
        int codebooks = codes.GetLength(1);
        for (int t = 0; t < codes.GetLength(0); t++)
            Check(Flat(codes).Slice(t * codebooks, codebooks), t);
    }

    private static ReadOnlySpan<int> Flat(int[,] codes) => codes.Length == 0 ? [] : MemoryMarshal.CreateReadOnlySpan(ref codes[0, 0], codes.Length);
}
