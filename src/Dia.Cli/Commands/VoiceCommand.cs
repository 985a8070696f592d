using Dia.Cli.Input;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>A recording to a voice file.</summary>
internal static class VoiceCommand
{
    public static CommandSpec Spec { get; } = new(
        "voice",
        "Keep the voice of a recording in a file, for --voice.",
        "IN",
        [new OptionGroup("Recording", [DiaOptions.VoiceText, DiaOptions.RawText, DiaOptions.KeepSilence]), new OptionGroup("Output", [DiaOptions.Output]),
            DiaOptions.CodecGroup],
        """
        Example:
          dia voice me.wav --text "[S1] What I say in me.wav." -o me.voice
          dia "[S1] Now I say this." --voice me.voice -o out.wav

        IN is a WAV, FLAC, MP3, Opus or Vorbis of any rate and number of channels; - is standard input. 5 to 10 seconds of one speaker
        are best. The file is safetensors: codes (int16 [frames, channels]), samples of the codec's
        codebooks, and in its metadata the transcript. Another codec's voice is refused; the same codec in another format of weights
        is no other.
        """,
        Run);

    private static void Run(Invocation run)
    {
        string path = run.Line.Words[0], name = VoiceInput.Name(path), output = run.OutputPath(OutputContent.Voice);
        run.KeepInputs([("-o", output)], ("IN", path));
        string text = TextInput.Transcript(run.Line, DiaOptions.VoiceText, run.Required(DiaOptions.VoiceText));
        AudioBuffer audio = VoiceInput.ReadVoice(run, path);
        using var files = new Checkpoints(run);
        using Device device = DeviceChoice.Create(run, files, model: false, codec: true);
        // A codec alone sets no limit; the model that speaks with the voice will.
        bool codecAlone = (run.Line.Get(DiaOptions.Codec) is not null && run.Line.Get(DiaOptions.Model) is null) || files.IsCodec;
        DiaConfig? config = codecAlone ? null : ModelCatalog.ReadConfig(files.Folder);
        using DacModel codec = files.LoadCodec(device, config);
        using OutputFile file = run.Interruption.Open(output);
        var voice = Voice.Encode(audio, text, codec, name, config is null ? int.MaxValue : Voice.MaxFrames(config));
        voice.Save(file.Stream);
        file.Commit();
        run.Reporter.Summary(Format.Text($"{audio.Frames / (double)audio.SamplingRate:0.00} s of audio: a voice of {voice.Codes.GetLength(0)} frames"));
    }
}
