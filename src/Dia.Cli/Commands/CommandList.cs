using Dia.Cli.Options;

namespace Dia.Cli.Commands;

/// <summary>All commands. The first is the one without a name.</summary>
internal static class CommandList
{
    public static IReadOnlyList<CommandSpec> All { get; } =
    [
        SpeakCommand.Spec,
        PrepareCommand.Spec,
        ForwardCommand.Spec,
        GenerateCommand.Spec,
        VoiceCommand.Spec,
        EncodeCommand.Spec,
        DecodeCommand.Spec,
        TrainCommand.Spec,
        SynthCommand.Spec,
        ConvertCommand.Spec,
        BundleCommand.Spec,
        InfoCommand.Spec,
        SelfTestCommand.Spec,
        BenchCommand.Spec,
        CompletionCommand.Spec,
        ManCommand.Spec,
    ];
}
