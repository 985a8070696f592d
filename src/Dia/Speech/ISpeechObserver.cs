using System.Runtime.ExceptionServices;

namespace Dia.Speech;

/// <summary>Sees how a script is spoken, from the thread that speaks it.</summary>
public interface ISpeechObserver
{
    /// <summary>A row was generated.</summary>
    /// <param name="piece">The piece that is being spoken, from 0.</param>
    /// <param name="rows">Rows so far, of all pieces and attempts.</param>
    void RowAdded(int piece, int rows)
    {
    }

    /// <summary>A piece is not as its text asks, and is spoken again.</summary>
    /// <param name="piece">Which, from 0.</param>
    /// <param name="attempt">What it came to; its doubt says why.</param>
    /// <param name="seed">The seed that is tried next.</param>
    void SpokenAgain(int piece, Utterance attempt, ulong seed)
    {
    }

    /// <summary>A piece is done.</summary>
    /// <param name="piece">Which, from 0.</param>
    /// <param name="utterance">Its best attempt.</param>
    void PieceSpoken(int piece, Utterance utterance)
    {
    }

    /// <summary>The script is done, and all of its sound was handed over.</summary>
    /// <param name="spoken">What it came to.</param>
    void Completed(SpokenScript spoken)
    {
    }

    /// <summary>
    /// An utterance failed (what takes the sound counts, and so does an observer), and its script with it. Unless overridden this ends the run.
    /// </summary>
    /// <param name="failure">Why.</param>
    void Failed(Exception failure) => ExceptionDispatchInfo.Throw(failure);
}
