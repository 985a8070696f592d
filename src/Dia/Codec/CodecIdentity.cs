using Dia.IO;
using Dia.Weights;

namespace Dia.Codec;

/// <summary>
/// What codes are codes of: a codec's geometry, and samples of its codebooks, which are what codes point to. A hash would tell a codec from its
/// own conversion to another format of weights, since rounding to bfloat16, to float16, and to one after the other give different bits; numbers
/// can be compared with the tolerance that rounding needs. Codecs that were trained apart have nothing that close in common.
/// </summary>
public sealed class CodecIdentity
{
    // Between two conversions of one value: each is off by at most 2^-9 for bfloat16 and 2^-12 for float16, of the value.
    private const float RelativeTolerance = 1f / 128;

    // Below 2^-14 float16's steps are all 2^-24 wide, and what is below half of one is 0.
    private const float AbsoluteTolerance = 1f / (1 << 23);

    private const int SamplesOfCodebook = 64;

    /// <summary>Puts together what a file holds.</summary>
    /// <param name="geometry">As <see cref="Geometry"/>.</param>
    /// <param name="samples">As <see cref="Samples"/>.</param>
    internal CodecIdentity(string geometry, float[,] samples) => (Geometry, Samples) = (geometry, samples);

    /// <summary>Rate, frames and codebooks, as text.</summary>
    public string Geometry { get; }

    /// <summary>Values of each codebook, evenly spread [codebooks, samples].</summary>
    internal float[,] Samples { get; }

    /// <summary>Whether codes of one mean the same to the other.</summary>
    public bool Matches(CodecIdentity other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Geometry != other.Geometry || Samples.GetLength(0) != other.Samples.GetLength(0) || Samples.GetLength(1) != other.Samples.GetLength(1))
            return false;
        for (int c = 0; c < Samples.GetLength(0); c++)
            for (int i = 0; i < Samples.GetLength(1); i++)
            {
                float a = Samples[c, i], b = other.Samples[c, i];
                // Not "greater": a value that is not a number matches nothing.
                if (!(Math.Abs(a - b) <= AbsoluteTolerance + RelativeTolerance * Math.Max(Math.Abs(a), Math.Abs(b))))
                    return false;
            }

        return true;
    }

    /// <summary>A hash of it: what was made by another codec has another.</summary>
    public byte[] Hash() => Sha256.Hash([.. Encoding.UTF8.GetBytes(Geometry), .. MemoryMarshal.AsBytes(Samples.Cast<float>().ToArray().AsSpan())]);

    /// <summary>Reads a codec's.</summary>
    internal static unsafe CodecIdentity Of(DacModel codec, IReadOnlyList<WeightSpec> specs, ReadOnlySpan<StoredWeight> weights)
    {
        int[] codebooks = [.. Enumerable.Range(0, specs.Count).Where(i => specs[i].Name.EndsWith(".codebook.weight", StringComparison.Ordinal))];
        int values = codec.Config.CodebookSize * codec.Config.CodebookDim, count = Math.Min(SamplesOfCodebook, values);
        float[,] samples = new float[codebooks.Length, count];
        float[] all = new float[values];
        for (int c = 0; c < codebooks.Length; c++)
        {
            WeightFormats.Read(weights[codebooks[c]].Data, weights[codebooks[c]].Format, all);
            for (int i = 0; i < count; i++)
                samples[c, i] = all[(int)((long)i * values / count)];
        }

        string geometry = string.Create(CultureInfo.InvariantCulture,
            $"{codec.SamplingRate} Hz, {codec.HopLength} samples a frame, {codec.Codebooks} codebooks of {codec.Config.CodebookSize}");
        return new CodecIdentity(geometry, samples);
    }
}
