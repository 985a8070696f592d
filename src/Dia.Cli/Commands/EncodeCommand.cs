using Dia.Cli.Input;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>Audio to codes.</summary>
internal static class EncodeCommand
{
    public static CommandSpec Spec { get; } = new(
        "encode",
        "Turn a recording into audio codes (safetensors: codes, int16 [frames, channels]).",
        "IN",
        [new OptionGroup("Output", [DiaOptions.Output, DiaOptions.Quantizers]), DiaOptions.CodecGroup],
        """
        Example:
          dia encode me.wav -o me.safetensors

        IN is a WAV (RF64 and Wave64 too; PCM of 8 to 32 bits, or float), FLAC, MP3, or Opus or Vorbis in Ogg, whatever its name, of any
        rate and number of channels; - is standard input. It is averaged to mono, resampled to the codec's rate, and padded with silence
        to whole frames.
        """,
        Run);

    private static void Run(Invocation run)
    {
        string path = run.Line.Words[0], output = run.OutputPath(OutputContent.Codes);
        run.KeepInputs([("-o", output)], ("IN", path));
        AudioBuffer audio = VoiceInput.ReadAudio(run, path);
        if (audio.Frames == 0)
            throw new DiaException(DiaErrorKind.Input, $"{VoiceInput.Name(path)} holds no samples.");
        using var files = new Checkpoints(run);
        using Device device = DeviceChoice.Create(run, files, model: false, codec: true);
        int? quantizers = run.Line.GetValue(DiaOptions.Quantizers);
        if (quantizers > files.Codec.Config.NCodebooks)
            throw CommandLine.Usage(Format.Text(
                $"{DiaOptions.Quantizers.Name} is {quantizers}; it must be from 1 to {files.Codec.Config.NCodebooks}, the codebooks of {files.Codec.Folder.Description}."));
        using DacModel codec = files.LoadCodec(device);
        using OutputFile file = run.Interruption.Open(output);
        int[,] codes = codec.Encode(audio, quantizers);
        CodesFile.Write(file.Stream, codes);
        file.Commit();
        run.Reporter.Summary(
            Format.Text($"{audio.Frames / (double)audio.SamplingRate:0.00} s of audio: {codes.GetLength(0)} frames of {codes.GetLength(1)} codes"));
    }
}
