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
    private readonly IGenerationSteps _steps;
    private bool _started;

    /// <summary>Allocates what the whole generation needs.</summary>
    /// <param name="steps">What adds the rows.</param>
    /// <param name="config">The configuration, validated against the vocabulary.</param>
    /// <param name="prompt">The rows to start from.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <param name="rowLimit">What <see cref="GenerationConfig.RowLimit(int, int)"/> gave for the prompt.</param>
    /// <param name="drawAlone">Every item draws as item 0, as if it ran alone.</param>
    public GenerationLoop(IGenerationSteps steps, GenerationConfig config, DecoderPrompt prompt, int vocabularySize, int rowLimit, bool drawAlone = false)
    {
        _steps = steps;
        _channels = config.Channels;
        _sequences = new GenerationSequence[prompt.Batch];
        for (int item = 0; item < _sequences.Length; item++)
            _sequences[item] = new GenerationSequence(prompt, item, config, vocabularySize, rowLimit, drawAlone ? 0 : item);
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
        }

        _started = true;
        return _steps.ActiveCount > 0;
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
