using Dia.Audio;

namespace Dia.Cli.Output;

/// <summary>Writes audio to an output.</summary>
internal static class AudioOutput
{
    /// <summary>A whole WAV, or raw samples.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public static void Write(OutputFile file, ReadOnlySpan<float> samples, int samplingRate, bool raw)
    {
        using (var writer = new WavWriter(file.Stream, samplingRate, raw))
            writer.Write(samples);
        file.Commit();
    }
}
