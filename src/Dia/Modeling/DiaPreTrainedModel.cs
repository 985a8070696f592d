using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;
using Dia.IO;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Modeling;

/// <summary>
/// Dia, encoder and decoder, with or without a head: what <see cref="DiaModel"/> and DiaForConditionalGeneration have in common. Holds weights and
/// nothing of a request. Any number of threads may call at a time: they take turns on the device, step by step. It may be disposed at any time: calls
/// under way then end with <see cref="ObjectDisposedException"/> before their next step. What is given to a call is copied first: changing it
/// meanwhile does nothing.
/// </summary>
public abstract unsafe partial class DiaPreTrainedModel : IDisposable
{
    private float* _unconditionalCross;
    private TrainingNetwork? _training;

    /// <summary>Loads a checkpoint's weights.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="head">Whether it has a head: what it has not is not loaded.</param>
    private protected DiaPreTrainedModel(ModelCheckpoint checkpoint, Device device, bool head)
        : this(Checked(checkpoint).Compiled, checkpoint.Config, device, head, isUsed => new LoadedWeights(checkpoint.Tensors, isUsed))
    {
    }

    /// <summary>Makes weights that no checkpoint has (<see cref="InitialWeights"/>).</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="seed">The same seed gives the same weights, on every machine.</param>
    /// <param name="head">Whether it has a head.</param>
    private protected DiaPreTrainedModel(DiaConfig config, IEnumerable<CompiledNetwork> models, Device device, ulong seed, bool head)
        : this(ModelCatalog.Find(models, config, null), config, device, head, seed)
    {
    }

    private DiaPreTrainedModel(CompiledModel compiled, DiaConfig config, Device device, bool head, ulong seed)
        : this(compiled, config, device, head, isUsed => InitialWeights.Create(compiled, config, seed, isUsed))
    {
    }

    private DiaPreTrainedModel(CompiledModel compiled, DiaConfig config, Device device, bool head, Func<Func<int, bool>, LoadedWeights> load)
    {
        ArgumentNullException.ThrowIfNull(device);
        Tenant = new Tenant(device, GetType());
        (Compiled, Config, Specs) = (compiled, config, compiled.Weights());
        Network = device.Accept(Compiled);
        Weights = load(weight => head || !compiled.IsHead(weight));
        try
        {
            Network.Prepare(Tenant, Specs, Weights.Weights);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// What keys and values are kept as in sessions and caches that are made from now on: float32, as the reference has them, unless this is set to the
    /// device's <see cref="Device.CacheFormat"/>. Then they are rounded once, when they are stored, and decoding reads half as much of them. Training keeps
    /// float32.
    /// </summary>
    /// <exception cref="ArgumentException">The device has no caches of that format.</exception>
    public WeightFormat CacheFormat
    {
        get;
        set => field = value == WeightFormat.Float32 || value == Tenant.Device.CacheFormat ? value
            : throw new ArgumentException($"The device keeps keys and values in float32 or {WeightFormats.ReferenceName(Tenant.Device.CacheFormat)}, not in {value}.", nameof(value));
    }

    /// <summary>
    /// Whether activations are rounded where the device has products of that kind which are faster, in sessions that are made from now on: in decoding steps to
    /// 8 bits where weights are integers; in the encoder and in prompts to bfloat16 where weights have 16 bits or less. Else they are multiplied in float32,
    /// as everywhere else.
    /// </summary>
    public bool RoundsActivations { get; set; }

    /// <summary>The phase of the encoder and of prompts.</summary>
    internal Phase PromptPhase => RoundsActivations ? Phase.RoundedPrefill : Phase.Prefill;

    /// <summary>The phase of decoding steps.</summary>
    internal Phase StepPhase => RoundsActivations ? Phase.RoundedDecode : Phase.Decode;

    /// <summary>Name of the compiled configuration that runs it.</summary>
    public string CompiledName => Compiled.Name;

    /// <summary>Its configuration.</summary>
    public DiaConfig Config { get; }

    /// <summary>Its weights; for tests that read them to see how fast that can go.</summary>
    internal LoadedWeights Weights { get; }

    /// <summary>The compiled class that it is made of.</summary>
    internal CompiledModel Compiled { get; }

    /// <summary>Its parameters, in the order of <see cref="Weights"/>.</summary>
    internal WeightSpec[] Specs { get; }

    /// <summary>The emitted network; for tests that time its passes.</summary>
    internal DiaNetwork Network { get; }

    /// <summary>Its turns on its device.</summary>
    internal Tenant Tenant { get; }

    /// <summary>Most rows of what is spoken, the delay's included: what a memory plan holds. A forward pass and a generation may have more.</summary>
    public int RowCapacity => Config.RowCapacity;

    /// <summary>Runs the encoder alone; a forward pass takes its output in place of the text.</summary>
    /// <param name="inputIds">Text ids [B, S].</param>
    /// <param name="attentionMask">1 where an id is text [B, S]; null: everywhere.</param>
    /// <param name="outputHiddenStates">Whether to record hidden states.</param>
    /// <param name="outputAttentions">Whether to record attention maps.</param>
    /// <exception cref="DiaException">Input: ids outside the vocabulary, a mask of another shape, results larger than an array can be. Device: no
    /// memory.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public EncoderOutput Encode(int[,] inputIds, int[,]? attentionMask = null, bool outputHiddenStates = false, bool outputAttentions = false)
    {
        ArgumentNullException.ThrowIfNull(inputIds);
        ForwardInputs.CheckSizes(Config, inputIds.GetLength(0), inputIds.GetLength(1), 0, 0, outputAttentions);
        (int[,] ids, int[,]? mask) = ForwardInputs.CopyText(Config, inputIds, attentionMask, nameof(inputIds));
        using Lock.Scope turn = Tenant.Enter();
        return ForwardPass.Encode(this, ids, mask, outputHiddenStates, outputAttentions);
    }

    /// <summary>
    /// Writes it as the reference's <c>save_pretrained</c> does: config.json, model.safetensors, and generation_config.json where it came with one. The
    /// files appear together once they are complete. Other callers wait meanwhile.
    /// </summary>
    /// <param name="folder">The folder, made if need be.</param>
    /// <param name="format">The format of the weights, none of integers; null: each is written as it is.</param>
    /// <exception cref="DiaException">Output: it cannot be written.</exception>
    /// <exception cref="ArgumentException">The format is one of integers, which <see cref="CheckpointConverter"/> makes.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public void SavePretrained(string folder, WeightFormat? format = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (format is { } all && WeightFormats.IsQuantized(all))
            throw new ArgumentException("Integers are made by CheckpointConverter.", nameof(format));
        using Lock.Scope turn = Tenant.Enter();
        using var writer = new CheckpointWriter(folder);
        WeightFormat dtype = writer.AddWeights(Specs, Weights.Weights, SavedName, format);
        string text = CanonicalJson.Write(Config, GetType().Name, WeightFormats.ReferenceName(dtype));
        writer.AddText(ModelFolder.ConfigName, format is null && Weights.IsQuantized ? ConfigurationText.WithQuantization(text, Layers()) : text);
        if (GenerationText is { } generation)
            writer.AddText(ModelCatalog.GenerationConfigName, generation);
        writer.Commit();
    }

    /// <summary>The generation_config.json that is saved with it; null: none.</summary>
    private protected virtual string? GenerationText => null;

    /// <summary>A weight's name in a checkpoint of this class.</summary>
    private protected virtual string SavedName(string name) => name;

    /// <summary>Zeros for the gradients of its parameters, in the device's memory, until they are disposed.</summary>
    /// <param name="isTrained">Whether a parameter, by its name in the checkpoint, gets one; null: all do, or where there is an adapter, all of its own.</param>
    /// <exception cref="DiaException">Device: no memory, or it cannot train. Model: it was compiled without training, or has weights of integers.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public ParameterGradients CreateGradients(Func<string, bool>? isTrained = null)
    {
        using Lock.Scope turn = Tenant.Enter();
        _ = Training();
        return new ParameterGradients(Network.Memory, Tenant, Parameters, Specs.Length,
            isTrained ?? (Network.Adapter is null ? null : name => Array.TrueForAll(Specs, s => s.Name != name)));
    }

    /// <summary>Its training, in a turn.</summary>
    /// <exception cref="DiaException">The device cannot train (Device), or it was compiled without training (Model).</exception>
    internal TrainingNetwork Training() => _training ??= Weights.IsQuantized ? throw LoadedWeights.NotTrained() : Compiled.Train(Tenant.Device, Network);

    /// <summary>Its linear layers by their names in a checkpoint of its class, and how their weights are stored.</summary>
    private (string Module, WeightStorage Storage)[] Layers() => [.. Specs.Zip(Weights.Weights)
        .Where(w => w.First.Role == WeightRole.Linear && !w.Second.IsMissing)
        .Select(w => (LoraWeights.Module(w.First with { Name = SavedName(w.First.Name) }), w.Second.Storage))];

    /// <summary>Room for items that run together.</summary>
    /// <param name="slots">Most items at a time.</param>
    /// <param name="guidance">Whether any of them may use guidance.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal DecoderSession CreateSession(int slots, bool guidance)
    {
        using Lock.Scope turn = Tenant.Enter();
        return new DecoderSession(this, slots, guidance);
    }

    /// <summary>Frees its memory and unmaps its files, after the turn of a call that is under way.</summary>
    public void Dispose()
    {
        _copy?.Dispose(); // It takes turns of its own.
        using Lock.Scope turn = Tenant.EnterToFree();
        if (!Tenant.Leave())
            return;
        Network.Memory.Free(_unconditionalCross);
        _unconditionalCross = null;
        Network.Adapter?.Dispose();
        Network.Release();
        Weights.Dispose();
    }

    /// <summary>Refuses sequences whose caches alone are more than there is memory, before anything is made for them.</summary>
    /// <param name="sequences">How many.</param>
    /// <param name="length">Text ids of each.</param>
    /// <param name="rows">Most rows of each.</param>
    /// <param name="guidance">Whether each has a stream without the text too.</param>
    /// <exception cref="DiaException">Too little memory (Device).</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    internal void CheckMemory(long sequences, int length, long rows, bool guidance)
    {
        using Lock.Scope turn = Tenant.Enter();
        DiaDecoderConfig d = Config.DecoderConfig;
        double values = (double)length * d.CrossNumKeyValueHeads * d.CrossHeadDim + (double)rows * d.NumKeyValueHeads * d.HeadDim * (guidance ? 2 : 1);
        double bytes = sequences * 2.0 * d.NumHiddenLayers * values * WeightFormats.Bytes(CacheFormat, 1);
        long most = Tenant.Device.FreeMemory ?? Math.Min(Tenant.Device.TotalMemory, MemoryLimits.AddressSpaceLeft);
        if (bytes > most)
            throw MemoryLimits.TooLittle(string.Create(CultureInfo.InvariantCulture, $"{sequences} sequences of up to {rows} rows at a time"),
                (long)Math.Min(bytes, long.MaxValue / 2));
    }

    /// <summary>A session with a batch, its texts checked, encoded.</summary>
    /// <param name="ids">Text ids [batch, length].</param>
    /// <param name="mask">1 where an id is text, same shape; null: everywhere.</param>
    /// <param name="maxRows">Most rows of an item.</param>
    /// <param name="guidance">Whether each item has a stream without the text too.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal DecoderSession OpenSession(int[,] ids, int[,]? mask, int maxRows, bool guidance)
    {
        int batch = ids.GetLength(0), length = ids.GetLength(1);
        DecoderSession session = CreateSession(batch, guidance);
        try
        {
            for (int item = 0; item < batch; item++)
                session.Open(item, Flat(ids).Slice(item * length, length), mask is null ? default : Flat(mask).Slice(item * length, length), maxRows, guidance);
            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>What cross-attention is for a row without text, in each layer: computed once, in a turn.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal float* UnconditionalCross()
    {
        if (_unconditionalCross is not null)
            return _unconditionalCross;
        float* constants = Network.Memory.Allocate((long)Config.DecoderConfig.NumHiddenLayers * Config.DecoderConfig.HiddenSize);
        try
        {
            ComputeUnconditionalCross(constants);
        }
        catch
        {
            Network.Memory.Free(constants);
            throw;
        }

        return _unconditionalCross = constants;
    }

    private void ComputeUnconditionalCross(float* constants)
    {
        RotaryEmbedding rope = Compiled.EncoderRope();
        rope.Update(1);
        using var encoder = new EncoderPass(Network, rope, [0], default, 1);
        Network.Encode(encoder);
        Network.UnconditionalCross(encoder, constants);
    }

    /// <summary>An array of any rank, row-major.</summary>
    internal static ReadOnlySpan<int> Flat(Array array) =>
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<byte, int>(ref MemoryMarshal.GetArrayDataReference(array)), array.Length);

    private static ModelCheckpoint Checked(ModelCheckpoint checkpoint) => checkpoint ?? throw new ArgumentNullException(nameof(checkpoint));
}
