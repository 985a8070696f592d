using System.Diagnostics;
using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>
/// The executable among the other tools of a shell: sox, ffmpeg, GNU parallel (apt-get install sox ffmpeg parallel), head, FIFOs, full disks.
/// </summary>
public sealed class PipelineTests : TestFolder
{
    private const string Hello = "$DIA '[S1] Hello world.' --greedy -q";

    private static readonly Lazy<short[]> Expected = new(() => Wav.Raw(Executable.Dia.Run("[S1] Hello world.", "--greedy", "-q", "--raw").Output));

    [Theory]
    [InlineData(Hello + " | sox -V1 -t wav - -t raw -e signed -b 16 -L -")]
    [InlineData(Hello + " | ffmpeg -v error -i - -f s16le -")]
    [InlineData(Hello + " | ffmpeg -v error -i pipe: -c:a flac -f flac - | ffmpeg -v error -i pipe: -f s16le -")]
    [InlineData(Hello + " --raw | sox -V1 -t raw -r 16000 -e signed -b 16 -c 1 -L - -t wav - | sox -V1 -t wav - -t raw -")]
    [InlineData(Hello + " --raw | ffmpeg -v error -f s16le -ar 16000 -ac 1 -i - -f s16le -")]
    [InlineData(Hello + " -o $1/a.wav && sox -V1 $1/a.wav -t raw -e signed -b 16 -L -")]
    [InlineData(Hello + " > $1/a.wav && ffmpeg -v error -i $1/a.wav -f s16le -")]
    [InlineData(Hello + " --raw | (sleep 1; cat)")]
    [InlineData(Hello + " --raw | tee $1/copy && cmp $1/copy $1/copy")]
    [InlineData(Hello + " --raw | while head -c 1000 > $1/piece && [ -s $1/piece ]; do cat $1/piece; done")]
    public void Other_programs_get_every_sample(string script)
    {
        Outcome outcome = Succeeds(Dia.Shell(script, Folder));
        Assert.Equal(Expected.Value, Wav.Raw(outcome.Output));
        Assert.Empty(outcome.Error);
    }

    [Fact]
    public void A_wav_file_has_the_length_that_others_see()
    {
        Succeeds(Dia.Shell(Hello + " -o $1/a.wav", Folder));
        int samples = int.Parse(Succeeds(Dia.Shell("soxi -s $1/a.wav", Folder)).Text, System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(Expected.Value.Length, samples);
        Assert.Equal("pcm_s16le,16000,1",
            Succeeds(Dia.Shell("ffprobe -v error -show_entries stream=codec_name,sample_rate,channels -of csv=p=0 $1/a.wav", Folder)).Text.Trim());
    }

    [Theory]
    [InlineData("sox -V1 -D $1/a.wav -b 24 -t wav -")]
    [InlineData("sox -V1 -D $1/a.wav -b 32 -t wav -")]
    [InlineData("sox -V1 -D $1/a.wav -e float -b 32 -t wav -")]
    [InlineData("sox -V1 -D $1/a.wav -e float -b 64 -t wav -")]
    [InlineData("sox -V1 -D $1/a.wav -c 2 -t wav -")]
    [InlineData("ffmpeg -v error -i $1/a.wav -f wav -")]
    [InlineData("ffmpeg -v error -i $1/a.wav -c:a pcm_f32le -f wav -")]
    [InlineData("ffmpeg -v error -i $1/a.wav -c:a pcm_s24le -metadata title=odd -f wav -")]
    [InlineData("ffmpeg -v error -i $1/a.wav -af 'pan=stereo|c0=c0|c1=c0' -c:a pcm_s32le -f wav -")]
    public void What_others_pipe_is_read_as_the_file_is(string convert)
    {
        // Every one of these keeps 16 bits as they are, so the codes are the same to the last bit; a stereo pair averages to itself.
        Succeeds(
            Dia.Shell(Hello + " -o $1/a.wav && $DIA encode $1/a.wav -q -o $1/a.codes && " + convert + " | $DIA encode /dev/stdin -q -o $1/b.codes", Folder));
        Assert.Equal(TensorFile.Open(In("a.codes")).Shape("codes"), TensorFile.Open(In("b.codes")).Shape("codes"));
        Assert.Equal(TensorFile.Open(In("a.codes")).Ints("codes"), TensorFile.Open(In("b.codes")).Ints("codes"));
    }

    [Theory]
    [InlineData("sox -V1 -D $1/a.wav -b 8 -e unsigned -t wav -")]
    [InlineData("sox -V1 -D $1/a.wav -r 44100 -t wav -")]
    [InlineData("ffmpeg -v error -i $1/a.wav -ar 8000 -ac 2 -f wav -")]
    public void What_others_changed_has_its_length(string convert)
    {
        Succeeds(Dia.Shell(Hello + " -o $1/a.wav && " + convert + " | $DIA encode /dev/stdin -q -o $1/b.codes", Folder));
        // 16 kHz, 512 samples a frame; converting may add or take a sample or two.
        Assert.InRange(TensorFile.Open(In("b.codes")).Shape("codes")[0] * 512, Expected.Value.Length - 512, Expected.Value.Length + 512);
    }

    [Fact]
    public void Parallel_runs_over_a_list_of_scripts()
    {
        string[] scripts = ["[S1] Hello world.", "[S2] Good night.", "[S1] Two three five. [S2] Of course.", "[S1] It's \"time\" to go; $HOME `x` \\ *"];
        File.WriteAllLines(In("scripts"), scripts);
        Succeeds(Dia.Shell("export DIA; cd $1 && parallel --will-cite -j 2 '$DIA --greedy -q --raw -o {#}.raw -- {}' :::: scripts", Folder));
        for (int i = 0; i < scripts.Length; i++)
            Assert.Equal(Succeeds(Dia.Run("--greedy", "-q", "--raw", "--", scripts[i])).Output, File.ReadAllBytes(In($"{i + 1}.raw")));
        Assert.Equal(["1.raw", "2.raw", "3.raw", "4.raw", "scripts"], Names());

        // The texts as input, the audio as output, in the order of the list.
        Outcome outcome = Succeeds(Dia.Shell("export DIA; parallel --will-cite -k -j 2 'printf %s {} | $DIA --greedy -q --raw' :::: $1/scripts", Folder));
        Assert.Equal(Enumerable.Range(1, scripts.Length).SelectMany(i => File.ReadAllBytes(In($"{i}.raw"))), outcome.Output);
    }

    [Theory]
    [InlineData(Hello + "; echo $? >&2) | head -c 1000")]
    [InlineData(Hello + " --raw; echo $? >&2) | head -c 1000")]
    [InlineData("$DIA --help; echo $? >&2) | head -c 10")]
    public void A_reader_that_has_had_enough_ends_it_quietly(string script)
    {
        Outcome outcome = Dia.Shell("(" + script);
        Assert.Equal("0\n", outcome.Error);
        Assert.InRange(outcome.Output.Length, 10, 1000);
    }

    [Fact]
    public void A_text_comes_through_a_FIFO()
    {
        Outcome outcome =
            Succeeds(
            Dia.Shell(
            "mkfifo $1/in $1/out && (printf '[S1] Hello ' ; sleep 0.5; printf 'world.') > $1/in & cd $1; while ! [ -p out ]; do sleep 0.05; done; $DIA --greedy -q --raw -f in -o out & cat out; wait", Folder));
        Assert.Equal(Expected.Value, Wav.Raw(outcome.Output));
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void Timeout_stops_it_in_the_middle(string signal, int exitCode)
    {
        // Random ids hardly ever end by themselves, and plain loops are slow: minutes of work.
        Outcome outcome = Dia.Shell($"timeout --preserve-status -s {signal} 2 $DIA '{Fixtures.LongText}' --device scalar --seed 5 -q -o $1/a.wav", Folder);
        Assert.Equal(exitCode, outcome.ExitCode);
        Assert.Empty(outcome.Error);
        Assert.Empty(Names());
    }

    [Theory]
    [InlineData("C")]
    [InlineData("POSIX")]
    [InlineData("tr_TR.ISO-8859-9")]
    [InlineData("de_DE.ISO-8859-1")]
    public void The_locale_means_nothing(string locale)
    {
        const string script = "printf '[S1] \\303\\237\\304\\261 na\\303\\257ve.\\n' | $DIA -q --temperature 0.5 --top-p 0.9 --seed 3 --raw --max-tokens 60";
        Assert.Equal(Succeeds(Dia.Shell("LC_ALL=C.UTF-8; export LC_ALL; " + script)).Output,
            Succeeds(Dia.Shell($"LC_ALL={locale} LANG={locale}; export LC_ALL LANG; " + script)).Output);
    }

    [TmpfsFact]
    public void A_disk_that_fills_up_keeps_what_it_had()
    {
        Directory.CreateDirectory(In("disk"));
        // 16 kB: less than the sound of two words.
        Outcome outcome = Dia.Shell(
            "mount -t tmpfs -o size=16k tmpfs $1/disk && { printf old > $1/disk/a.wav; " + Hello
                + " -o $1/disk/a.wav; code=$?; ls -A $1/disk; cat $1/disk/a.wav; umount $1/disk; exit $code; }", Folder);
        Assert.Equal(6, outcome.ExitCode);
        Assert.Equal("a.wav\nold", outcome.Text);
        Assert.StartsWith("dia: ", outcome.Error, StringComparison.Ordinal);
        Assert.Single(outcome.Error.TrimEnd('\n').Split('\n'));
        Assert.Contains("space", outcome.Error, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A test that mounts a small file system, which takes root's rights.</summary>
    private sealed class TmpfsFactAttribute : FactAttribute
    {
        public TmpfsFactAttribute()
        {
            string folder = Directory.CreateTempSubdirectory("dia-mount-").FullName;
            using Process mount = Process.Start(
                new ProcessStartInfo("/bin/sh", ["-c", "mount -t tmpfs -o size=16k tmpfs $1 && umount $1", "sh", folder]) { RedirectStandardError = true })!;
            mount.WaitForExit();
            Directory.Delete(folder);
            if (mount.ExitCode != 0)
                Skip = "mounting a file system takes the rights of root";
        }
    }
}
