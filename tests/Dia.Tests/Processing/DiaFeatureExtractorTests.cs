using System.Text.Json;
using Dia.Audio;
using Dia.Processing;
using Dia.Text;
using Xunit;

namespace Dia.Tests.Processing;

public sealed class DiaFeatureExtractorTests
{
    private static readonly TensorFile Tensors = Fixtures.Tensors("features", "cases.safetensors");
    private static readonly AudioBuffer A = new(Tensors.Floats("a"), 16000), B = new(Tensors.Floats("b"), 16000);

    [Fact]
    public void Extracts_as_the_reference()
    {
        foreach (JsonElement item in Fixtures.Json("features", "cases.json").EnumerateArray())
        {
            string name = item.GetProperty("case").GetString()!;
            if (!item.GetProperty("ok").GetBoolean())
            {
                var error = Assert.Throws<DiaException>(() => Extract(name));
                Assert.Equal(DiaErrorKind.Input, error.Kind);
                Assert.Contains(name == "rate" ? "sampling rate of 44100" : "Expected mono audio but it has 2 channels", error.Message);
                continue;
            }
            DiaFeatures features = Extract(name);
            int[] shape = [.. item.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())];
            Assert.Equal((shape[0], 1), (features.InputValues.Length, shape[1]));
            Assert.All(features.InputValues, values => Assert.Equal(shape[2], values.Length));
            Assert.Equal(Tensors.Floats(name + ".input_values"), features.InputValues.SelectMany(values => values));
            Assert.All(features.PaddingMask, mask => Assert.Equal(shape[2], mask.Length));
            Assert.Equal(Tensors.Ints(name + ".padding_mask"), features.PaddingMask.SelectMany(mask => mask));
        }
    }

    [Fact]
    public void A_batch_that_is_not_padded_is_ragged()
    {
        var extractor = new DiaFeatureExtractor(hopLength: 32);
        DiaFeatures features = extractor.Extract([A, B], new FeatureOptions { Padding = PaddingStrategy.DoNotPad });
        Assert.Equal([A.Samples, B.Samples], features.InputValues);
        Assert.All(features.PaddingMask.Zip(features.InputValues), item => Assert.Equal(Enumerable.Repeat(1, item.Second.Length), item.First));

        // What is longer than the length that is padded to stays as it is.
        int length = B.Frames + 10;
        features = extractor.Extract([A, B], new FeatureOptions { Padding = PaddingStrategy.MaxLength, MaxLength = length });
        Assert.Equal([A.Frames, (length + 31) / 32 * 32], features.InputValues.Select(values => values.Length));
        Assert.Equal(extractor.Extract([B]).InputValues, extractor.Extract(B).InputValues);
    }

    [Fact]
    public void Refuses_options_that_contradict()
    {
        var extractor = new DiaFeatureExtractor(hopLength: 32);
        Action[] calls =
        [
            () => extractor.Extract(A, new FeatureOptions { Padding = PaddingStrategy.Longest, Truncation = true, MaxLength = 32 }),
            () => extractor.Extract(A, new FeatureOptions { Padding = PaddingStrategy.MaxLength }),
            () => extractor.Extract(A, new FeatureOptions { Truncation = true }),
            () => extractor.Extract(A, new FeatureOptions { Truncation = true, MaxLength = 0 }),
            () => extractor.Extract(A, new FeatureOptions { MaxLength = 32 }),
            () => _ = new DiaFeatureExtractor(featureSize: 3),
            () => _ = new DiaFeatureExtractor(hopLength: 0),
        ];
        Assert.All(calls, call => Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(call).Kind));
    }

    [Fact]
    public void Refuses_a_batch_that_padding_would_make_huge()
    {
        var extractor = new DiaFeatureExtractor(hopLength: 1 << 24);
        AudioBuffer[] batch = [.. Enumerable.Repeat(B, 33)];
        Assert.Contains("at most", Assert.Throws<DiaException>(() => extractor.Extract(batch)).Message);
    }

    private static DiaFeatures Extract(string name)
    {
        DiaFeatureExtractor Extractor(int featureSize = 1, float paddingValue = 0) => new(featureSize, 16000, paddingValue, 32);
        AudioBuffer stereo = new(Interleave(Tensors.Floats("stereo")), 16000, 2);
        return name switch
        {
            "one" => Extractor().Extract([A]),
            "two" => Extractor().Extract([A, B]),
            "stereo" => Extractor(featureSize: 2).Extract([stereo]),
            "stereo_as_mono" => Extractor().Extract([stereo]),
            "mono_in_stereo" => Extractor(featureSize: 2).Extract([A]),
            "pad_value" => Extractor(paddingValue: 0.5f).Extract([A]),
            "rate" => Extractor().Extract([new AudioBuffer(A.Samples, 44100)]),
            "max_length" => Extractor().Extract([A, B], new FeatureOptions { Padding = PaddingStrategy.MaxLength, MaxLength = 160 }),
            "truncate" => Extractor().Extract([A, B], new FeatureOptions { Padding = PaddingStrategy.DoNotPad, Truncation = true, MaxLength = 48 }),
            "no_padding" => Extractor().Extract([B], new FeatureOptions { Padding = PaddingStrategy.DoNotPad }),
            _ => throw new InvalidOperationException(name),
        };
    }

    private static float[] Interleave(float[] planar)
    {
        int frames = planar.Length / 2;
        return [.. Enumerable.Range(0, planar.Length).Select(i => planar[i % 2 * frames + i / 2])];
    }
}
