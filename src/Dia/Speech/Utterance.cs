using Dia.Configuration;
using Dia.Text;

namespace Dia.Speech;

/// <summary>A text to be spoken in one run of the model, maybe in a voice, and what it came to. It is judged by how long such a text takes to say.</summary>
public class Utterance : SpeechJob
{
    private readonly double? _frameRate;

    /// <summary>Puts a text behind what is said in a voice.</summary>
    /// <param name="model">The model's configuration.</param>
    /// <param name="piece">The text. Where it is too long for the model its end is left out.</param>
    /// <param name="voice">The voice to go on from; null: none.</param>
    /// <param name="config">How to generate.</param>
    /// <param name="frameRate">Frames of a second of sound; null: not known, so nothing is said of its length.</param>
    public Utterance(DiaConfig model, ScriptPiece piece, Voice? voice, GenerationConfig config, double? frameRate)
        : base(Join(model, piece, voice), config) => (Piece, Voice, Prompt, _frameRate) = (piece, voice, voice?.Codes, frameRate);

    /// <summary>What is said.</summary>
    public ScriptPiece Piece { get; }

    /// <summary>The voice that it goes on from; null: none.</summary>
    public Voice? Voice { get; }

    /// <summary>How fast its script is spoken, which it is judged by.</summary>
    public SpeakingPace Pace { get; init; } = new();

    /// <summary>Takes its samples, which are valid during the call only; null: nobody does.</summary>
    public Action<ReadOnlySpan<float>>? Write { get; init; }

    /// <summary>What it came to; null before that.</summary>
    public SpeechResult? Result { get; private set; }

    /// <summary>Why it may not be what its text asks for; null: nothing says so.</summary>
    public SpeechDoubt? Doubt { get; private set; }

    /// <summary>Frames of the voice.</summary>
    public int VoiceFrames => Prompt?.GetLength(0) ?? 0;

    /// <summary>Rows of the prompt, the one that begins included.</summary>
    public int PromptRows => VoiceFrames + 1;

    /// <summary>Rows to generate at most.</summary>
    public long RowsLeft => Config.RowLimit(PromptRows) - PromptRows;

    /// <summary>Seconds of speech that there is room for.</summary>
    public double RoomSeconds => (RowsLeft - Config.DelayPattern.Max() - 1) / _frameRate ?? double.PositiveInfinity;

    /// <summary>Whether its text takes longer to say than there is room. Of one that begins with a voice's transcript that is not known.</summary>
    public bool IsCrowded => !HasTranscript && RoomSeconds < Piece.Seconds;

    /// <summary>How long it took, a voice that is kept left out; null: not known.</summary>
    public double? Seconds => Frames / _frameRate;

    /// <summary>How long all of its text's characters took: a transcript that is part of the text was spoken in the voice's own frames.</summary>
    internal double? PacedSeconds => (Frames + (HasTranscript ? VoiceFrames : 0)) / _frameRate;

    private int Frames => (Result?.Frames ?? 0) - (KeepPrompt ? VoiceFrames : 0);

    private bool HasTranscript => Voice is { Transcript.Length: 0 };

    /// <inheritdoc/>
    protected internal override void OnSamples(ReadOnlySpan<float> samples) => Write?.Invoke(samples);

    /// <inheritdoc/>
    protected internal override void OnCompleted(SpeechResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        Result = result;
        Doubt = SpeechDoubt.Of(result.Stop, Frames, PacedSeconds, result.Peak, Piece.Characters, Pace);
    }

    private static int[] Join(DiaConfig model, ScriptPiece piece, Voice? voice)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(piece);
        int[] ids = voice is null ? piece.Ids : [.. voice.TranscriptIds, .. piece.Ids];
        return ids.Length <= model.EncoderConfig.MaxPositionEmbeddings ? ids : ids[..model.EncoderConfig.MaxPositionEmbeddings];
    }
}
