using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>
/// The executable holds an image for AVX2 and one for AVX-512: which runs, how that is chosen, and that nobody notices otherwise. What the
/// two compute is tested where it is compared with the reference: there is a device called <see cref="SoftGpu.Avx2"/>.
/// </summary>
public sealed class InstructionLevelTests : TestFolder
{
    private const string Both = "of avx2, avx512 and avx512_bf16 in this executable";
    private const string Hello = "'[S1] Hello world.' --seed 4 --raw"; // To a file a WAV has another header than to a pipe.

    // Numbers of calls on x86-64, and of errors.
    private const int MemoryFile = 319;
    private const int Execute = 322;
    private const int NotPermitted = 1;
    private const int NoAccess = 13;
    private const int Invalid = 22;
    private const int NoSuchCall = 38;
    private const int MayExecute = 0x10; // MFD_EXEC, which Linux has had since 6.3

    // A pattern: some processors are faster with products of bfloat16 values.
    private static readonly string Best = Avx512FactAttribute.IsPossible ? "avx512(_bf16)?" : "avx2";

    [Fact]
    public void What_runs_is_the_best_that_the_processor_has_or_what_is_asked_for()
    {
        string best = Succeeds(Dia.Run("info")).Text, avx2 = Succeeds(Dia.Run(["info"], [], ("DIA_ISA", "avx2"))).Text;
        Assert.Matches($"\ninstructions: {Best}, {Both}", best);
        Assert.Contains(Avx512FactAttribute.IsPossible ? "AVX-512, 512 bits wide\n" : "AVX2, 256 bits wide\n", best, StringComparison.Ordinal);
        Assert.Contains("AVX2, 256 bits wide\n", avx2, StringComparison.Ordinal);
        Assert.Contains($"\ninstructions: avx2, {Both} (avx512 is not used: DIA_ISA is set)\n", avx2, StringComparison.Ordinal);
        Assert.Equal(best, Succeeds(Dia.Run(["info"], [], ("DIA_ISA", ""))).Text);
        Assert.Matches($"\ninstructions: {Best}, {Both}", "\n" + Succeeds(Dia.Run("info", "-v")).Error);
    }

    [Fact]
    public void An_unknown_level_is_refused()
    {
        Fails(2, Dia.Run(["[S1] Hi.", "-o", In("a.wav")], [], ("DIA_ISA", "sse4")), "DIA_ISA is 'sse4'", "must be one of: avx2, avx512, avx512_bf16");
        Assert.Empty(Names());
    }

    [Fact]
    public void A_level_that_cannot_run_is_refused_and_the_reason_said()
    {
        Outcome outcome = Dia.Shell("ulimit -f 8; DIA_ISA=avx512 exec $DIA info");
        Fails(5, outcome, "DIA_ISA is 'avx512', which cannot run here: " + (Avx512FactAttribute.IsPossible ? "write: File too large" : "the processor or the system has none"));
    }

    /// <summary>Where the processor has AVX512_BF16; elsewhere it is said that it has not.</summary>
    [Avx512Fact]
    public void Prompts_are_multiplied_as_bfloat16_values_where_that_is_asked_for_and_not_with_exact()
    {
        (string, string) bfloat16 = ("DIA_ISA", "avx512_bf16"), float32 = ("DIA_ISA", "avx512");
        Outcome info = Dia.Run(["info"], [], bfloat16);
        if (info.ExitCode != 0)
        {
            Fails(5, info, "DIA_ISA is 'avx512_bf16', which cannot run here: the processor has no AVX512_BF16");
            return;
        }

        Assert.Contains($"\ninstructions: avx512_bf16, {Both}\n", info.Text, StringComparison.Ordinal);
        string checks = Succeeds(Dia.Run(["selftest"], [], bfloat16)).Text;
        Assert.Contains("block_linear rounded BFloat16, rows alike", checks, StringComparison.Ordinal);
        Assert.DoesNotContain("block_linear rounded BFloat16 as without", checks, StringComparison.Ordinal);
        string[] clone = ["[S1] Hi you.", "--clone", Fixtures.Path("demo/voice.wav"), "--clone-text",
            File.ReadAllText(Fixtures.Path("demo/voice.txt")), "--seed", "3", "--raw", "--exact"];
        Assert.Equal(Succeeds(Dia.Run(clone, [], float32)).Output, Succeeds(Dia.Run(clone, [], bfloat16)).Output);
    }

    /// <summary>vm.memfd_noexec, a container's filter, an old system. On Linux before 6.3 the flag is not known, and nothing is missing.</summary>
    [Avx512Theory]
    [InlineData(MemoryFile, NoAccess, 0, "memfd_create: Permission denied")]
    [InlineData(MemoryFile, NoSuchCall, 0, "memfd_create: Function not implemented")]
    [InlineData(Execute, NotPermitted, 0, "execveat: Operation not permitted")]
    [InlineData(MemoryFile, Invalid, MayExecute, null)]
    public void Where_a_file_in_memory_is_forbidden_the_first_image_does_the_work_and_says_why(int call, int error, int mask, string? reason)
    {
        string expected = reason is null ? $"instructions: {Best}, {Both}" : Regex.Escape($"instructions: avx2, {Both} (avx512 is not used: {reason})\n");
        Outcome outcome = Succeeds(Dia.Shell(
            $"$(command -v gcc clang | head -n 1) -o $1/forbid {Repository.At("tests/Dia.Cli.Tests/Support/forbid.c")} && exec $1/forbid {call} {error} {mask} $DIA {Hello} -v", Folder));
        Assert.Matches("^" + expected, outcome.Error);
        if (reason is not null)
            Assert.Equal(Succeeds(Dia.Shell($"DIA_ISA=avx2 exec $DIA {Hello}")).Output, outcome.Output);
    }

    /// <summary>The model is in the executable, which is called in one way or another, and may be gone once its model is open.</summary>
    [Fact]
    public void However_it_is_called_it_finds_its_model()
    {
        Succeeds(Dia.Shell($"""
            cd $1; mkdir bin other; cp $DIA bin/speak; ln -s ../bin/speak other/link
            bin/speak {Hello} > 1 && other/link {Hello} > 2 && PATH=$1/other link {Hello} > 3 && bash -c "exec -a another bin/speak {Hello}" > 4 &&
            (sleep 1; rm bin/speak; echo '[S1] Hello world.') | bin/speak --lines --raw --seed 4 > lines
            """, Folder));
        byte[] usual = Succeeds(Dia.Shell($"exec $DIA {Hello}")).Output;
        for (int i = 1; i <= 4; i++)
            Assert.Equal(usual, File.ReadAllBytes(In(i.ToString(CultureInfo.InvariantCulture))));
        Assert.Equal(Succeeds(Dia.Run(["--lines", "--raw", "--seed", "4"], "[S1] Hello world.\n"u8.ToArray())).Output, File.ReadAllBytes(In("lines")));
    }

    [Avx512Fact]
    public void Other_programs_see_the_process_under_its_name_with_its_arguments()
    {
        string[] seen = Succeeds(Dia.Shell("""
            ln -s $DIA $1/my-dia; mkfifo $1/text; $1/my-dia --lines -f $1/text -o $1/{n}.wav & pid=$!; exec 3> $1/text
            until grep -q memfd /proc/$pid/maps; do sleep 0.02; done; sleep 0.3; cat /proc/$pid/comm; tr '\0' ' ' < /proc/$pid/cmdline; exec 3>&-; wait $pid
            """, Folder)).Text.Split('\n');
        Assert.Equal("my-dia", seen[0]);
        Assert.Equal($"{Folder}/my-dia --lines -f {Folder}/text -o {Folder}/{{n}}.wav ", seen[1]);
    }

    [Avx512Fact]
    public void Its_variable_is_seen_by_no_other_program_and_changes_nothing_when_it_is_set()
    {
        Directory.CreateDirectory(In("bin"));
        File.WriteAllText(In("bin/aplay"), "#!/bin/sh\nenv > $OUT/environment; cat > /dev/null\n");
        Succeeds(Dia.Shell($"chmod +x $1/bin/aplay; PATH=$1/bin:$PATH OUT=$1 exec $DIA {Hello} --play", Folder));
        string environment = File.ReadAllText(In("environment"));
        Assert.Contains("OUT=", environment, StringComparison.Ordinal);
        Assert.DoesNotContain("DIA_IMAGE_OF", environment, StringComparison.Ordinal);

        string usual = Succeeds(Dia.Run("info")).Text;
        foreach (string value in new[] { "", "x", "/", "other/bin/sh", new string('n', 10_000) })
            Assert.Equal(usual, Succeeds(Dia.Run(["info"], [], ("DIA_IMAGE_OF", value))).Text);
        Assert.Contains("model inside: dia-demo", Succeeds(Dia.Run(["info"], [], ("DIA_IMAGE_OF", "sh/bin/sh"), ("DIA_ISA", "avx2"))).Text,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Both_levels_copy_the_whole_executable()
    {
        Succeeds(Dia.Run("bundle", Fixtures.Demo, "-o", In("best")));
        Succeeds(Dia.Run(["bundle", Fixtures.Demo, "-o", In("avx2")], [], ("DIA_ISA", "avx2")));
        Assert.Equal(SHA256.HashData(File.ReadAllBytes(In("best"))), SHA256.HashData(File.ReadAllBytes(In("avx2"))));
        Assert.Equal(new FileInfo(Dia.Path).Length, new FileInfo(In("best")).Length);
    }

    [BareRootFact]
    public void Neither_proc_nor_a_folder_is_needed()
    {
        string info = Succeeds(new BareRoot(Folder).Run("/dia", "info")).Text;
        Assert.Matches($"\ninstructions: {Best}, {Both}", info);
        Assert.Contains("\nmodel inside: dia-demo\n", info, StringComparison.Ordinal);
    }

    /// <summary>Whose rights are others than its caller's takes nothing from the caller's environment, and starts nothing.</summary>
    [MountFact]
    public void A_set_user_id_executable_stays_in_the_first_image()
    {
        Outcome outcome = Succeeds(Dia.Shell(
            "chmod 755 $1; cp $DIA $1/dia; chown 65534 $1/dia; chmod 4755 $1/dia; DIA_IMAGE_OF=sh/bin/sh DIA_ISA= exec $1/dia info", Folder));
        Assert.Contains($"\ninstructions: avx2, {Both} (avx512 is not used: the executable has rights that its caller has not)\n", outcome.Text,
            StringComparison.Ordinal);
        Assert.Contains("\nmodel inside: dia-demo\n", outcome.Text, StringComparison.Ordinal);
    }
}
