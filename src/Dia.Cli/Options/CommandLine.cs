using System.CommandLine;
using System.CommandLine.Parsing;

namespace Dia.Cli.Options;

/// <summary>The command line and the environment, read.</summary>
/// <param name="Command">The command.</param>
/// <param name="Words">Its words, in order.</param>
/// <param name="Values">The options that are set, by option.</param>
internal sealed record CommandLine(CommandSpec Command, IReadOnlyList<string> Words, IReadOnlyDictionary<OptionSpec, object> Values)
{
    /// <summary>Whether all words came after `--`: they are meant as they stand.</summary>
    public bool WordsAfterDashes { get; init; }

    /// <summary>Whether an option is set, and to what.</summary>
    public bool TryGet<T>(OptionSpec<T> option, out T value)
        where T : notnull
    {
        bool found = Values.TryGetValue(option, out object? stored);
        value = found ? (T)stored! : default!;
        return found;
    }

    /// <summary>An option's value, or null.</summary>
    public T? GetValue<T>(OptionSpec<T> option)
        where T : struct => TryGet(option, out T value) ? value : null;

    /// <summary>An option's value, or null.</summary>
    public string? Get(OptionSpec<string> option) => TryGet(option, out string value) ? value : null;

    /// <summary>The values of an option that may be given several times, in their order.</summary>
    public IReadOnlyList<string> GetAll(OptionSpec<string> option) =>
        Values.TryGetValue(option, out object? values) ? [.. ((object[])values).Cast<string>()] : [];

    /// <summary>Whether a value was typed; otherwise there is none, or the environment has it.</summary>
    public bool IsTyped(OptionSpec<string> option) => Get(option) is { } value && Environment.GetEnvironmentVariable(option.Variable) != value;

    /// <summary>Whether a flag is set.</summary>
    public bool Has(OptionSpec<bool> option) => TryGet(option, out bool value) && value;

    /// <summary>Whether an option is set to something; a flag: to on.</summary>
    public bool Sets(OptionSpec option) => Values.TryGetValue(option, out object? value) && value is not false;

    /// <summary>Reads the command line and the environment.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="commands">The commands; the first is the one without a name.</param>
    /// <exception cref="DiaException">Usage.</exception>
    public static CommandLine Parse(IReadOnlyList<string> args, IReadOnlyList<CommandSpec> commands)
    {
        (CommandSpec command, IReadOnlyList<string> rest) = FindCommand(args, commands);
        var words = new Argument<string[]>("WORDS") { Arity = ArgumentArity.ZeroOrMore };
        // The parser takes a first "[S1]" for one of its directives; any other token in front of it prevents that.
        var start = new Option<bool>("--\u0001") { Arity = ArgumentArity.Zero };
        var parser = new Command("dia") { words, start };
        var options = command.Options.ToDictionary(o => o, ParserOption);
        foreach (Option option in options.Values)
            parser.Options.Add(option);
        CheckFlags(rest, command);
        ParseResult result = parser.Parse(["dia", start.Name, .. rest], new ParserConfiguration { ResponseFileTokenReplacer = null });
        foreach (OptionSpec asked in new[] { DiaOptions.Help, DiaOptions.Version })
            if (result.GetResult(options[asked]) is not null)
                return new CommandLine(command, [], new Dictionary<OptionSpec, object> { [asked] = true });
        if (result.Errors.Count > 0)
            throw Usage(string.Join(' ', result.Errors.Select(e => e.Message)));
        string[] given = [.. result.GetResult(words)?.Tokens.Select(t => t.Value) ?? []];
        int before = WordsBeforeDashes(given, result.Tokens);
        CheckNoOption(given.Take(before), command);
        var values = new Dictionary<OptionSpec, object>();
        foreach (var (spec, option) in options)
        {
            if (result.GetResult(option) is { } typed)
                values[spec] = spec.Value is null ? true
                    : spec.IsRepeatable ? typed.Tokens.Select(t => Parse(spec, t.Value, typed: true)).ToArray()
                    : Parse(spec, typed.Tokens[0].Value, typed: true);
            else if (spec.HasVariable && Environment.GetEnvironmentVariable(spec.Variable) is { Length: > 0 } text)
                values[spec] = Parse(spec, text, typed: false);
        }

        if (command.WordCount is int count && given.Length != count)
            throw Usage(count == 0
                ? $"{command.Title} takes no arguments, but got '{given[0]}'."
                : $"{command.Title} takes {command.Words}; it got {given.Length} argument{(given.Length == 1 ? "" : "s")}.");
        if (command.WordCount > 0 && command.WordChoices.Count == 0)
            foreach (string word in given)
                NameBytes.CheckWord(command, word);
        return new CommandLine(command, given, values) { WordsAfterDashes = before == 0 };
    }

    private static Option ParserOption(OptionSpec spec)
    {
        string[] others = spec.ShortName is null ? [] : [spec.ShortName];
        return spec.IsRepeatable
            ? new Option<string[]>(spec.Name, others) { Arity = ArgumentArity.OneOrMore }
            : new Option<string>(spec.Name, others) { Arity = spec.Value is null ? ArgumentArity.Zero : ArgumentArity.ExactlyOne };
    }

    private static object Parse(OptionSpec spec, string text, bool typed)
    {
        NameBytes.Check(spec, text, typed);
        return spec.Parse(text, typed ? spec.Name : spec.Variable);
    }

    /// <summary>The variables of the environment that look like those of options, and are of none: slips.</summary>
    /// <param name="commands">All commands.</param>
    /// <param name="others">Names, or beginnings of names, that others read.</param>
    public static IEnumerable<string> StrayVariables(IReadOnlyList<CommandSpec> commands, params string[] others)
    {
        HashSet<string> known = [.. commands.SelectMany(c => c.Options).Where(o => o.HasVariable).Select(o => o.Variable)];
        IEnumerable<string> names = Environment.GetEnvironmentVariables().Keys.Cast<string>().Order(StringComparer.Ordinal);
        return names.Where(name => name.StartsWith(OptionSpec.VariableStart, StringComparison.Ordinal)
            && !known.Contains(name) && !others.Any(o => name.StartsWith(o, StringComparison.Ordinal)));
    }

    /// <summary>An error in how the command was called.</summary>
    public static DiaException Usage(string message) => new(DiaErrorKind.Usage, message);

    /// <summary>The first word names the command, unless `--` comes before it; options may come before it.</summary>
    private static (CommandSpec Command, IReadOnlyList<string> Arguments) FindCommand(IReadOnlyList<string> args, IReadOnlyList<CommandSpec> commands)
    {
        for (int i = 0; i < args.Count && args[i] != "--"; i++)
        {
            if (args[i].Length > 1 && args[i][0] == '-')
            {
                if (TakesNext(args[i], commands))
                    i++;
                continue;
            }

            if (commands.Skip(1).FirstOrDefault(c => c.Name == args[i]) is { } command)
                return (command, [.. args.Take(i), .. args.Skip(i + 1)]);
            break;
        }

        return (commands[0], args);
    }

    /// <summary>Whether an argument is an option whose value is the next argument: --seed 1, -o FILE, -qo FILE.</summary>
    private static bool TakesNext(string argument, IReadOnlyList<CommandSpec> commands)
    {
        if (argument.StartsWith("--", StringComparison.Ordinal))
            return Find(argument)?.Value is not null;
        for (int i = 1; i < argument.Length; i++)
            if (Find("-" + argument[i])?.Value is not null)
                return i == argument.Length - 1;
        return false;

        OptionSpec? Find(string name) => commands.SelectMany(c => c.Options).FirstOrDefault(o => o.Name == name || o.ShortName == name);
    }

    private static int WordsBeforeDashes(string[] words, IReadOnlyList<Token> tokens)
    {
        int afterDashes = tokens.Reverse().TakeWhile(t => t.Type != TokenType.DoubleDash).Count();
        return afterDashes == tokens.Count ? words.Length : words.Length - afterDashes;
    }

    /// <summary>The parser takes the "false" of "--trim=false" for a word, and the flag for set.</summary>
    private static void CheckFlags(IEnumerable<string> arguments, CommandSpec command)
    {
        foreach (string argument in arguments.TakeWhile(a => a != "--").Where(a => a.StartsWith('-')))
            if (argument.IndexOfAny(['=', ':']) is > 0 and int end
                && command.Options.FirstOrDefault(o => o.Value is null && (o.Name == argument[..end] || o.ShortName == argument[..end])) is { } flag)
                throw Usage(
                    $"{flag.Name} takes no value, but got '{argument[(end + 1)..]}': give it or leave it out{(flag.HasVariable ? $" ({flag.Variable}=0 in the environment is off)" : "")}.");
    }

    /// <summary>The parser takes an option it does not know for a word.</summary>
    private static void CheckNoOption(IEnumerable<string> words, CommandSpec command)
    {
        if (words.FirstOrDefault(w => w.Length > 1 && w[0] == '-') is { } word)
            throw Usage($"{command.Title} has no option {word.Split('=')[0]}. Text that begins with a dash goes after --.");
    }
}
