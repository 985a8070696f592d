namespace Dia.Audio;

/// <summary>The silence at the start of a recording: someone pressed the button and then took a breath.</summary>
public static class LeadingSilence
{
    /// <summary>Seconds of it that sound natural, and in which a soft first sound lies.</summary>
    public const double Kept = 0.3;

    // A block counts as sound at 60 dB under full scale, and at 40 dB under the recording's loudest block: above the noise of a room.
    private const double SilentRms = 0.001, BelowLoudest = 0.01, BlockSeconds = 0.01;

    // A click is shorter.
    private const int SoundBlocks = 3;

    /// <summary>How long it is: up to the first 30 ms of sound in the mean of the channels.</summary>
    /// <returns>Seconds; those of the whole recording where there is no sound.</returns>
    public static double Seconds(AudioBuffer audio)
    {
        ArgumentNullException.ThrowIfNull(audio);
        float[] mono = audio.ToMono();
        int block = Math.Max(1, (int)(audio.SamplingRate * BlockSeconds));
        var levels = new double[mono.Length / block];
        for (int i = 0; i < levels.Length; i++)
        {
            double energy = 0;
            foreach (float sample in mono.AsSpan(i * block, block))
                energy += (double)sample * sample;
            levels[i] = Math.Sqrt(energy / block);
        }

        double silent = Math.Max(SilentRms, BelowLoudest * levels.DefaultIfEmpty().Max());
        for (int i = 0, run = 0; i < levels.Length; i++)
        {
            run = levels[i] >= silent ? run + 1 : 0;
            if (run == SoundBlocks)
                return (i + 1 - SoundBlocks) * (double)block / audio.SamplingRate;
        }

        return (double)audio.Frames / audio.SamplingRate;
    }

    /// <summary>The recording with no more than <see cref="Kept"/> of it; a recording without any sound stays as it is.</summary>
    /// <param name="audio">The recording.</param>
    /// <param name="cut">Seconds that were left out.</param>
    public static AudioBuffer Cut(AudioBuffer audio, out double cut)
    {
        ArgumentNullException.ThrowIfNull(audio);
        double silence = Seconds(audio);
        int frames = (int)((silence - Kept) * audio.SamplingRate);
        cut = 0;
        if (frames <= 0 || frames + Kept * audio.SamplingRate >= audio.Frames)
            return audio;
        cut = (double)frames / audio.SamplingRate;
        return new AudioBuffer(audio.Samples[(frames * audio.Channels)..], audio.SamplingRate, audio.Channels);
    }
}
