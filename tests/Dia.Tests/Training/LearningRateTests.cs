using System.Text.Json;
using Dia.Training;
using Xunit;

namespace Dia.Tests.Training;

public sealed class LearningRateTests
{
    [Theory]
    [InlineData("constant", LearningRateSchedule.Constant)]
    [InlineData("cosine", LearningRateSchedule.Cosine)]
    public void Rates_are_the_references(string name, LearningRateSchedule schedule)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("training/schedules.json")));
        double[] expected = [.. json.RootElement.GetProperty("learning_rates").GetProperty(name).EnumerateArray().Select(v => v.GetDouble())];
        int warmup = json.RootElement.GetProperty("warmup_steps").GetInt32(), steps = json.RootElement.GetProperty("training_steps").GetInt32();
        var rate = new LearningRate(json.RootElement.GetProperty("base_lr").GetDouble(), warmup, steps, schedule);
        Assert.Equal(steps, expected.Length);
        for (int step = 0; step < steps; step++)
            Assert.Equal(expected[step], rate.At(step), 1e-12); // double on both sides
    }

    [Fact]
    public void A_cosine_ends_at_0_and_without_warm_up_a_rate_begins_at_its_highest()
    {
        var cosine = new LearningRate(0.5, 0, 10, LearningRateSchedule.Cosine);
        Assert.Equal(0.5, cosine.At(0));
        Assert.Equal(0, cosine.At(10), 1e-15);
        Assert.Equal(0, cosine.At(1000), 1e-15);
        Assert.Equal(0.5, new LearningRate(0.5, 3, 3, LearningRateSchedule.Cosine).At(3));
        Assert.Equal(0.5, new LearningRate(0.5, 0, 10, LearningRateSchedule.Constant).At(1000));
    }

    [Theory]
    [InlineData(-1.0, 0, 1, 0)]
    [InlineData(double.NaN, 0, 1, 0)]
    [InlineData(double.PositiveInfinity, 0, 1, 0)]
    [InlineData(1.0, -1, 1, 0)]
    [InlineData(1.0, 2, 1, 0)]
    [InlineData(1.0, 0, 1, 2)]
    public void Numbers_out_of_range_are_refused(double highest, int warmup, int steps, int schedule) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new LearningRate(highest, warmup, steps, (LearningRateSchedule)schedule));

    [Fact]
    public void There_is_no_step_before_the_first() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new LearningRate(1, 0, 1, LearningRateSchedule.Constant).At(-1));
}
