namespace Dia.Training;

/// <summary>A recording as codes, and what is said in it: what a model is to learn to say.</summary>
public sealed class TrainingExample
{
    private readonly short[] _codes;
    private readonly int _channels;

    /// <summary>Takes a recording's codes.</summary>
    /// <param name="place">What messages call it.</param>
    /// <param name="text">What is said, speaker's tags included.</param>
    /// <param name="codes">Its codes [frames, channels], delay undone.</param>
    /// <param name="share">A number in [0, 1) that is always the same for this recording: which examples are held out depends on it.</param>
    /// <exception cref="ArgumentException">There are no codes.</exception>
    /// <exception cref="OverflowException">A code is not within int16.</exception>
    public TrainingExample(string place, string text, int[,] codes, double share = 1)
        : this(place, text, Flat(codes ?? throw new ArgumentNullException(nameof(codes))), codes.GetLength(1), share)
    {
    }

    internal TrainingExample(string place, string text, short[] codes, int channels, double share)
    {
        ArgumentNullException.ThrowIfNull(place);
        ArgumentNullException.ThrowIfNull(text);
        if (codes.Length == 0)
            throw new ArgumentException("A recording has at least one frame.", nameof(codes));
        (Place, Text, Share, _codes, _channels) = (place, text, share, codes, channels);
    }

    /// <summary>What messages call it: the recording, or a manifest and its line.</summary>
    public string Place { get; }

    /// <summary>What is said.</summary>
    public string Text { get; }

    /// <summary>A number in [0, 1) that is always the same for this recording.</summary>
    internal double Share { get; }

    /// <summary>Frames of codes.</summary>
    public int Frames => _codes.Length / _channels;

    /// <summary>Its codes [frames, channels].</summary>
    public int[,] Codes()
    {
        int[,] codes = new int[Frames, _channels];
        for (int i = 0; i < _codes.Length; i++)
            codes[i / _channels, i % _channels] = _codes[i];
        return codes;
    }

    internal static short[] Flat(int[,] codes)
    {
        short[] flat = new short[codes.Length];
        int i = 0;
        foreach (int code in codes)
            flat[i++] = checked((short)code);
        return flat;
    }
}
