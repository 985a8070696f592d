namespace Dia.Speech;

/// <summary>Why an utterance ended.</summary>
public enum SpeechStop
{
    /// <summary>The model ended it.</summary>
    Eos,

    /// <summary>The length limit did.</summary>
    Length,
}

/// <summary>What an utterance of a <see cref="SpeechEngine"/> came to.</summary>
public sealed record SpeechResult
{
    /// <summary>The rows [rows, channels] as <c>generate</c> returns them: prompt, delay, EOS and PAD included.</summary>
    public required int[,] Rows { get; init; }

    /// <summary>The codes of the sound [frames, channels], delay undone.</summary>
    public required int[,] Codes { get; init; }

    /// <summary>Samples handed over; 0 without a codec.</summary>
    public required long Samples { get; init; }

    /// <summary>The largest magnitude of those samples; null: there were none.</summary>
    public required float? Peak { get; init; }

    /// <summary>Why it ended.</summary>
    public required SpeechStop Stop { get; init; }

    /// <summary>The seed it was drawn with.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Rows that were generated.</summary>
    public required int GeneratedRows { get; init; }

    /// <summary>From the utterance's start to its end.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>From the utterance's start to its first samples; null: there were none.</summary>
    public required TimeSpan? FirstAudio { get; init; }

    /// <summary>Rows that were generated before the first samples; 0: there were none.</summary>
    public required int FirstAudioRows { get; init; }

    /// <summary>Frames of the sound.</summary>
    public int Frames => Codes.GetLength(0);
}
