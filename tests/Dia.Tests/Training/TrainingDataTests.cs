using Dia.Audio;
using Dia.Backends;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Networks;
using Dia.Training;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Training;

/// <summary>Recordings of a fifth of a second, which is what the small model holds.</summary>
public sealed class TrainingDataTests : IDisposable
{
    private const int Rate = 16000;

    private static readonly DiaConfig Model = ModelCatalog.ReadConfig(ModelFolder.Open(Fixtures.Path("generate", "model")));

    private readonly TemporaryFolder _folder = new();
    private readonly Device _device = TestDevice.Create("cpu1");
    private readonly DacModel _codec;

    public TrainingDataTests() => _codec = DacModel.FromPretrained(ModelFolder.Open(Fixtures.Path("processor", "dac")), CompiledModels.All, _device);

    public void Dispose()
    {
        _codec.Dispose();
        _device.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void What_cannot_be_learned_from_is_named()
    {
        Sound("good.wav", 3000, 1);
        Sound("long.wav", 4100, 2);
        Sound("longest.wav", 127 * 32, 3);
        AudioWriter.Save(_folder["silent.wav"], new float[3000], Rate);
        AudioWriter.Save(_folder["empty.wav"], [], Rate);
        _folder.Write("text.wav", "no sound");
        Directory.CreateDirectory(_folder["folder.wav"]);
        string text = new('a', 70);
        TrainingData data = Read(("good.wav", "Hi."), ("long.wav", "Hi."), ("longest.wav", "Hi."), ("silent.wav", "Hi."), ("empty.wav", "Hi."),
            ("text.wav", "Hi."), ("folder.wav", "Hi."), ("none.wav", "Hi."), ("good.wav", text), ("/dev/zero", "Hi."));
        Assert.Equal(2, data.Count);
        Assert.Equal((94 + 127) * 32.0 / Rate, data.Seconds, 1e-9);
        string[] says =
        [
            "line 2: the recording is 0.3 s long, the model holds 0.3 s", "line 4: ", "is silent", "line 5: ", "holds no samples", "line 6: ", "line 7: ", "it is a folder",
            "line 8: ", "no such file", "line 9: the transcript is 72 bytes long (a tag counts as one), the model takes 64", "line 10: ", "it is a device",
        ];
        Assert.Equal(8, data.Bad.Count);
        Assert.All(says, s => Assert.Contains(s, string.Join('\n', data.Bad), StringComparison.Ordinal));
        Assert.Empty(data.Remarks);
    }

    [Fact]
    public void A_transcript_of_another_recording_is_reported()
    {
        DiaConfig longer = Model with { DecoderConfig = Model.DecoderConfig with { MaxPositionEmbeddings = 4096 } };
        Sound("short.wav", 3000, 1);
        Sound("long.wav", 5 * Rate, 2);
        TrainingData data = Read(longer, null, ("short.wav", "Hello there."), ("short.wav", "Yes."), ("long.wav", "Yes."), ("long.wav", "Yes, I am."));
        Assert.Equal(4, data.Count);
        Assert.Equal(["line 1", "line 3"], data.Remarks.Select(r => r.Place.Split(", ")[1]));
        Assert.Contains("far too long for its recording: 13 characters in 0.19 s", data.Remarks[0].Message, StringComparison.Ordinal);
        Assert.Contains("far too short for its recording: 5 characters in 5.00 s", data.Remarks[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Codes_are_made_once()
    {
        float[] samples = Sound("a.wav", 3000, 1);
        Sound("b.wav", 2000, 2);
        CodesCache cache = new(_codec, _folder["codes"]);
        TrainingData first = Read(Model, cache, ("a.wav", "Hi."), ("b.wav", "Yes."));
        Assert.Equal(2, first.Missing);
        int[,] codes = first.Encode(_codec)[0].Codes();
        Assert.Equal(_codec.Encode(new AudioBuffer(samples, Rate)), codes);
        File.Move(_folder["a.wav"], _folder["moved.wav"]);
        TrainingData second = Read(Model, new CodesCache(_codec, _folder["codes"]), ("moved.wav", "Ho."), ("b.wav", "Yes."));
        Assert.Equal((0, first.Seconds), (second.Missing, second.Seconds));
        Assert.Equal(codes, second.Encode(_codec)[0].Codes());

        // Another recording under the old name, and files that are damaged, are encoded again.
        Sound("b.wav", 2000, 3);
        foreach (string file in Directory.EnumerateFiles(_folder["codes"]))
            File.WriteAllBytes(file, File.ReadAllBytes(file)[..^20]);
        TrainingData third = Read(Model, cache, ("moved.wav", "Hi."), ("b.wav", "Yes."));
        Assert.Equal(2, third.Missing);
        Assert.Equal(codes, third.Encode(_codec)[0].Codes());
        Assert.Equal(3, Directory.EnumerateFiles(_folder["codes"]).Count());
    }

    [Fact]
    public void Another_codec_finds_nothing_of_the_first()
    {
        Sound("a.wav", 3000, 1);
        Read(Model, new CodesCache(_codec, _folder["codes"]), ("a.wav", "Hi.")).Encode(_codec);
        using DacModel other = DacModel.FromPretrained(ModelFolder.Open(Fixtures.Path("dac", "base")), CompiledModels.All, _device);
        Assert.Equal(_codec.Identity.Geometry, other.Identity.Geometry);
        Assert.Equal(1, Read(Model, new CodesCache(other, _folder["codes"]), ("a.wav", "Hi.")).Missing);
    }

    [Fact]
    public void Where_nothing_can_be_kept_it_is_said_once()
    {
        Sound("a.wav", 3000, 1);
        Sound("b.wav", 3000, 2);
        TrainingData data = Read(Model, new CodesCache(_codec, _folder.Write("file", "in the way")), ("a.wav", "Hi."), ("b.wav", "Hi."));
        Assert.Equal(2, data.Encode(_codec).Count);
        Assert.Contains("codes are not kept", Assert.Single(data.Remarks).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_held_out_stays_when_data_is_added()
    {
        TrainingExample[] examples = [.. Enumerable.Range(0, 400).Select(i => Example(i, Philox4x32.Uniform(5, 0, 0, i)))];
        HashSet<TrainingExample> few = [.. TrainingData.Split(examples[..200], 0.1).HeldOut];
        (IReadOnlyList<TrainingExample> learned, IReadOnlyList<TrainingExample> heldOut) = TrainingData.Split(examples, 0.1);
        Assert.Equal(400, learned.Count + heldOut.Count);
        Assert.InRange(heldOut.Count, 25, 55); // 40 are expected, and the deviation is 6
        Assert.Equal(few, heldOut.Where(examples[..200].Contains).ToHashSet());
    }

    [Theory]
    [InlineData(0.05, new[] { 0.5, 0.3, 0.9 }, 1)]
    [InlineData(0.95, new[] { 0.5, 0.3, 0.9 }, 2)]
    [InlineData(0.95, new[] { 0.5 }, 0)]
    [InlineData(0.0, new[] { 0.5, 0.3 }, 0)]
    [InlineData(0.6, new[] { 0.5, 0.5 }, 0)] // one recording twice: it cannot be on both sides
    public void One_is_held_out_where_that_is_possible_and_never_all(double share, double[] shares, int count) =>
        Assert.Equal(count, TrainingData.Split([.. shares.Select((s, i) => Example(i, s))], share).HeldOut.Count);

    private static TrainingExample Example(int number, double share) => new($"{number}", "[S1] Hi.", new int[1, 9], share);

    private TrainingData Read(params (string Audio, string Text)[] lines) => Read(Model, null, lines);

    private TrainingData Read(DiaConfig model, CodesCache? cache, params (string Audio, string Text)[] lines)
    {
        string path = _folder.Write("data.jsonl", string.Join('\n', lines.Select(l => $"{{\"audio\":\"{l.Audio}\",\"text\":\"{l.Text}\"}}")));
        return TrainingData.Read(DataManifest.Read(path), model, _codec.Config, cache);
    }

    /// <summary>A recording, and its samples as they are read back.</summary>
    private float[] Sound(string name, int samples, ulong seed)
    {
        AudioWriter.Save(_folder[name], [.. Enumerable.Range(0, samples).Select(i => (float)(Philox4x32.Uniform(seed, i, 0, 0) - 0.5))], Rate);
        return AudioReader.Read(_folder[name]).Samples;
    }
}
