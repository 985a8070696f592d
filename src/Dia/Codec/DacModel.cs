using Dia.Audio;
using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Codec;

/// <summary>
/// The DAC codec of a checkpoint: samples to codes and back, in windows of bounded memory. Any number of threads may call at a time: they take turns
/// on the device, window by window. It may be disposed at any time: calls under way then end with <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed partial class DacModel : IAudioCodec, IDisposable
{
    private readonly CompiledCodec _compiled;
    private CodecPass? _pass;
    private CodecIdentity? _identity;

    private DacModel(CodecCheckpoint checkpoint, Device device, bool filters)
    {
        Tenant = new Tenant(device, typeof(DacModel));
        Config = checkpoint.Config;
        Specs = checkpoint.Tensors.Specs;
        _compiled = checkpoint.Compiled;
        Network = device.Accept(_compiled);
        Weights = new LoadedWeights(checkpoint.Tensors);
        Layout = filters && device.FiltersConvolutions ? Network.Layout.Filtered : Network.Layout;
    }

    /// <summary>Its configuration.</summary>
    public DacConfig Config { get; }

    /// <summary>Its parameters; for checks and measurements.</summary>
    internal WeightSpec[] Specs { get; }

    /// <summary>Their values, in the same order.</summary>
    internal LoadedWeights Weights { get; }

    /// <summary>The emitted network; for measurements that run its operations one by one.</summary>
    internal DacNetwork Network { get; }

    /// <summary>Its turns on its device.</summary>
    internal Tenant Tenant { get; }

    /// <inheritdoc/>
    public int SamplingRate => Config.SamplingRate;

    /// <inheritdoc/>
    public int HopLength => Layout.HopLength;

    /// <inheritdoc/>
    public int Codebooks => Config.NCodebooks;

    /// <summary>What its codes are codes of: codecs whose identities match understand each other's.</summary>
    /// <exception cref="ObjectDisposedException">The codec is disposed, and was never asked before.</exception>
    public CodecIdentity Identity
    {
        get
        {
            if (_identity is not null)
                return _identity;
            using Lock.Scope turn = Tenant.Enter();
            return _identity ??= CodecIdentity.Of(this, Specs, Weights.Weights);
        }
    }

    /// <summary>Frames of a second of sound.</summary>
    public double FrameRate => Config.FrameRate;

    /// <summary>Most frames of a window that is decoded at once.</summary>
    public int WindowFrames => Layout.WindowFrames;

    /// <summary>Frames after the first that must be known before its last sample can be decoded exactly.</summary>
    public int LookAheadFrames => Layout.LookAheadFrames;

    /// <summary>
    /// Whether convolutions of 7 taps are filtered minimally, F(4, 7): ten multiplications in place of 28, so decoding takes little more than half the time.
    /// What is decoded is off by some units of 1e-6 of its largest value. Such a codec cannot be trained.
    /// </summary>
    public bool IsFiltered => Layout.IsFiltered;

    /// <summary>How the rows of its values follow from each other.</summary>
    internal CodecLayout Layout { get; }

    /// <summary>Samples that so many frames decode to.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A negative number, or more than any sound has.</exception>
    public long SamplesOf(long frames)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(frames);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(frames, int.MaxValue);
        return Layout.SamplesOf(frames);
    }

    /// <summary>
    /// Loads a codec's checkpoint (plain weights or weight-norm pairs). On the processor the kernels of encoding and of decoding are laid out at the first use
    /// of either: that call takes longer, and may find no memory.
    /// </summary>
    /// <param name="folder">The codec's folder: config.json, model.safetensors.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="warnings">Gets what was strange but passes.</param>
    /// <param name="filters">Whether it is to be <see cref="IsFiltered"/>, where the device can do that.</param>
    /// <exception cref="DiaException">Model: missing, malformed, or no compiled codec fits. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public static DacModel FromPretrained(ModelFolder folder, IEnumerable<CompiledNetwork> models, Device device, ICollection<string>? warnings = null,
        bool filters = false)
    {
        ArgumentNullException.ThrowIfNull(device);
        using CodecCheckpoint checkpoint = CodecCheckpoint.Open(folder, models);
        foreach (string warning in checkpoint.Warnings)
            warnings?.Add(warning);
        return FromPretrained(checkpoint, device, filters);
    }

    /// <summary>Makes the codec of a checkpoint that is open; it may be disposed before the codec.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="filters">Whether it is to be <see cref="IsFiltered"/>, where the device can do that.</param>
    /// <exception cref="DiaException">Model: malformed. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">The checkpoint or the device is disposed.</exception>
    public static DacModel FromPretrained(CodecCheckpoint checkpoint, Device device, bool filters = false)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(device);
        var codec = new DacModel(checkpoint, device, filters);
        try
        {
            // A device's memory is planned with all kernels before its windows.
            HashSet<int>? later = device.Memory.IsHost ? [.. codec.Layout.Kernels(encoding: true), .. codec.Layout.Kernels(encoding: false)] : null;
            codec.Network.Prepare(codec.Tenant, codec.Layout.PreparedSpecs(codec.Specs), codec.Weights.Weights, later);
            return codec;
        }
        catch
        {
            codec.Dispose();
            throw;
        }
    }

    /// <summary>Refuses to be the codec of a model whose codes it cannot hold.</summary>
    /// <exception cref="DiaException">Model: its codebooks are not the model's channels, or are too small.</exception>
    public void CheckFits(DiaConfig model) => CheckFits(Config, model);

    /// <summary>The same before the codec is loaded.</summary>
    /// <exception cref="DiaException">Model.</exception>
    public static void CheckFits(DacConfig codec, DiaConfig model)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(model);
        if (codec.NCodebooks != model.DecoderConfig.NumChannels)
            throw new DiaException(DiaErrorKind.Model,
                $"the codec has {codec.NCodebooks} codebooks, the model {model.DecoderConfig.NumChannels} channels: it needs its own codec.");
        if (codec.CodebookSize < model.EosTokenId)
            throw new DiaException(DiaErrorKind.Model,
                $"the codec's codebooks have {codec.CodebookSize} entries, the model's codes go up to {model.EosTokenId - 1}: it needs its own codec.");
    }

    /// <summary>
    /// A recording to codes [frames, quantizers]: averaged to mono, resampled where its rate is another, padded with silence to whole frames.
    /// </summary>
    /// <param name="recording">The recording.</param>
    /// <param name="quantizers">How many of the first quantizers to use; null: all.</param>
    /// <exception cref="DiaException">Input: no samples. Usage: more quantizers than the codec has. Device: no memory.</exception>
    public int[,] Encode(AudioBuffer recording, int? quantizers = null)
    {
        ArgumentNullException.ThrowIfNull(recording);
        int count = Quantizers(quantizers);
        if (recording.Frames == 0)
            throw new DiaException(DiaErrorKind.Input, "The recording holds no samples.");
        float[] mono = recording.ToMono(SamplingRate);
        float[] padded = new float[((long)mono.Length + HopLength - 1) / HopLength * HopLength];
        mono.CopyTo(padded, 0);
        return Pass.Encode(padded, count);
    }

    /// <summary>Samples to codes [frames, codebooks]. Nothing is padded: frames follow from the strides (numerics.md).</summary>
    /// <exception cref="ObjectDisposedException">The codec or its device is disposed.</exception>
    /// <exception cref="DiaException">Device: no memory.</exception>
    public int[,] Encode(ReadOnlySpan<float> samples) => Pass.Encode(samples, Codebooks);

    /// <summary>Samples to codes [frames, quantizers], and what lies between.</summary>
    /// <param name="samples">Mono, at the codec's rate.</param>
    /// <param name="quantizers">How many of the first quantizers to use; null: all.</param>
    /// <param name="trace">The latents and projections.</param>
    /// <exception cref="DiaException">Usage: more quantizers than the codec has. Device: no memory.</exception>
    public int[,] Encode(ReadOnlySpan<float> samples, int? quantizers, out CodecTrace trace)
    {
        int count = Quantizers(quantizers);
        trace = new CodecTrace(Network.Memory, Math.Max(0, Layout.FramesOf(samples.Length)), Config.HiddenSize, count, Config.CodebookDim);
        return Pass.Encode(samples, count, trace);
    }

    /// <summary>Codes [frames, codebooks] to samples; fewer codebooks than the codec has are taken as its first ones.</summary>
    /// <exception cref="DiaException">Input: a code that no codebook holds, or too many codebooks. Device: no memory.</exception>
    public float[] Decode(int[,] codes) => Decode(codes, null);

    /// <summary>The same, recording the quantized representation.</summary>
    public float[] Decode(int[,] codes, CodecTrace? trace)
    {
        Check(codes);
        CodecPass pass = Pass;
        float[] samples = new float[LengthOf(codes)];
        CodecCache? cache = samples.Length > Layout.WindowSamples ? CreateCache() : null;
        for (long start = 0; start < samples.Length; start += Layout.WindowSamples)
        {
            var window = new RowRange(start, Math.Min(Layout.WindowSamples, samples.Length - start));
            pass.Decode(Flat(codes), codes.GetLength(1), codes.GetLength(0), window, samples.AsSpan((int)start), trace, cache);
        }

        return samples;
    }

    /// <summary>A window of the samples that codes decode to, exactly as a part of the whole.</summary>
    /// <param name="codes">[frames, codebooks].</param>
    /// <param name="window">Which samples; at most 64 frames' worth.</param>
    /// <exception cref="ArgumentOutOfRangeException">The window is empty, too long, or not within the sound.</exception>
    /// <exception cref="DiaException">Input: a code that no codebook holds, or too many codebooks. Device: no memory.</exception>
    public float[] Decode(int[,] codes, RowRange window)
    {
        Check(codes);
        if (window.Count < 1 || window.Count > Layout.WindowSamples)
            throw new ArgumentOutOfRangeException(nameof(window), window, $"A window has 1 to {Layout.WindowSamples} samples.");
        CodecPass pass = Pass;
        float[] samples = new float[window.Count];
        pass.Decode(Flat(codes), codes.GetLength(1), codes.GetLength(0), window, samples);
        return samples;
    }

    /// <summary>The arena for windows of any number of sounds, one after the other.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    /// <exception cref="ObjectDisposedException">The codec or its device is disposed.</exception>
    public CodecPass CreatePass()
    {
        using Lock.Scope turn = Tenant.Enter();
        return new CodecPass(Tenant, Network, Layout, Codebooks, Config.CodebookSize);
    }

    /// <summary>What windows of a sound that is decoded leave for the next; null where a pass works without.</summary>
    internal CodecCache? CreateCache() => CodecPass.CreateCache(Network, Layout, encoding: false);

    /// <summary>Refuses a pass of another codec.</summary>
    internal void CheckPass(CodecPass pass, string argument)
    {
        ArgumentNullException.ThrowIfNull(pass, argument);
        if (!ReferenceEquals(pass.Network, Network))
            throw new ArgumentException("The pass is another codec's: make one with this codec's CreatePass.", argument);
    }

    /// <summary>Refuses a frame's codes that no codebook holds.</summary>
    /// <exception cref="DiaException">Input.</exception>
    internal void Check(ReadOnlySpan<int> codes, long frame)
    {
        for (int c = 0; c < codes.Length; c++)
            if ((uint)codes[c] >= (uint)Config.CodebookSize)
                throw CodecPass.NoCode(frame, c, codes[c], Config.CodebookSize);
    }

    /// <summary>
    /// Writes it as the reference's <c>save_pretrained</c> does: config.json, and model.safetensors with each weight in the format that it has;
    /// weight-norm pairs as the float32 weights that they give. The files appear together once they are complete. Other callers wait meanwhile.
    /// </summary>
    /// <param name="folder">The folder, made if need be.</param>
    /// <exception cref="DiaException">Output: it cannot be written.</exception>
    /// <exception cref="ObjectDisposedException">The codec or its device is disposed.</exception>
    public void SavePretrained(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        using Lock.Scope turn = Tenant.Enter();
        using var writer = new CheckpointWriter(folder);
        writer.AddText(ModelFolder.ConfigName, CanonicalJson.Write(Config, WeightFormats.ReferenceName(writer.AddWeights(Specs, Weights.Weights))));
        writer.Commit();
    }

    /// <summary>Frees its memory and unmaps its files, after the turn of a call that is under way.</summary>
    public void Dispose()
    {
        using Lock.Scope turn = Tenant.EnterToFree();
        if (!Tenant.Leave())
            return;
        _pass?.Dispose();
        Network.Release();
        Weights.Dispose();
    }

    /// <summary>
    /// The arena of <see cref="Encode(ReadOnlySpan{float})"/> and <see cref="Decode(int[,])"/>, kept: mapping it anew costs more than a short sound.
    /// </summary>
    internal CodecPass Pass
    {
        get
        {
            using Lock.Scope turn = Tenant.Enter();
            return _pass ??= CreatePass();
        }
    }

    private int Quantizers(int? quantizers) => quantizers is null || (quantizers >= 1 && quantizers <= Codebooks) ? quantizers ?? Codebooks
        : throw new DiaException(DiaErrorKind.Usage, $"The codec has {Codebooks} quantizers; {quantizers} cannot be used.");

    private long LengthOf(int[,] codes)
    {
        long samples = Math.Max(0, Layout.SamplesOf(codes.GetLength(0)));
        return samples <= AudioBuffer.MaxSamples ? samples
            : throw new DiaException(
                DiaErrorKind.Input,
                $"{codes.GetLength(0)} frames decode to {samples} samples; at most {AudioBuffer.MaxSamples} are handled. Decode them in parts (CodecStream).");
    }

    private void Check(int[,] codes)
    {
        ArgumentNullException.ThrowIfNull(codes);
        if (codes.GetLength(1) < 1 || codes.GetLength(1) > Codebooks)
            throw new DiaException(DiaErrorKind.Input, $"The codes have {codes.GetLength(1)} codebooks; the codec takes 1 to {Codebooks}.");
        int codebooks = codes.GetLength(1);
        for (int t = 0; t < codes.GetLength(0); t++)
            Check(Flat(codes).Slice(t * codebooks, codebooks), t);
    }

    private static ReadOnlySpan<int> Flat(int[,] codes) => codes.Length == 0 ? [] : MemoryMarshal.CreateReadOnlySpan(ref codes[0, 0], codes.Length);
}
