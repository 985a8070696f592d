using Dia.Backends;
using Dia.Compiled;
using Dia.Generation;
using Dia.IO;
using Dia.Modeling;
using Dia.Networks;
using Dia.Tests.Callers;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>Weights that a step reads are copied from the mapped file while the model works, and nothing else changes.</summary>
public sealed unsafe class WeightPlacementTests
{
    [Theory]
    [InlineData("cpu2")]
    [InlineData("scalar")]
    public void A_copy_gives_the_same_bits_before_meanwhile_and_after(string device)
    {
        using var mapped = new SmallModel(device);
        using var copied = new SmallModel(device);
        Assert.EndsWith("of what a step reads stay mapped", mapped.Model.PlaceWeights(WeightPlacement.Map, long.MaxValue), StringComparison.Ordinal);
        int[,,] rows = mapped.Model.Generate(mapped.Inputs(), mapped.Config());
        Assert.Contains("are copied to", copied.Model.PlaceWeights(WeightPlacement.Copy, 1), StringComparison.Ordinal);
        Assert.Equal(rows, copied.Model.Generate(copied.Inputs(), copied.Config()));
        copied.Model.CompleteWeights();
        Assert.Equal(rows, copied.Model.Generate(copied.Inputs(), copied.Config()));
        Assert.Equal("copied already", copied.Model.PlaceWeights(WeightPlacement.Copy, 1));

        int[] matrices = copied.Model.Compiled.StepMatrices();
        Assert.NotEmpty(matrices);
        for (int i = 0; i < copied.Model.Specs.Length; i++)
            Assert.Equal(matrices.Contains(i), copied.Model.Weights.MappedTensors(i).Length == 0);
        Assert.All(matrices, i => Assert.Equal(0, (nint)copied.Model.Weights.Weights[i].Data % WeightCopy.PageBytes));
        Assert.All(matrices, i => Assert.True((nint)copied.Model.Weights.Weights[i].Data == (nint)copied.Model.Network.Weights[i].Data));
    }

    [Fact]
    public void Where_little_is_gained_nothing_is_copied()
    {
        using var small = new SmallModel("cpu1");
        Assert.EndsWith("stay mapped: they are few", small.Model.PlaceWeights(WeightPlacement.Auto, long.MaxValue), StringComparison.Ordinal);
        using var random = new DiaForConditionalGeneration(small.Model.Config, CompiledModels.All, small.Device, seed: 1);
        Assert.Equal("not mapped", random.PlaceWeights(WeightPlacement.Copy, 1));
    }

    [Fact]
    public void A_model_may_be_disposed_of_or_learn_while_it_is_copied()
    {
        for (int i = 0; i < 20; i++)
        {
            using var small = new SmallModel("cpu2");
            small.Model.PlaceWeights(WeightPlacement.Copy, 1);
            if (i % 2 == 0)
                continue;
            int matrix = small.Model.Compiled.StepMatrices()[^1];
            using (Lock.Scope turn = small.Model.Tenant.Enter())
                small.Model.Network.Prepare(matrix, Written(small.Model, matrix));
            small.Model.CompleteWeights();
            Assert.Equal(7, *(float*)small.Model.Network.Weights[matrix].Data);
        }
    }

    [Fact]
    public void The_plan_has_the_copy_where_it_is_asked_for()
    {
        using var small = new SmallModel("cpu1");
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(ModelFolder.Open(SmallModel.Folder), CompiledModels.All);
        MemoryPlan without = MemoryPlan.Of(small.Device, checkpoint, null, 1), with = MemoryPlan.Of(small.Device, checkpoint, null, 1, copies: true);
        long matrices = small.Model.Compiled.StepMatrices().Sum(i => WeightFormats.Bytes(small.Model.Weights.Weights[i].Format, small.Model.Specs[i].Count));
        Assert.Equal(matrices, with.Bytes - without.Bytes);
        Assert.Contains(with.Parts, p => p.Name == "model weights, copied" && p.Bytes == matrices);
    }

    private static StoredWeight Written(DiaForConditionalGeneration model, int matrix)
    {
        float* values = model.Weights.MakeWritable(matrix, model.Specs[matrix]);
        *values = 7;
        return model.Weights.Weights[matrix];
    }
}
