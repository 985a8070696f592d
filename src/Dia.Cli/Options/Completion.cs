using Dia.Compiled;

namespace Dia.Cli.Options;

/// <summary>What the completion scripts of all shells say.</summary>
internal static class Completion
{
    /// <summary>An option's names.</summary>
    public static IEnumerable<string> Names(OptionSpec option) => option.ShortName is null ? [option.Name] : [option.ShortName, option.Name];

    /// <summary>Names of all options that take a value.</summary>
    public static IEnumerable<string> WithValue(IReadOnlyList<CommandSpec> commands) =>
        commands.SelectMany(c => c.Options).Where(o => o.Value is not null).SelectMany(Names).Distinct().Order(StringComparer.Ordinal);

    /// <summary>The values that an option can have; empty where they cannot be listed.</summary>
    public static IReadOnlyList<string> Choices(OptionSpec option) => option == DiaOptions.Config
        ? [.. CompiledModels.All.Select(n => n.Name).Distinct()] : option.Choices;

    /// <summary>The first sentence of a help text, without what shells treat specially.</summary>
    public static string Brief(string help)
    {
        int end = help.IndexOf(". ", StringComparison.Ordinal);
        return (end < 0 ? help : help[..end]).TrimEnd('.').Replace("`", "");
    }
}
