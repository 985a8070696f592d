namespace Dia.Networks;

/// <summary>Codes of consecutive frames in the device's memory, frame by frame.</summary>
/// <param name="data">The first frame's.</param>
/// <param name="firstFrame">Which frame of the sound that is.</param>
/// <param name="codebooks">Codes of a frame.</param>
public readonly unsafe struct CodecCodes(int* data, long firstFrame, int codebooks)
{
    /// <summary>Codes of a frame: from one of a codebook to the next.</summary>
    public int Codebooks => codebooks;

    /// <summary>A frame's code of a codebook.</summary>
    public int* At(long frame, int codebook) => data + (frame - firstFrame) * codebooks + codebook;
}
