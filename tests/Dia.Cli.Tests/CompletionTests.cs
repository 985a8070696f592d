using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Completion scripts and the manual page, read by the programs that they are for.</summary>
public sealed class CompletionTests : TestFolder
{
    // Words of the command line, the last one to be completed; then some of what must be offered, and some of what must not.
    private static readonly (string[] Line, string[] Offered, string[] Refused)[] Cases =
    [
        (["--tem"], ["--temperature"], ["--top-k"]),
        (["-"], ["-o", "--output", "--help", "--plot"], ["--dtype"]),
        ([""], ["forward", "encode", "info", "completion", "man"], ["--temperature"]),
        (["enc"], ["encode"], ["decode"]),
        (["voi"], ["voice"], ["encode"]),
        (["voice", "--te"], ["--text"], ["--temperature"]),
        (["-q", "--seed", "5", "inf"], ["info"], ["encode"]),
        (["--seed", "info", "--plo"], ["--plot"], []),
        (["--device", ""], ["auto", "cpu", "scalar"], ["encode"]),
        (["--device", "s"], ["scalar"], ["auto"]),
        (["encode", "--device", "c"], ["cpu"], ["auto"]),
        (["convert", "--dtype", ""], ["bf16", "f16", "f32", "int8", "int4"], []),
        (["synth", "--dtype", ""], ["bf16", "f32"], ["f16"]),
        (["synth", "--config", "dia-d"], ["dia-demo"], ["dia-1.6b"]),
        (["synth", "--"], ["--dtype", "--config"], ["--temperature"]),
        (["completion", ""], ["bash", "zsh", "fish"], ["encode"]),
        (["[S1] Hi.", "--see"], ["--seed"], []),
        (["[S1] Hi.", "enc"], [], ["encode"]),
        (["encode", ""], ["one.wav", "folder"], ["encode"]),
        (["encode", "on"], ["one.wav"], ["folder"]),
        (["convert", "-o", ""], ["folder"], ["one.wav"]),
        (["-f", "o"], ["one.wav"], []),
        (["--", "--tem"], [], ["--temperature"]),
    ];

    public CompletionTests()
    {
        File.WriteAllText(In("one.wav"), "");
        Directory.CreateDirectory(In("folder"));
    }

    [NeedsFact("bash")]
    public void Bash_completes()
    {
        File.WriteAllText(In("dia.bash"), Succeeds(Dia.Run("completion", "bash")).Text);
        const string script =
            "cd \"$1\" && source ./dia.bash && shift && COMP_WORDS=(dia \"$@\") COMP_CWORD=$# && { _dia; printf '%s\\n' \"${COMPREPLY[@]}\"; }";
        foreach (var (line, offered, refused) in Cases)
            Check(line, offered, refused,
                Succeeds(Dia.Shell("script=$1; shift; exec bash -uc \"$script\" bash \"$@\"", [script, Folder, .. line])).Text.Split('\n'));
        // What bash makes of --device=s.
        Check(["--device", "=", "s"], ["scalar"], ["auto"],
            Succeeds(Dia.Shell("exec bash -c \"$1\" bash \"$2\" --device = s", script, Folder)).Text.Split('\n'));
        Assert.Contains("_dia dia", Succeeds(Dia.Shell("cd $1 && exec bash -c 'source ./dia.bash; complete -p dia'", Folder)).Text, StringComparison.Ordinal);
    }

    [NeedsFact("fish")]
    public void Fish_completes()
    {
        File.WriteAllText(In("dia.fish"), Succeeds(Dia.Run("completion", "fish")).Text);
        foreach (var (line, offered, refused) in Cases)
        {
            // fish offers options only once a dash is there, long ones after two, and takes a flag's other name as said.
            string typed = "dia " + string.Join(' ', line.Select(w => w.Contains(' ', StringComparison.Ordinal) ? $"\"{w}\"" : w));
            string[] offers = [.. Succeeds(Dia.Shell("cd $1 && HOME=$1 exec fish -c 'source dia.fish; complete -C $argv[1]' \"$2\"", Folder, typed)).Text.Split(
                '\n').Select(o => o.Split('\t')[0].TrimEnd('/'))];
            Check(line, offered, refused, offers);
        }
    }

    [NeedsFact("zsh")]
    public void Zsh_takes_the_script()
    {
        File.WriteAllText(In("_dia"), Succeeds(Dia.Run("completion", "zsh")).Text);
        Assert.Empty(Succeeds(Dia.Shell("exec zsh -n $1", In("_dia"))).Error);
        // Both ways of loading it.
        Assert.Equal("_dia\n",
            Succeeds(Dia.Shell("cd $1 && exec zsh -fc 'autoload -Uz compinit; compinit -u -D; source ./_dia; print $_comps[dia]'", Folder)).Text);
        Assert.Equal("_dia\n",
            Succeeds(Dia.Shell("cd $1 && exec zsh -fc 'fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[dia]'", Folder)).Text);
    }

    [NeedsFact("zsh")]
    public void Zsh_completes_on_a_terminal()
    {
        File.WriteAllText(In("_dia"), Succeeds(Dia.Run("completion", "zsh")).Text);
        const string script = """
            zmodload zsh/zpty
            zpty z zsh -f -i
            zpty -w z 'PS1=; autoload -Uz compinit; compinit -u -D; source ./_dia; dia() { print -r -- "GOT:" "$@:" }; print REA""DY'
            local all='' out i
            for ((i = 0; i < 200; i++)); do zpty -r -t z out && all+=$out; [[ $all == *READY* ]] && break; sleep 0.1; done
            sleep 0.5
            while zpty -r -t z out; do :; done
            all=''
            zpty -n -w z "$1"$'\t\n'
            for ((i = 0; i < 200; i++)); do zpty -r -t z out && all+=$out; [[ $all == *GOT:*:* ]] && break; sleep 0.1; done
            print -r -- $all
            """;
        foreach (var (typed, got) in new[] { ("dia --temp", "--temperature"), ("dia encod", "encode"), ("dia --device sc", "--device scalar"),
            ("dia convert --dtype bf", "convert --dtype bf16"), ("dia completion fi", "completion fish") })
            Assert.Contains($"GOT: {got}", Succeeds(Dia.Shell("cd $1 && exec zsh -fc \"$2\" zsh \"$3\"", Folder, script, typed)).Text,
                StringComparison.Ordinal);
    }

    [Fact]
    public void A_shell_that_is_not_known_is_refused()
    {
        Fails(2, Dia.Run("completion", "csh"), "csh", "bash, zsh, fish");
        Fails(2, Dia.Run("completion"), "bash|zsh|fish");
        Fails(2, Dia.Run("man", "dia"), "no arguments");
    }

    [Fact]
    public void The_manual_names_every_option_and_command_of_the_help()
    {
        string manual = Succeeds(Dia.Run("man")).Text.Replace("\\-", "-", StringComparison.Ordinal), help = Succeeds(Dia.Run("--help")).Text;
        string[] names = [.. Regex.Matches(help, @"^ +(?:-\w, )?(--[a-z-]+)", RegexOptions.Multiline).Select(m => m.Groups[1].Value)];
        string[] variables = [.. Regex.Matches(help, @"\[(DIA_[A-Z_]+)\]").Select(m => m.Groups[1].Value)];
        Assert.True(names.Length > 15 && variables.Length > 15);
        Assert.All([.. names, .. variables], name => Assert.Contains($"\\fB{name}\\fR", manual, StringComparison.Ordinal));
        foreach (string command in new[] { "prepare", "forward", "generate", "voice", "encode", "decode", "synth", "convert", "bundle", "info", "completion", "man" })
            Assert.Contains($".SS \\fBdia {command}\\fR", manual, StringComparison.Ordinal);
        foreach (int code in new[] { 0, 1, 2, 3, 4, 5, 6, 70, 129, 130, 143 })
            Assert.Contains($".TP\n\\fB{code}\\fR\n", manual, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_request_of_the_manual_is_one_of_man()
    {
        string[] lines = Succeeds(Dia.Run("man")).Text.Split('\n');
        Assert.StartsWith(".TH DIA 1 ", lines[0], StringComparison.Ordinal);
        string[] known = [".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi", ".sp", ".nh"];
        Assert.All(lines.Where(l => l.StartsWith('.') || l.StartsWith('\'')), l => Assert.Contains(l.Split(' ')[0], known));
        Assert.All(lines, l => Assert.Matches(@"^([^\\]|\\(-|e|&|f[BIR]|\((aq|ga|ha|ti)))*$", l));
        Assert.Equal(lines.Count(l => l == ".nf"), lines.Count(l => l == ".fi"));
    }

    [NeedsFact("groff")]
    public void Groff_sets_the_manual_without_a_warning() => Assert.Empty(Succeeds(Dia.Shell("$DIA man | groff -man -Tutf8 -ww -z")).Error);

    [NeedsFact("mandoc")]
    public void Mandoc_finds_no_error_in_the_manual() => Succeeds(Dia.Shell("$DIA man | mandoc -T lint -W error"));

    [NeedsFact("man", "groff")]
    public void Man_shows_the_manual()
    {
        string shown = Succeeds(Dia.Shell("$DIA man > $1 && MANPAGER=cat MANWIDTH=100 LC_ALL=C exec man -l $1", In("dia.1"))).Text;
        foreach (string part in new[] { "--temperature X", "DIA_TEMPERATURE", "dia encode [OPTIONS] IN", "EXIT STATUS", "[S1] Hello there." })
            Assert.Contains(part, Regex.Replace(shown, ".\b", ""), StringComparison.Ordinal);
    }

    private static void Check(string[] line, string[] offered, string[] refused, string[] offers)
    {
        string all = $"dia {string.Join(' ', line)}: {string.Join(' ', offers)}";
        Assert.All(offered, o => Assert.True(offers.Contains(o), $"{o} is not offered: {all}"));
        Assert.All(refused, o => Assert.False(offers.Contains(o), $"{o} is offered: {all}"));
    }
}
