using Dia.Backends;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Networks;
using Dia.Processing;
using Dia.Training;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Training;

public sealed class TrainerTests : IDisposable
{
    private static readonly string Checkpoint = Fixtures.Path("tiny", "base");
    private static readonly TrainingOptions Few = new() { Steps = 6, Batch = 2, LearningRate = 0.01, Seed = 7, Warmup = 1, Unconditional = 0.5 };

    private readonly TemporaryFolder _folder = new();
    private readonly Device _device = TestDevice.Create("cpu2");
    private readonly List<IDisposable> _made = [];

    public void Dispose()
    {
        _made.ForEach(m => m.Dispose());
        _device.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void What_is_held_out_is_learned_where_it_is_like_the_rest()
    {
        Trainer trainer = Create(Few with { Steps = 40, Unconditional = 0.1 });
        double? before = trainer.Evaluate(default, out bool isBest);
        Assert.True(isBest);
        double loss = Run(trainer, 40).Average(s => s.Loss);
        double? after = trainer.Evaluate(default, out isBest);
        Assert.True(isBest && after < 0.8 * before, $"{before} became {after}, on average {loss}");
        Assert.Equal((after, 40), (trainer.BestLoss, trainer.BestStep));
    }

    [Fact]
    public void A_training_that_is_gone_on_with_gives_the_bits_of_one_that_never_stopped()
    {
        Trainer whole = Create(Few with { Accumulate = 2 });
        TrainingStep[] steps = Run(whole, 6);
        _ = whole.Evaluate(default, out _);
        Save(whole, "whole");
        for (int stop = 0; stop < 6; stop += 2)
        {
            Trainer first = Create(Few with { Accumulate = 2 });
            Run(first, stop);
            first.Save(_folder["state"]);
            Trainer second = Create(Few with { Accumulate = 2 });
            second.Restore(_folder["state"], out bool hasOtherData);
            Assert.False(hasOtherData);
            Assert.Equal(steps[stop..], Run(second, 6 - stop));
            _ = second.Evaluate(default, out _);
            Save(second, "parts");
            Assert.Equal(Bytes("whole.state"), Bytes("parts.state"));
            Assert.Equal(Bytes("whole/model.safetensors"), Bytes("parts/model.safetensors"));
        }
    }

    [Fact]
    public void An_adapter_is_gone_on_with_in_the_same_way()
    {
        var lora = new LoraConfig { R = 3, LoraDropout = 0.5 };
        Trainer whole = Create(Few, lora: lora), first = Create(Few, lora: lora), second = Create(Few, lora: lora);
        TrainingStep[] steps = Run(whole, 5);
        Run(first, 2);
        first.Save(_folder["state"]);
        second.Restore(_folder["state"], out _);
        Assert.Equal(steps[2..], Run(second, 3));
        whole.SaveModel(_folder["whole"]);
        second.SaveModel(_folder["parts"]);
        Assert.Equal(Bytes("whole/adapter_model.safetensors"), Bytes("parts/adapter_model.safetensors"));
        Assert.False(File.Exists(_folder["whole/model.safetensors"]));
        DiaException other = Assert.Throws<DiaException>(() => Create(Few, lora: lora with { LoraAlpha = 1 }).Restore(_folder["state"], out _));
        Assert.Contains("an adapter of other settings", other.Message, StringComparison.Ordinal);
        Assert.Contains("with an adapter", Assert.Throws<DiaException>(() => Create(Few).Restore(_folder["state"], out _)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_that_is_given_up_changes_nothing()
    {
        Trainer whole = Create(Few), stopped = Create(Few);
        Run(whole, 3);
        Run(stopped, 2);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => stopped.Step(cancelled.Token));
        Run(stopped, 1);
        Save(whole, "whole");
        Save(stopped, "stopped");
        Assert.Equal(Bytes("whole.state"), Bytes("stopped.state"));
    }

    /// <summary>The same examples in the same order; what differs is how sums are grouped.</summary>
    [Fact]
    public void Passes_of_a_step_count_as_one_batch()
    {
        TrainingOptions one = Few with { Batch = 8, Unconditional = 0 };
        TrainingStep together = Create(one).Step(), apart = Create(one with { Batch = 2, Accumulate = 4 }).Step();
        Assert.Equal(together.Frames, apart.Frames);
        Assert.Equal(together.Loss, apart.Loss, 1e-5); // float32 sums of a thousand labels
        Assert.Equal(together.GradientNorm, apart.GradientNorm, 1e-4 * together.GradientNorm);
    }

    [Fact]
    public void Only_what_is_trained_changes()
    {
        Trainer trainer = Create(Few, name => name.Contains("decoder", StringComparison.Ordinal));
        Run(trainer, 2);
        Save(trainer, "out");
        TensorFile was = TensorFile.Open(Path.Combine(Checkpoint, "model.safetensors")), now = TensorFile.Open(_folder["out/model.safetensors"]);
        foreach (string name in was.Names)
            Assert.Equal(name.Contains("decoder", StringComparison.Ordinal), !was.Floats(name).AsSpan().SequenceEqual(now.Floats(name)));
        Assert.Equal(was.Names.Count(n => n.Contains("decoder", StringComparison.Ordinal)) * 3, TensorFile.Open(_folder["out.state"]).Names.Count());
    }

    [Fact]
    public void Without_any_text_its_weights_get_no_gradient_but_that_of_the_zeros()
    {
        // All texts zeroed: the embedding moves in its row of zeros alone.
        Trainer trainer = Create(Few with { Unconditional = 1 }, weightDecay: 0);
        Run(trainer, 2);
        Save(trainer, "out");
        const string embedding = "model.encoder.embedding.weight";
        float[] was = TensorFile.Open(Path.Combine(Checkpoint, "model.safetensors")).Floats(embedding), now = TensorFile.Open(_folder["out/model.safetensors"]).Floats(embedding);
        int width = was.Length / 256;
        Assert.False(was.AsSpan(0, width).SequenceEqual(now.AsSpan(0, width)));
        Assert.True(was.AsSpan(width).SequenceEqual(now.AsSpan(width)));
    }

    [Fact]
    public void A_loss_that_is_not_finite_names_the_batch()
    {
        Trainer trainer = Create(Few with { LearningRate = 1e30, Warmup = 0, Clip = null });
        DiaException error = Assert.Throws<DiaException>(() => Run(trainer, 6));
        Assert.Equal(DiaErrorKind.Model, error.Kind);
        Assert.Matches(@"^step [2-6]: the (loss|gradients).*: data, line \d+; data, line \d+\.$", error.Message);
    }

    [Fact]
    public void What_a_training_began_with_is_what_it_is_gone_on_with()
    {
        Trainer trainer = Create(Few);
        Run(trainer, 1);
        trainer.Save(_folder["state"]);
        foreach (TrainingOptions other in new[] { Few with { Batch = 3 }, Few with { LearningRate = 0.02 }, Few with { Clip = null }, Few with { Seed = 8 } })
            Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => Create(other).Restore(_folder["state"], out _)).Kind);
        Trainer longer = Create(Few with { Steps = 100 });
        longer.Restore(_folder["state"], out bool hasOtherData);
        Assert.Equal((1, false), (longer.Steps, hasOtherData));
        Create(Few, examples: Examples()[1..]).Restore(_folder["state"], out hasOtherData);
        Assert.True(hasOtherData);
        Assert.Contains("another training", Refused(Create(Few, name => name.Contains("decoder", StringComparison.Ordinal))), StringComparison.Ordinal);
        Assert.Contains("another model", Refused(Create(Few, seed: 1)), StringComparison.Ordinal);
        File.Copy(Path.Combine(Checkpoint, "model.safetensors"), _folder["state"], overwrite: true);
        Assert.Contains("no training that can be gone on with", Refused(Create(Few)), StringComparison.Ordinal);

        string Refused(Trainer other) => Assert.Throws<DiaException>(() => other.Restore(_folder["state"], out _)).Message;
    }

    [Theory]
    [InlineData(null, "BF16")]
    [InlineData(WeightFormat.Float32, "F32")]
    public void Weights_are_written_as_they_came_or_as_asked(WeightFormat? format, string type)
    {
        // A bfloat16 checkpoint: its masters are float32, and are rounded when they are written.
        using DiaForConditionalGeneration source = Load();
        source.SavePretrained(_folder["bf16"], WeightFormat.BFloat16);
        Trainer trainer = Create(Few with { LearningRate = 1e-6 }, from: _folder["bf16"]);
        Run(trainer, 2);
        trainer.SaveModel(_folder["out"], format);
        TensorFile written = TensorFile.Open(_folder["out/model.safetensors"]);
        Assert.All(written.Names, n => Assert.Equal(type, written.Type(n)));
        Assert.Contains(type == "F32" ? "\"float32\"" : "\"bfloat16\"", File.ReadAllText(_folder["out/config.json"]), StringComparison.Ordinal);
        using DiaForConditionalGeneration loaded = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(_folder["out"]), CompiledModels.All, _device);
    }

    /// <summary>Gradients and two moments, of 4 bytes each: the checkpoint's weights are float32 already.</summary>
    [Fact]
    public void What_is_not_trained_takes_no_gradients()
    {
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(ModelFolder.Open(Checkpoint), CompiledModels.All);
        static bool IsTrained(string name) => name.Contains("decoder", StringComparison.Ordinal);
        var size = new TrainingSize(Batch: 2, Rows: 20, Characters: 10);
        long frozen = checkpoint.Compiled.Weights().Where(w => !IsTrained(w.Name)).Sum(w => w.Count);
        Assert.Equal(12 * frozen, MemoryPlan.OfTraining(_device, checkpoint, size).Bytes - MemoryPlan.OfTraining(_device, checkpoint, size, IsTrained).Bytes);
    }

    [Fact]
    public void Misuse_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Create(Few, examples: []));
        foreach (TrainingOptions wrong in new[] { Few with { Steps = 0 }, Few with { Batch = 0 }, Few with { Accumulate = 0 }, Few with { Unconditional = 2 },
            Few with { Clip = 0 }, Few with { WeightDecay = -1 }, Few with { LearningRate = double.NaN }, Few with { Warmup = 7 } })
            Assert.Throws<ArgumentOutOfRangeException>(() => Create(wrong));
        Assert.Throws<ArgumentOutOfRangeException>(() => TrainingData.Split(Examples(), 1));
        Assert.Throws<ArgumentException>(() => new TrainingExample("place", "text", new int[0, 9]));
    }

    private static TrainingStep[] Run(Trainer trainer, int steps) => [.. Enumerable.Range(0, steps).Select(_ => trainer.Step())];

    private byte[] Bytes(string name) => File.ReadAllBytes(_folder[name]);

    private void Save(Trainer trainer, string name)
    {
        trainer.Save(_folder[name + ".state"]);
        trainer.SaveModel(_folder[name]);
    }

    private DiaForConditionalGeneration Load(string? from = null) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(from ?? Checkpoint), CompiledModels.All, _device);

    private Trainer Create(TrainingOptions options, Func<string, bool>? isTrained = null, TrainingExample[]? examples = null, ulong? seed = null,
        string? from = null, double? weightDecay = null, LoraConfig? lora = null)
    {
        DiaForConditionalGeneration model = seed is null ? Load(from)
            : new DiaForConditionalGeneration(ModelCatalog.ReadConfig(ModelFolder.Open(Checkpoint)), CompiledModels.All, _device, seed.Value);
        _made.Insert(0, model);
        if (lora is not null)
            model.AddAdapter(lora, seed: 1);
        options = options with { WeightDecay = weightDecay ?? options.WeightDecay };
        var trainer = new Trainer(model, DiaProcessor.Create(model.Config), examples ?? Examples(), Examples()[..3], options, isTrained);
        _made.Insert(0, trainer);
        return trainer;
    }

    /// <summary>Codes that can be learned: each text has its own, in every frame.</summary>
    private static TrainingExample[] Examples() => [.. Enumerable.Range(0, 8).Select(i =>
    {
        int[,] codes = new int[10 + i, 9];
        for (int t = 0; t < codes.GetLength(0); t++)
            for (int c = 0; c < 9; c++)
                codes[t, c] = (5 * i + c) % 64;
        return new TrainingExample($"data, line {i + 1}", $"[S1] {(char)('a' + i)}.", codes);
    })];
}
