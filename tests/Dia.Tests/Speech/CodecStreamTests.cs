using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Compiled;
using Dia.Graph;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Speech;

/// <summary>Sound that is decoded while its frames arrive is the sound of all frames at once.</summary>
public sealed class CodecStreamTests
{
    /// <summary>The numbers that the documentation states; the demo's codec has the strides of the 44.1 kHz one.</summary>
    [Theory]
    [InlineData("tests/fixtures/dac/base", 18)]
    [InlineData("tests/fixtures/dac/odd", 17)]
    [InlineData("configs/dia-demo/dac", 10)]
    public void Look_ahead(string name, int frames)
    {
        using Device device = new CpuDevice(1);
        using DacModel codec = Load(name, device);
        Assert.Equal(frames, codec.LookAheadFrames);
        // Whole tiles reach further, by what the start of a sound may wait for.
        using DacModel filtered = Load(name, device, filters: true);
        Assert.InRange(filtered.LookAheadFrames, frames, frames + 2);
    }

    private static readonly string[] Names = ["tests/fixtures/dac/base", "tests/fixtures/dac/odd", "configs/dia-demo/dac"];

    public static TheoryData<string> Codecs() => new(Names);

    public static TheoryData<string, bool> Streamed()
    {
        var data = new TheoryData<string, bool>();
        foreach (string name in Names)
            foreach (bool filters in new[] { false, true })
                data.Add(name, filters);
        return data;
    }

    [Theory]
    [MemberData(nameof(Streamed))]
    public void A_stream_is_the_whole_sample_for_sample(string name, bool filters)
    {
        using Device device = new CpuDevice(2);
        using DacModel codec = Load(name, device, filters);
        using CodecPass pass = codec.CreatePass();
        float[] buffer = new float[codec.WindowFrames * codec.HopLength];
        var random = new Random(3);
        foreach (int frames in new[] { 0, 1, 2, codec.LookAheadFrames, codec.LookAheadFrames + 1, 33, 150, 301 })
        {
            int[,] codes = Codes(codec, frames, random);
            float[] whole = frames == 0 ? [] : codec.Decode(codes);
            // Frames come one by one, a few at a time, or all at once.
            foreach (int most in new[] { 1, 7, 400 })
            {
                var stream = new CodecStream(codec, codec.Codebooks);
                var samples = new List<float>();
                for (int t = 0; t < frames;)
                {
                    for (int end = Math.Min(frames, t + random.Next(1, most + 1)); t < end; t++)
                        stream.Add(Frame(codes, t));
                    Drain(stream, pass, buffer, samples);
                }

                stream.Complete();
                Drain(stream, pass, buffer, samples);
                Assert.Equal(whole.Length, samples.Count);
                Assert.Equal(whole, samples.ToArray());
                Assert.Equal(whole.Length, stream.Samples);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Streamed))]
    public void The_first_frame_sounds_once_the_look_ahead_is_known(string name, bool filters)
    {
        using Device device = new CpuDevice(1);
        using DacModel codec = Load(name, device, filters);
        using CodecPass pass = codec.CreatePass();
        float[] buffer = new float[codec.WindowFrames * codec.HopLength];
        int[,] codes = Codes(codec, codec.LookAheadFrames + 1, new Random(4));
        var stream = new CodecStream(codec, codec.Codebooks);
        for (int t = 0; t < codes.GetLength(0); t++)
        {
            Assert.Equal(0, stream.Read(pass, buffer));
            stream.Add(Frame(codes, t));
        }

        Assert.Equal(codec.HopLength, stream.Read(pass, buffer));
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void The_look_ahead_is_exactly_what_a_frame_depends_on(string name)
    {
        using Device device = new CpuDevice(1);
        using DacModel codec = Load(name, device);
        const int at = 20;
        int[,] codes = Codes(codec, 60, new Random(5));
        float[] before = codec.Decode(codes, new RowRange((long)at * codec.HopLength, codec.HopLength));
        float[] Changed(int frame)
        {
            int[,] other = (int[,])codes.Clone();
            for (int c = 0; c < codec.Codebooks; c++)
                other[frame, c] = (other[frame, c] + 1) % codec.Config.CodebookSize;
            return codec.Decode(other, new RowRange((long)at * codec.HopLength, codec.HopLength));
        }

        Assert.Equal(before, Changed(at + codec.LookAheadFrames + 1));
        // The last frame in reach may touch a sample by less than a rounding; the one before it never does.
        Assert.True(!before.SequenceEqual(Changed(at + codec.LookAheadFrames))
            || !before.SequenceEqual(Changed(at + codec.LookAheadFrames - 1)), "the look-ahead is longer than needed");
    }

    [Fact]
    public void A_code_that_no_codebook_holds_is_refused()
    {
        using Device device = new CpuDevice(1);
        using DacModel codec = Load("tests/fixtures/dac/odd", device);
        var stream = new CodecStream(codec, codec.Codebooks);
        int[] frame = new int[codec.Codebooks];
        stream.Add(frame);
        frame[1] = codec.Config.CodebookSize;
        DiaException error = Assert.Throws<DiaException>(() => stream.Add(frame));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
        Assert.Contains("Frame 1, codebook 1", error.Message);
    }

    [Fact]
    public void Windows_that_need_more_codes_than_there_are_are_refused()
    {
        using Device device = new CpuDevice(1);
        using DacModel codec = Load("tests/fixtures/dac/odd", device);
        using CodecPass pass = codec.CreatePass();
        float[] buffer = new float[codec.WindowFrames * codec.HopLength];
        int[] codes = new int[40 * codec.Codebooks];
        int known = 40 - codec.LookAheadFrames;
        pass.Decode(codes, codec.Codebooks, 1000, new RowRange(0, (long)known * codec.HopLength), buffer);
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            pass.Decode(codes, codec.Codebooks, 1000, new RowRange(0, (long)(known + 1) * codec.HopLength), buffer));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            pass.Decode(codes, codec.Codebooks, 40, new RowRange(0, 40L * codec.HopLength), buffer)); // odd strides give fewer
        Assert.Throws<ArgumentOutOfRangeException>(() => pass.Decode(codes, codec.Codebooks, 40, new RowRange(-1, 5), buffer));
        Assert.Throws<ArgumentOutOfRangeException>(() => pass.Decode(codes, codec.Codebooks, 40, new RowRange(0, 50), buffer.AsSpan(0, 49)));
    }

    internal static DacModel Load(string name, Device device, bool filters = false) =>
        DacModel.FromPretrained(ModelFolder.Open(Repository.At(name)), CompiledModels.All, device, filters: filters);

    private static int[,] Codes(DacModel codec, int frames, Random random)
    {
        var codes = new int[frames, codec.Codebooks];
        for (int t = 0; t < frames; t++)
            for (int c = 0; c < codec.Codebooks; c++)
                codes[t, c] = random.Next(codec.Config.CodebookSize);
        return codes;
    }

    private static int[] Frame(int[,] codes, int t) => [.. Enumerable.Range(0, codes.GetLength(1)).Select(c => codes[t, c])];

    private static void Drain(CodecStream stream, CodecPass pass, float[] buffer, List<float> samples)
    {
        for (int count; (count = stream.Read(pass, buffer)) > 0;)
            samples.AddRange(buffer.AsSpan(0, count));
    }
}
