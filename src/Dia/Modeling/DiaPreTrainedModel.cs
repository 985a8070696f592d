using Dia.Backends;
using Dia.Configuration;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Modeling;

/// <summary>
/// Dia, encoder and decoder: text and rows of audio codes to logits. Holds weights and nothing of a request. Any number of threads may call at a time:
/// they take turns on the device, step by step. It may be disposed at any time: calls under way then end with <see cref="ObjectDisposedException"/>
/// before their next step. What is given to a call is copied first: changing it meanwhile does nothing.
/// </summary>
public abstract unsafe class DiaPreTrainedModel : IDisposable
{
    private float* _unconditionalCross;

    private protected DiaPreTrainedModel(ModelCheckpoint checkpoint, Device device)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(device);
        Tenant = new Tenant(device, GetType());
        (Compiled, Config, Specs) = (checkpoint.Compiled, checkpoint.Config, checkpoint.Tensors.Specs);
        Network = device.Accept(Compiled);
        Weights = new LoadedWeights(checkpoint.Tensors);
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

    /// <summary>Most rows of a sequence, the delay's included.</summary>
    public int RowCapacity => Config.RowCapacity;

    /// <summary>One pass over whole sequences, as the reference's <c>forward</c>.</summary>
    /// <param name="inputIds">Text ids [B, S].</param>
    /// <param name="attentionMask">1 where a byte is text [B, S]; null: everywhere.</param>
    /// <param name="decoderInputIds">Audio ids [B, T, C]; null: one BOS row.</param>
    /// <param name="decoderPositionIds">Positions [B, T]; null: 0 to T − 1.</param>
    /// <param name="decoderAttentionMask">1 where a row is to be seen [B, T]; null: everywhere.</param>
    /// <param name="labels">Labels [B·C, T], −100 where there is none; null: no loss.</param>
    /// <param name="numItemsInBatch">What the summed loss is divided by; null: the number of labels.</param>
    /// <param name="outputHiddenStates">Whether to record hidden states.</param>
    /// <param name="outputAttentions">Whether to record attention maps.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="numItemsInBatch"/> is not a finite number above 0.</exception>
    /// <exception cref="DiaException">Input: shapes that do not fit each other, ids outside the vocabulary, or results larger than an array can be. Device: no
    /// memory.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public DiaOutput Forward(
        int[,] inputIds,
        int[,]? attentionMask = null,
        int[,,]? decoderInputIds = null,
        int[,]? decoderPositionIds = null,
        int[,]? decoderAttentionMask = null,
        int[,]? labels = null,
        double? numItemsInBatch = null,
        bool outputHiddenStates = false,
        bool outputAttentions = false)
    {
        ArgumentNullException.ThrowIfNull(inputIds);
        if (numItemsInBatch is double items && !(items > 0 && double.IsFinite(items)))
            throw new ArgumentOutOfRangeException(nameof(numItemsInBatch), items, "The summed loss is divided by it: a finite number above 0.");
        ForwardInputs.CheckSizes(Config, inputIds.GetLength(0), inputIds.GetLength(1), decoderInputIds?.GetLength(1) ?? 1, outputAttentions);
        inputIds = (int[,])inputIds.Clone();
        attentionMask = (int[,]?)attentionMask?.Clone();
        decoderInputIds = (int[,,]?)decoderInputIds?.Clone()
            ?? ForwardInputs.BosRows(inputIds.GetLength(0), Config.DecoderConfig.NumChannels, Config.BosTokenId);
        decoderPositionIds = (int[,]?)decoderPositionIds?.Clone();
        decoderAttentionMask = (int[,]?)decoderAttentionMask?.Clone();
        labels = (int[,]?)labels?.Clone();
        ForwardInputs.Check(Config, inputIds, attentionMask, decoderInputIds, decoderPositionIds, decoderAttentionMask, labels);
        using Lock.Scope turn = Tenant.Enter();
        int batch = inputIds.GetLength(0), length = inputIds.GetLength(1), rows = decoderInputIds.GetLength(1);
        DiaDecoderConfig d = Config.DecoderConfig;
        DeviceMemory memory = Network.Memory;
        using ForwardTrace? trace = outputHiddenStates || outputAttentions ? new ForwardTrace(memory, outputHiddenStates, outputAttentions) : null;

        RotaryEmbedding textRope = Compiled.EncoderRope();
        textRope.Update(length);
        using var encoder = new EncoderPass(Network, textRope, Flat(inputIds), attentionMask is null ? default : Flat(attentionMask), batch, trace);
        Network.Encode(encoder);

        RotaryEmbedding rope = Compiled.DecoderRope();
        int[] positions = decoderPositionIds is null ? [] : Flat(decoderPositionIds).ToArray();
        rope.Update((positions.Length == 0 ? rows - 1 : positions.Max()) + 1);
        int[] ids = Flat(decoderInputIds).ToArray();
        byte[] mask = decoderAttentionMask is null ? [] : [.. Flat(decoderAttentionMask).ToArray().Select(m => m != 0 ? (byte)1 : (byte)0)];
        using var pass = new DecoderPass(Network, d, batch * rows, batch, Phase.Prefill, trace);
        var caches = new List<KeyValueCache>();
        byte* audioMask = mask.Length == 0 ? null : memory.Place(mask);
        try
        {
            for (int i = 0; i < batch; i++)
            {
                var cross = new KeyValueCache(memory, d.NumHiddenLayers, length, d.CrossNumKeyValueHeads * d.CrossHeadDim) { Length = length };
                caches.Add(cross);
                Network.CrossKeyValues(encoder, i, cross);
                var self = new KeyValueCache(memory, d.NumHiddenLayers, rows, d.NumKeyValueHeads * d.HeadDim);
                caches.Add(self);
                var sequence = new DecoderStream { Self = self, Cross = cross, Rope = rope, TextMask = encoder.Mask(i), AudioMask = audioMask is null
                    ? null : audioMask + (long)i * rows };
                pass.Add(sequence, ids.AsSpan(i * rows * d.NumChannels, rows * d.NumChannels), positions.Length == 0
                    ? default : positions.AsSpan(i * rows, rows));
            }

            pass.Send();
            Network.Decode(pass);
            trace?.Complete();
        }
        finally
        {
            caches.ForEach(c => c.Dispose());
            memory.Free(audioMask);
        }

        float[] logits = Logits(pass, batch, rows, labels, out CrossEntropy loss);
        float[] hidden = new float[batch * length * Config.EncoderConfig.HiddenSize];
        memory.Download(hidden, encoder.Output(0, Config.EncoderConfig.HiddenSize));
        return new DiaOutput
        {
            Logits = logits,
            Batch = batch,
            Rows = rows,
            TextLength = length,
            Config = Config,
            EncoderLastHiddenState = hidden,
            Loss = labels is null ? null : loss.Mean(numItemsInBatch),
            Trace = trace,
        };
    }

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
        using Lock.Scope turn = Tenant.EnterToFree();
        if (!Tenant.Leave())
            return;
        Network.Memory.Free(_unconditionalCross);
        _unconditionalCross = null;
        Network.Release();
        Weights.Dispose();
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
        DeviceMemory memory = Network.Memory;
        float* constants = memory.Allocate((long)Config.DecoderConfig.NumHiddenLayers * Config.DecoderConfig.HiddenSize);
        try
        {
            RotaryEmbedding rope = Compiled.EncoderRope();
            rope.Update(1);
            using var encoder = new EncoderPass(Network, rope, [0], default, 1);
            Network.Encode(encoder);
            Network.UnconditionalCross(encoder, constants);
        }
        catch
        {
            memory.Free(constants);
            throw;
        }

        return _unconditionalCross = constants;
    }

    /// <summary>Logits [B·C, T, V] of all rows, and their loss where there are labels; the network gives [B·T, C·V].</summary>
    private float[] Logits(DecoderPass pass, int batch, int rows, int[,]? labels, out CrossEntropy loss)
    {
        int channels = Config.DecoderConfig.NumChannels, vocabulary = Config.DecoderConfig.VocabSize;
        long width = (long)channels * vocabulary;
        float[] logits = new float[batch * rows * width];
        float* flat = Network.Memory.Allocate(logits.Length);
        loss = default;
        try
        {
            Network.Logits(flat, pass.Output, batch * rows, Phase.Prefill);
            ReadOnlySpan<float> all = Network.Memory.Read(flat, logits.Length);
            for (int b = 0; b < batch; b++)
            {
                for (int t = 0; t < rows; t++)
                    for (int c = 0; c < channels; c++)
                        all.Slice(((b * rows + t) * channels + c) * vocabulary, vocabulary).CopyTo(logits.AsSpan(((b * channels + c) * rows + t) * vocabulary));
                fixed (int* label = labels)
                    if (label is not null)
                        Network.Loss(flat + b * rows * width, label + (long)b * channels * rows, rows, ref loss);
            }

            return logits;
        }
        finally
        {
            Network.Memory.Free(flat);
        }
    }

    private static ReadOnlySpan<int> Flat(Array array) =>
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<byte, int>(ref MemoryMarshal.GetArrayDataReference(array)), array.Length);
}
