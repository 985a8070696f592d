using Dia.Speech;
using Dia.Text;

namespace Dia.Quantization;

/// <summary>A line that a calibration has spoken.</summary>
/// <param name="Piece">What is said.</param>
/// <param name="Voice">The voice to say it in; null: the model's choice.</param>
public sealed record CalibrationLine(ScriptPiece Piece, Voice? Voice = null)
{
    /// <summary>All ids that the model is given: the voice's transcript first.</summary>
    public int[] Ids => Voice is null ? Piece.Ids : [.. Voice.TranscriptIds, .. Piece.Ids];

    /// <summary>Frames of the voice.</summary>
    internal int VoiceFrames => Voice?.Codes.GetLength(0) ?? 0;
}
