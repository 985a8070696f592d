using Dia.Audio;

namespace Dia.Cli.Output;

/// <summary>Writes audio to an output as it comes: each piece is handed on at once.</summary>
/// <param name="file">The output.</param>
/// <param name="samplingRate">Samples a second.</param>
/// <param name="raw">No header.</param>
internal sealed class AudioOutput(OutputFile file, int samplingRate, bool raw)
{
    private WavWriter? _writer;

    /// <summary>A whole WAV, or raw samples.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public static void Write(OutputFile file, ReadOnlySpan<float> samples, int samplingRate, bool raw)
    {
        var output = new AudioOutput(file, samplingRate, raw);
        output.Write(samples);
        output.Complete();
    }

    /// <summary>Appends samples and hands them on. The header comes with the first, so that a failure before them leaves nothing.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(ReadOnlySpan<float> samples)
    {
        _writer ??= new WavWriter(file.Stream, samplingRate, raw);
        _writer.Write(samples);
        _writer.Flush();
    }

    /// <summary>Makes the sizes true and completes the file.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Complete()
    {
        _writer ??= new WavWriter(file.Stream, samplingRate, raw);
        _writer.Dispose();
        file.Commit();
    }
}
