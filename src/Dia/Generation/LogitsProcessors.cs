using Dia.Configuration;

namespace Dia.Generation;

/// <summary>
/// The processors that turn a row's logits into the scores an id is picked from, in the order of numerics.md, "Generation", point 3
/// (the last one, <see cref="EosDelayProcessor"/>, has a state per item). All work in place on [channels, vocabulary] and allocate
/// nothing (a caller's own may); they hold scratch only.
/// </summary>
internal sealed partial class LogitsProcessors
{
    private readonly GenerationConfig _config;
    private readonly int _vocabularySize;
    private readonly float _guidanceScale;
    private readonly float _temperature;
    private readonly float[] _guided;
    private readonly float[] _ordered;
    private readonly double[] _weights;
    private readonly ILogitsProcessor[] _controls;
    private readonly ILogitsProcessor[] _sampling;

    /// <summary>Takes a validated configuration and the number of ids per channel.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <param name="promptRows">Rows of the prompt, left padding included.</param>
    /// <param name="rowLimit">Rows at which the item ends.</param>
    /// <param name="callers">The caller's own.</param>
    public LogitsProcessors(GenerationConfig config, int vocabularySize, int promptRows = 1, int rowLimit = int.MaxValue,
        IReadOnlyList<ILogitsProcessor>? callers = null)
    {
        _config = config;
        _controls = [.. LogitsControls.Before(config, promptRows, rowLimit), .. callers ?? []];
        _sampling = LogitsControls.Sampling(config);
        _vocabularySize = vocabularySize;
        _guidanceScale = (float)(config.GuidanceScale ?? 1);
        _temperature = (float)config.Temperature;
        _guided = new float[vocabularySize];
        _ordered = new float[vocabularySize];
        _weights = new double[vocabularySize];
    }

    /// <summary>Whether one of them looks at the ids so far.</summary>
    public bool NeedIds => _controls.Length > 0;

    /// <summary>All stages but the EOS delay.</summary>
    /// <param name="conditional">The model's logits, finite.</param>
    /// <param name="unconditional">Those without the text; empty where guidance is off.</param>
    /// <param name="scores">Receives the scores.</param>
    /// <param name="ids">The ids so far, where they are needed.</param>
    /// <param name="item">The item's index in the batch.</param>
    public void Process(ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, Span<float> scores, ChannelIds? ids = null, int item = 0)
    {
        if (_config.IsFirstGeneration)
        {
            ProcessFirstGeneration(conditional, unconditional, scores, ids, item);
            return;
        }

        if (_config.UsesGuidance)
            Guide(conditional, unconditional, scores);
        else
            conditional.CopyTo(scores);
        Apply(_controls, scores, ids, item);
        DivideByTemperature(scores);
        FilterEos(scores, conditional);
        if (_config.DoSample)
            Sample(scores, ids, item);
    }

    /// <summary>What is drawn from.</summary>
    private void Sample(Span<float> scores, ChannelIds? ids, int item)
    {
        if (_config.TopK is int k)
            KeepTopK(scores, k);
        if (_config.TopP < 1)
            KeepTopP(scores, _config.TopP);
        Apply(_sampling, scores, ids, item);
    }

    /// <summary>
    /// Classifier-free guidance x = c + g·(c − u). With top_k the k best of x (of equals the lowest ids) only select: their values
    /// stay the conditional ones, all others become negative infinity.
    /// </summary>
    public void Guide(ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, Span<float> scores)
    {
        for (int start = 0; start < scores.Length; start += _vocabularySize)
        {
            ReadOnlySpan<float> c = conditional.Slice(start, _vocabularySize);
            ReadOnlySpan<float> u = unconditional.Slice(start, _vocabularySize);
            Span<float> result = scores.Slice(start, _vocabularySize);
            for (int id = 0; id < c.Length; id++)
                _guided[id] = c[id] + (c[id] - u[id]) * _guidanceScale;
            if (_config.TopK is not int k)
                _guided.CopyTo(result);
            else if (k >= _vocabularySize)
                c.CopyTo(result);
            else
                Select(c, k, result);
        }
    }

    /// <summary>Divides by the temperature.</summary>
    public void DivideByTemperature(Span<float> scores)
    {
        foreach (ref float score in scores)
            score /= _temperature;
    }

    /// <summary>
    /// Channels from 1 on never give an id from EOS on, channel 0 none above EOS. Where EOS is channel 0's best (of equals the lowest
    /// id counts) it stays the only candidate, else it is removed. A channel left without any candidate (guidance with a small top_k)
    /// stays so in a greedy run, which then takes id 0 as the reference does; sampling takes the best conditional id below EOS.
    /// </summary>
    public void FilterEos(Span<float> scores, ReadOnlySpan<float> conditional)
    {
        int eos = _config.EosTokenId;
        for (int start = 0; start < scores.Length; start += _vocabularySize)
        {
            Span<float> channel = scores.Slice(start, _vocabularySize);
            if (start == 0 && TokenSampler.Best(channel[..(eos + 1)]) == eos)
            {
                channel[..eos].Fill(float.NegativeInfinity);
                channel[(eos + 1)..].Fill(float.NegativeInfinity);
                continue;
            }

            channel[eos..].Fill(float.NegativeInfinity);
            if (_config.DoSample && _controls.Length == 0 && !channel.ContainsAnyExcept(float.NegativeInfinity))
                channel[TokenSampler.Best(conditional.Slice(start, eos))] = 0;
        }
    }

    /// <summary>Keeps the k best ids of each channel; ties at the k-th value stay.</summary>
    public void KeepTopK(Span<float> scores, int k)
    {
        for (int start = 0; start < scores.Length && k < _vocabularySize; start += _vocabularySize)
        {
            Span<float> channel = scores.Slice(start, _vocabularySize);
            float lowest = KthLargest(channel, k);
            foreach (ref float score in channel)
                if (score < lowest)
                    score = float.NegativeInfinity;
        }
    }

    /// <summary>
    /// Drops each channel's low tail whose cumulative probability is at most 1 − p, and keeps at least one id. The tail counts
    /// upwards from the lowest score, of equal scores from the lowest id.
    /// </summary>
    public void KeepTopP(Span<float> scores, double p)
    {
        for (int start = 0; start < scores.Length; start += _vocabularySize)
        {
            Span<float> channel = scores.Slice(start, _vocabularySize);
            int count = 0;
            foreach (float score in channel)
                if (score > float.NegativeInfinity)
                    _ordered[count++] = score;
            if (count > 1)
                DropTail(channel, _ordered.AsSpan(0, count), p);
        }
    }

    private void Apply(ILogitsProcessor[] processors, Span<float> scores, ChannelIds? ids, int item)
    {
        foreach (ILogitsProcessor processor in processors)
            for (int channel = 0; channel < scores.Length / _vocabularySize; channel++)
                processor.Process(item, channel, ids is null ? [] : ids.Of(channel), scores.Slice(channel * _vocabularySize, _vocabularySize));
    }

    private void DropTail(Span<float> channel, Span<float> ordered, double p)
    {
        ordered.Sort();
        double total = 0;
        for (int i = 0; i < ordered.Length; i++)
            total += _weights[i] = Math.Exp((double)ordered[i] - ordered[^1]);
        int dropped = 0;
        for (double tail = _weights[0]; dropped < ordered.Length - 1 && tail <= (1 - p) * total; tail += _weights[dropped])
            dropped++;

        // Only values were ordered, not ids: among ids equal to the lowest kept value, as many are dropped as the tail took of them.
        float lowest = ordered[dropped];
        int droppedEquals = 0;
        while (droppedEquals < dropped && ordered[dropped - droppedEquals - 1] == lowest)
            droppedEquals++;
        foreach (ref float score in channel)
            if (score < lowest || (score == lowest && droppedEquals-- > 0))
                score = float.NegativeInfinity;
    }

    /// <summary>Writes the values of the ids whose guided value is among the k best, negative infinity elsewhere.</summary>
    private void Select(ReadOnlySpan<float> values, int k, Span<float> result)
    {
        float lowest = KthLargest(_guided, k);
        int equals = k;
        foreach (float guided in _guided)
            if (guided > lowest)
                equals--;
        for (int id = 0; id < values.Length; id++)
            result[id] = _guided[id] > lowest || (_guided[id] == lowest && equals-- > 0) ? values[id] : float.NegativeInfinity;
    }

    /// <summary>The k-th largest value: the root of a min-heap of the k largest, since k is small and most values stop at one comparison.</summary>
    private float KthLargest(ReadOnlySpan<float> values, int k)
    {
        Span<float> heap = _ordered.AsSpan(0, k);
        values[..k].CopyTo(heap);
        for (int node = k / 2 - 1; node >= 0; node--)
            SiftDown(heap, node);
        foreach (float value in values[k..])
        {
            if (value > heap[0])
            {
                heap[0] = value;
                SiftDown(heap, 0);
            }
        }

        return heap[0];
    }

    private static void SiftDown(Span<float> heap, int node)
    {
        float value = heap[node];
        for (int child = 2 * node + 1; child < heap.Length; child = 2 * node + 1)
        {
            if (child + 1 < heap.Length && heap[child + 1] < heap[child])
                child++;
            if (heap[child] >= value)
                break;
            heap[node] = heap[child];
            node = child;
        }

        heap[node] = value;
    }
}
