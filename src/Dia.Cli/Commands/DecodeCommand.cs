using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>Codes to audio.</summary>
internal static class DecodeCommand
{
    public static CommandSpec Spec { get; } = new(
        "decode",
        "Turn audio codes into sound: WAV, FLAC or Opus.",
        "CODES.safetensors",
        [new OptionGroup("Output", [DiaOptions.Output, .. DiaOptions.SoundOptions]), DiaOptions.CodecGroup],
        """
        Example:
          dia decode me.safetensors -o me.wav

        The file holds integers named codes, [frames, channels], as --codes and `dia encode` write them; fewer channels than the codec
        has are its first ones.
        """,
        Run);

    private static void Run(Invocation run)
    {
        string path = run.Line.Words[0], output = run.OutputPath(OutputContent.Audio);
        run.KeepInputs([("-o", output)], ("CODES.safetensors", path));
        var form = SoundForm.Read(run.Line, output);
        int[,] codes = CodesFile.Read(path);
        using var files = new Checkpoints(run);
        using Device device = DeviceChoice.Create(run, files, model: false, codec: true);
        using DacModel codec = files.LoadCodec(device);
        int frames = codes.GetLength(0);
        if ((long)frames * codec.HopLength > AudioBuffer.MaxSamples)
            throw new DiaException(DiaErrorKind.Input, $"{path} has {frames} frames; at most {AudioBuffer.MaxSamples / codec.HopLength} are decoded at once.");
        using OutputFile file = run.Interruption.Open(output);
        if (frames == 0)
            run.Reporter.Note($"{path} holds no frames: the audio is empty.");
        float[] samples = frames == 0 ? [] : Decode(codec, codes, path);
        using (var writer = new SoundWriter(file.Stream, form, codec.SamplingRate, form.Tags(null, null), run.Reporter.Note))
        {
            writer.Write(samples);
            writer.Finish();
        }

        file.Commit();
        run.Reporter.Summary(Format.Text($"{frames} frames: {samples.Length / (double)codec.SamplingRate:0.00} s of audio"));
    }

    /// <summary>Decodes; what is wrong with a code is said of its file.</summary>
    private static float[] Decode(DacModel codec, int[,] codes, string path)
    {
        try
        {
            return codec.Decode(codes);
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Input)
        {
            throw new DiaException(e.Kind, $"{path}: {e.Message}", e);
        }
    }
}
