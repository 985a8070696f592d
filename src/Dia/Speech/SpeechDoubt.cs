namespace Dia.Speech;

/// <summary>What may be wrong with speech that was made.</summary>
public enum SpeechDoubtKind
{
    /// <summary>There is none: the model ended at once.</summary>
    Empty,

    /// <summary>The length limit cut it.</summary>
    Cut,

    /// <summary>The length limit ended it, long after its text must have been said.</summary>
    Endless,

    /// <summary>It took less time than its text can be said in.</summary>
    Short,

    /// <summary>Nothing can be heard in it.</summary>
    Silent,
}

/// <summary>Why speech may not be what its text asked for.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Message">The same in words, to stand behind a name.</param>
public sealed record SpeechDoubt(SpeechDoubtKind Kind, string Message)
{
    // A word may be drawn out, and a limit may be set on purpose.
    private const double LeastEndless = 2;

    /// <summary>Whether another seed may help.</summary>
    public bool CanBeBetter => Kind is SpeechDoubtKind.Empty or SpeechDoubtKind.Short or SpeechDoubtKind.Endless;

    /// <summary>Looks at speech that was made.</summary>
    /// <param name="stop">Why it ended.</param>
    /// <param name="frames">Its frames, those of a voice before it left out.</param>
    /// <param name="seconds">How long it takes, with a voice before it whose transcript is part of the characters; null: not known.</param>
    /// <param name="peak">Its largest magnitude; null: no sound was made.</param>
    /// <param name="characters">What its text has to say.</param>
    /// <param name="pace">How fast its script is spoken.</param>
    /// <returns>The worst that is to be said of it; null: nothing.</returns>
    public static SpeechDoubt? Of(SpeechStop stop, int frames, double? seconds, float? peak, int characters, SpeakingPace pace)
    {
        ArgumentNullException.ThrowIfNull(pace);
        string after = seconds is double s ? Text($"after {s:0.00} s") : Text($"after {frames} frames");
        if (stop == SpeechStop.Length && seconds is double said && characters > 0 && said > LeastEndless && pace.IsTooLong(characters, said))
            return new SpeechDoubt(SpeechDoubtKind.Endless,
                Text($"went on until the length limit ended it {after}, long after its {characters} characters must have been said"));
        if (stop == SpeechStop.Length)
            return new SpeechDoubt(SpeechDoubtKind.Cut, $"was cut by the length limit {after}");
        if (frames == 0)
            return new SpeechDoubt(SpeechDoubtKind.Empty, "has no audio: the model ended at once");
        if (seconds is double spoken && pace.IsTooShort(characters, spoken))
            return new SpeechDoubt(SpeechDoubtKind.Short, Text($"ended {after}, too soon for its {characters} characters"));
        return peak < Voice.Silence ? new SpeechDoubt(SpeechDoubtKind.Silent, "is silent from its start to its end") : null;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
