using Dia.Configuration;

namespace Dia.Generation;

/// <summary>
/// Generates the rows of a batch that starts together, as the reference's <c>generate</c>: the prompt of each item, then one row at a
/// time for the items that are not finished.
/// </summary>
/// <remarks>
/// An item gets the rows that it gets alone, with two exceptions that come from the contract. max_length counts the rows of the
/// padded batch, as in the reference, so an item that is left-padded beside a longer voice prompt has fewer rows of its own left (with
/// max_new_tokens it makes no difference). And a draw has the item's index in it, unless every item is asked to draw as if alone.
/// </remarks>
internal sealed class GenerationLoop
{
    private readonly int _channels;
    private readonly GenerationSequence[] _sequences;
    private readonly int[] _rowsTold;
    private readonly IGenerationSteps _steps;
    private readonly GenerationOptions _options;
    private bool _started;

    /// <summary>Allocates what the whole generation needs.</summary>
    /// <param name="steps">What adds the rows.</param>
    /// <param name="config">The configuration, validated against the vocabulary.</param>
    /// <param name="prompt">The rows to start from.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <param name="rowLimit">What <see cref="GenerationConfig.RowLimit(int, int)"/> gave for the prompt.</param>
    /// <param name="options">What else the caller gave.</param>
    public GenerationLoop(IGenerationSteps steps, GenerationConfig config, DecoderPrompt prompt, int vocabularySize, int rowLimit,
        GenerationOptions? options = null)
    {
        (_steps, _options) = (steps, options ?? new GenerationOptions());
        _channels = config.Channels;
        _sequences = new GenerationSequence[prompt.Batch];
        for (int item = 0; item < _sequences.Length; item++)
            _sequences[item] =
                new GenerationSequence(prompt, item, config, vocabularySize, rowLimit, _options.DrawAlone ? 0 : item, _options.LogitsProcessors);
        _rowsTold = new int[prompt.Batch];
    }

    /// <summary>The items of the batch.</summary>
    public IReadOnlyList<GenerationSequence> Sequences => _sequences;

    /// <summary>Generates until every item is finished.</summary>
    /// <returns>The sequences [batch, rows, channels], prompt included and still delayed; shorter items end in PAD rows.</returns>
    /// <exception cref="DiaException">The model gave a logit that is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; it is looked at before each step.</exception>
    public int[,,] Run(CancellationToken cancellationToken = default)
    {
        while (Step(cancellationToken))
        {
        }

        _options.Observer?.Ended();
        return Result();
    }

    /// <summary>Adds one row to every item that is not finished; the first call runs the prompts.</summary>
    /// <returns>Whether an item is left that is not finished.</returns>
    public bool Step(CancellationToken cancellationToken = default)
    {
        if (_started)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _steps.Step();
        }

        for (int item = 0; item < _sequences.Length; item++)
        {
            if (!_started)
            {
                cancellationToken.ThrowIfCancellationRequested();
                _steps.Start(item, _sequences[item]);
            }

            if (_sequences[item].Failure is { } failure)
                throw failure;
            Tell(_sequences[item]);
        }

        _started = true;
        return _steps.ActiveCount > 0;
    }

    /// <summary>Hands over an item's new rows, one at a time: a device may have made several.</summary>
    private void Tell(GenerationSequence sequence)
    {
        ref int told = ref _rowsTold[sequence.Item];
        if (told == 0)
        {
            told = sequence.Prompt.Rows;
            _options.Observer?.Started(sequence.Item, sequence.Rows[..(told * _channels)]);
        }

        for (; told < sequence.RowCount; told++)
        {
            _options.Observer?.RowAdded(sequence.Item, told, sequence.Rows.Slice(told * _channels, _channels));
            for (int i = 0; i < _options.StoppingCriteria.Count && !sequence.Stopped; i++)
                if (_options.StoppingCriteria[i](sequence.Item, sequence.Rows[..((told + 1) * _channels)]))
                    sequence.End(GenerationStop.Criterion, told + 1);
        }

        if (!sequence.Finished)
            return;
        told = int.MaxValue; // where it goes on beside others, with PAD, that is no news
        if (sequence.Stopped)
            _steps.Stop(sequence.Item); // a device would go on with it
    }

    /// <summary>The sequences so far [batch, rows, channels], shorter items filled with PAD.</summary>
    public int[,,] Result()
    {
        int[,,] result = new int[_sequences.Length, _sequences.Max(s => s.RowCount), _channels];
        foreach (GenerationSequence sequence in _sequences)
            sequence.CopyTo(result);
        return result;
    }
}
