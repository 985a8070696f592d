namespace Dia.Generation;

/// <summary>
/// Adds rows to the sequences that run: a sequence joins with its prompt when it comes, and every step gives each running one a row, or more where they are
/// there.
/// What a sequence gets depends on no other.
/// </summary>
internal interface IGenerationSteps : IDisposable
{
    /// <summary>Sequences that are not finished.</summary>
    int ActiveCount { get; }

    /// <summary>Runs a sequence's prompt and adds its first row; it takes part in the steps from then on.</summary>
    /// <param name="slot">Its slot in the session; no running sequence has it.</param>
    /// <param name="sequence">The sequence.</param>
    void Start(int slot, GenerationSequence sequence);

    /// <summary>Forgets a sequence that has not finished.</summary>
    void Stop(int slot);

    /// <summary>Adds at least one row to every sequence that is not finished; one that fails keeps the failure, for it is no other sequence's.</summary>
    void Step();
}
