using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Graph;
using Dia.Networks;
using FsCheck;
using FsCheck.Xunit;

namespace Dia.Tests.Codec;

/// <summary>Sound that leaves in pieces is the sound of the whole, wherever the pieces are cut.</summary>
public sealed class DacWindowProperties
{
    // Several windows long, so that the whole itself is decoded piece by piece.
    private const int Frames = 150;

    private static readonly Lazy<Decoded> Base = new(() => new Decoded("base"));

    private static readonly Lazy<Decoded> Odd = new(() => new Decoded("odd"));

    private static readonly Lazy<Decoded> Filtered = new(() => new Decoded("base", filters: true));

    [Property(MaxTest = 20)]
    public void Pieces_make_the_whole_bit_for_bit(NonEmptyArray<byte> lengths, ushort start, byte codec)
    {
        Decoded decoded = (codec % 3 == 0 ? Base : codec % 3 == 1 ? Odd : Filtered).Value;
        float[] whole = decoded.Whole;
        int at = start % whole.Length;
        foreach (byte length in lengths.Get.Take(12))
        {
            int count = Math.Min(length, whole.Length - at);
            if (count == 0)
                continue;
            Xunit.Assert.Equal(whole[at..(at + count)], decoded.Codec.Decode(decoded.Codes, new RowRange(at, count)));
            at += count;
        }
    }

    [Property(MaxTest = 30)]
    public void Windows_that_continue_each_other_make_the_whole(NonEmptyArray<ushort> lengths, ushort start, byte codec, bool fewCodebooks)
    {
        Decoded decoded = (codec % 3 == 0 ? Base : codec % 3 == 1 ? Odd : Filtered).Value;
        int codebooks = fewCodebooks ? decoded.Codec.Codebooks - 1 : decoded.Codec.Codebooks;
        int[,] given = new int[Frames, codebooks];
        for (int i = 0; i < given.Length; i++)
            given[i / codebooks, i % codebooks] = decoded.Codes[i / codebooks, i % codebooks];
        float[] whole = fewCodebooks ? decoded.Codec.Decode(given) : decoded.Whole;
        int[] codes = [.. given.Cast<int>()], wrong = [.. codes.Select(_ => -1)];
        using CodecPass pass = decoded.Codec.CreatePass();
        CodecCache cache = decoded.Codec.CreateCache()!;
        int at = start % whole.Length;
        foreach (ushort length in lengths.Get.Take(12))
        {
            var window = new RowRange(at, Math.Min(1 + length % decoded.Codec.Layout.WindowSamples, whole.Length - at));
            // Sometimes one fails (if it has new frames), or does not continue the last: then there is nothing to continue.
            if (length % 7 == 0)
                Xunit.Assert.True(Xunit.Record.Exception(() => pass.Decode(wrong, codebooks, Frames, window, new float[window.Count], null, cache))
                    is null or DiaException { Kind: DiaErrorKind.Input });
            float[] samples = new float[window.Count];
            pass.Decode(codes, codebooks, Frames, window, samples, null, cache);
            Xunit.Assert.Equal(whole[at..(int)window.End], samples);
            at = length % 5 == 0 || window.End == whole.Length ? length % whole.Length : (int)window.End;
        }
    }

    [Xunit.Fact]
    public void What_is_encoded_in_several_windows_is_what_one_window_makes()
    {
        // Of a part in one window the frames that are not near its ends. It begins where tiles of all sizes do.
        const int first = 72, frames = 128, context = 24;
        foreach (DacModel codec in new[] { Base.Value.Codec, Odd.Value.Codec, Filtered.Value.Codec })
        {
            var random = new Random(3);
            float[] sound = [.. Enumerable.Range(0, 300 * codec.HopLength).Select(_ => random.NextSingle() - 0.5f)];
            codec.Encode(sound, null, out CodecTrace whole);
            codec.Encode(sound.AsSpan(first * codec.HopLength, frames * codec.HopLength), null, out CodecTrace part);
            int hidden = codec.Config.HiddenSize, projected = codec.Codebooks * codec.Config.CodebookDim;
            Xunit.Assert.Equal(part.LatentValues[(context * hidden)..((frames - context) * hidden)],
                whole.LatentValues[((first + context) * hidden)..((first + frames - context) * hidden)]);
            Xunit.Assert.Equal(part.ProjectedValues[(context * projected)..((frames - context) * projected)],
                whole.ProjectedValues[((first + context) * projected)..((first + frames - context) * projected)]);
        }
    }

    [Property(MaxTest = 10)]
    public void What_comes_later_than_the_receptive_field_does_not_matter(byte cut, bool odd)
    {
        // A window needs no frame beyond its context: with the frames after that changed, its samples stay. 24 frames are more than
        // any of these codecs looks ahead.
        const int context = 24;
        Decoded decoded = (odd ? Odd : Base).Value;
        int frames = 1 + cut % (Frames - context - 1), hop = decoded.Codec.HopLength;
        int[,] other = (int[,])decoded.Codes.Clone();
        for (int t = frames + context; t < Frames; t++)
        {
            for (int c = 0; c < decoded.Codec.Codebooks; c++)
                other[t, c] = (other[t, c] + 1) % decoded.Codec.Config.CodebookSize;
        }

        var window = new RowRange((frames - 1) * (long)hop / 2, hop / 2);
        Xunit.Assert.Equal(decoded.Codec.Decode(decoded.Codes, window), decoded.Codec.Decode(other, window));
    }

    private sealed class Decoded
    {
        public Decoded(string name, bool filters = false)
        {
            Codec = DacModelTests.Load("dac", name, new CpuDevice(2), filters);
            var random = new Random(5);
            Codes = new int[Frames, Codec.Codebooks];
            for (int t = 0; t < Frames; t++)
            {
                for (int c = 0; c < Codec.Codebooks; c++)
                    Codes[t, c] = random.Next(Codec.Config.CodebookSize);
            }

            Whole = Codec.Decode(Codes);
        }

        public DacModel Codec { get; }

        public int[,] Codes { get; }

        public float[] Whole { get; }
    }
}
