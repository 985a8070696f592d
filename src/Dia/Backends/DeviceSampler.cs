using Dia.Configuration;

namespace Dia.Backends;

/// <summary>
/// Generation's bookkeeping on a device that picks ids where the logits are: a state for each slot, and rows and progress in memory that the device
/// writes and the host reads when it likes. A sequence may be no more than some rows ahead of what the host has read.
/// </summary>
internal abstract unsafe class DeviceSampler : IDisposable
{
    /// <summary>Puts a sequence in a slot.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="sequence">The sequence, before its first generated row.</param>
    /// <param name="conditionalRow">Its row in the step.</param>
    /// <param name="unconditionalRow">Its row without the text; ignored where it has no guidance.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public abstract void Open(int slot, in SampledSequence sequence, int conditionalRow, int unconditionalRow);

    /// <summary>Says which rows of the logits are a sequence's from now on; −1: none, so that it is passed over.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="conditionalRow">Its row.</param>
    /// <param name="unconditionalRow">Its row without the text; ignored where it has no guidance.</param>
    public abstract void Move(int slot, int conditionalRow, int unconditionalRow);

    /// <summary>Empties a slot.</summary>
    public abstract void Close(int slot);

    /// <summary>
    /// Starts picking every sequence's next row from the logits, appending it, and writing it into the next step's inputs, whose positions
    /// and attention items move on. Allocates nothing, and its arguments do not change with the position: it can be captured.
    /// </summary>
    /// <param name="logits">Logits [rows, channels·vocabulary] in device memory, by the sequences' rows.</param>
    /// <param name="ids">The step's ids [rows, channels]; null: they are not wanted.</param>
    /// <param name="positions">The step's positions [rows]; null (after a prompt): nothing moves on.</param>
    /// <param name="items">The step's self-attention items [rows]; null with <paramref name="positions"/>.</param>
    public abstract void Sample(float* logits, int* ids, int* positions, AttentionItem* items);

    /// <summary>How far a slot's sequence is, as the device last said; it may be further by now.</summary>
    public abstract SamplerProgress Progress(int slot);

    /// <summary>A row [channels] that <see cref="Progress"/> says is there and that the device has not written over.</summary>
    public abstract ReadOnlySpan<int> Row(int slot, int generated);

    /// <summary>e^x as the sampler computes it, for checks.</summary>
    public abstract double[] Exponentials(double[] x);

    /// <summary>Has a slot's progress written on top of its first row's ids, for checks: what is written last is then seen.</summary>
    public abstract void ReportOverRow(int slot);

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>A sequence as a sampler takes it.</summary>
/// <param name="Config">How its rows are generated, validated.</param>
/// <param name="Cells">The prompt's known cells [rows, channels], PAD where none is known: its own rows, and those its delay reaches into.</param>
/// <param name="RowCount">Rows so far, left padding included.</param>
/// <param name="RowLimit">Rows at which it ends, left padding included.</param>
/// <param name="DrawItem">The item that it draws as.</param>
internal readonly record struct SampledSequence(GenerationConfig Config, int[] Cells, int RowCount, int RowLimit, int DrawItem);

/// <summary>What a device says of a sequence.</summary>
/// <param name="Generated">Rows that it has generated.</param>
/// <param name="Status">Whether it goes on.</param>
/// <param name="Channel">Where it failed.</param>
internal readonly record struct SamplerProgress(int Generated, SamplerStatus Status, int Channel);

/// <summary>Whether a sequence goes on.</summary>
internal enum SamplerStatus
{
    /// <summary>It goes on.</summary>
    Running,

    /// <summary>Every channel ended, or it has as many rows as it may.</summary>
    Finished,

    /// <summary>A logit is not a finite number.</summary>
    LogitNotFinite,

    /// <summary>A score is not a finite number.</summary>
    ScoreNotFinite,
}
