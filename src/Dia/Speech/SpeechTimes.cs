namespace Dia.Speech;

/// <summary>
/// Where the time of a <see cref="SpeechEngine"/> went, all utterances together. On a device that works by itself it is when the host waited: there a
/// stage's end can fall into the next one's time.
/// </summary>
public sealed class SpeechTimes
{
    /// <summary>Encoding texts, with the keys and values of cross-attention.</summary>
    public TimeSpan Encoder { get; internal set; }

    /// <summary>Reading prompts: all rows before the first generated one.</summary>
    public TimeSpan Prompt { get; internal set; }

    /// <summary>Decoding steps, sampling included.</summary>
    public TimeSpan Steps { get; internal set; }

    /// <summary>Turning codes into samples.</summary>
    public TimeSpan Codec { get; internal set; }
}
