using System.Globalization;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Where memory is limited, a command does its work or says what memory is missing: exit code 5, and the figures.</summary>
public sealed class MemoryTests : TestFolder
{
    // KiB, as ulimit -v counts. From the third on the demo model does not fit everywhere; at the last the program itself hardly does.
    private static readonly int[] Limits = [600_000, 300_000, 160_000, 130_000, 122_000, 114_000, 106_000, 98_000, 90_000, 82_000, 74_000, 66_000, 62_000];

    public static TheoryData<string> Commands() =>
    [
        "'[S1] Hello world.' --seed 1 --weights copy -o $1/made --codes $1/made.codes --plot $1/made.png",
        "--lines -f $1/lines --batch 8 --seed 1 --max-tokens 40 -o $1/made-{n}.wav",
        "--jsonl -f $1/jsonl --batch 8 --seed 1 --max-tokens 40",
        "'[S1] Hello world.' --seed 1 --split --device scalar --max-tokens 30 -o $1/made",
        "decode $1/codes -o $1/made",
        "encode $1/voice.wav -o $1/made",
        "voice $1/voice.wav --text '[S1] The letter is fast again.' -o $1/made",
        "forward $1/forward $1/made --hidden-states",
        $"convert {Fixtures.Demo} --dtype f32 -o $1/made",
        $"bundle {Fixtures.Demo} -o $1/made",
        "synth --config dia-demo --dtype f32 -o $1/made",
        "info --device cpu",
        "man",
    ];

    [Theory]
    [MemberData(nameof(Commands))]
    public void Too_little_address_space_is_said_with_the_figures(string command)
    {
        Succeeds(Dia.Run("[S1] Hello world.", "--seed", "1", "--codes", In("codes")));
        File.Copy(Fixtures.Path("demo/voice.wav"), In("voice.wav"));
        File.WriteAllText(In("lines"), string.Concat(Enumerable.Repeat("[S1] Hello world.\n", 9)));
        File.WriteAllText(In("jsonl"), string.Concat(Enumerable.Repeat("{\"text\":\"[S1] Hello world.\"}\n", 9)));
        TensorFile.Write(In("forward"), ("input_ids", [1, 3], new long[] { 1, 72, 105 }));
        int done = 0;
        foreach (int limit in Limits)
        {
            // Below what the runtime takes to start, nothing can be said.
            if (limit < 80_000 && Limited(limit, "--version").ExitCode != 0)
                continue;
            foreach (string made in Directory.EnumerateFileSystemEntries(Folder, "made*").ToList())
            {
                if (Directory.Exists(made))
                    Directory.Delete(made, recursive: true);
                else
                    File.Delete(made);
            }

            Outcome outcome = Limited(limit, command);
            string where = $"ulimit -v {limit}: exit code {outcome.ExitCode}: {outcome.Error}";
            Assert.True(outcome.ExitCode is 0 or 5, where);
            done += outcome.ExitCode == 0 ? 1 : 0;
            if (outcome.ExitCode != 5)
                continue;
            Assert.Matches(@"dia: (too little|out of) memory[^\n]*\d MiB of the \d+\.\d MiB of address space that ulimit -v allows are taken\.[^\n]*\n$",
                outcome.Error);
            Assert.DoesNotContain(Names(), n => n.Contains(".tmp", StringComparison.Ordinal)); // A checkpoint's folder may have some of its files.
            Assert.False(File.Exists(In("made")), where);
        }

        Assert.True(done >= 2, "600 and 300 MB are enough for everything here");
    }

    [Fact]
    public void A_model_that_does_not_fit_is_refused_before_the_work()
    {
        Outcome outcome = Limited(107_000, "'[S1] Hello world.' -o $1/made");
        Fails(5, outcome, "too little memory for the model", "mapped weights");
        Assert.Empty(Names());
    }

    [MountFact]
    public void A_control_group_s_limit_is_respected()
    {
        // The kernel would end the program without a word. A limit that stands where one is looked for does for the test.
        const string script = """
            unshare -m sh -c 'mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory && echo $2 > /sys/fs/cgroup/memory.max &&
            cp /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes && exec $0 "[S1] Hello world." --seed 1 -q -o $1/a.wav' $DIA $1 $2
            """;
        Succeeds(Dia.Shell(script, Folder, (1 << 30).ToString(CultureInfo.InvariantCulture)));
        File.Delete(In("a.wav"));

        // Not even the model's copies fit; then they do, but the caches do not.
        Fails(5, Dia.Shell(script, Folder, (24 << 20).ToString(CultureInfo.InvariantCulture)), "too little memory for the model",
            "the control group allows 24.0 MiB");
        Fails(5, Dia.Shell(script, Folder, (40 << 20).ToString(CultureInfo.InvariantCulture)), "too little memory for the work",
            "the control group allows 40.0 MiB");
        Assert.Empty(Names());
    }

    private Outcome Limited(int limit, string call) => Dia.Shell($"ulimit -v {limit}; exec $DIA {call}", Folder);
}
