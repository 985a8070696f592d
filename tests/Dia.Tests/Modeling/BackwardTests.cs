using Dia.Backends;
using Dia.Compiled;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>Backward passes against the reference's gradients.</summary>
public sealed class BackwardTests
{
    // The fixtures' own bound: float32 sums in another order, forward and backward.
    private const double Bound = 1e-4;

    public static TheoryData<string, string> Cases()
    {
        var data = new TheoryData<string, string>();
        foreach (string folder in Directory.GetDirectories(Fixtures.Path("tiny")).Order(StringComparer.Ordinal))
            if (File.Exists(Path.Combine(folder, "grads.safetensors")))
                foreach (string device in new[] { "scalar", "cpu1", "cpu2" })
                    data.Add(Path.GetFileName(folder), device);
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_equal_the_references(string name, string deviceName)
    {
        TensorFile inputs = Fixtures.Tensors("tiny", name, "forward.safetensors"), expected = Fixtures.Tensors("tiny", name, "grads.safetensors");
        using Device device = TestDevice.Create(deviceName);
        using var model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", name)), CompiledModels.All, device);
        int[,,] audio = inputs.Ints3("in.decoder_input_ids");
        TrainingNetwork training = device.AcceptTraining(new Visitor(model));
        using var gradients = new ParameterGradients(device.Memory, model.Specs);
        using var pass = new TrainingPass(model, training, new TrainingInputs(audio.GetLength(0), audio.GetLength(1), audio.GetLength(2),
            [.. inputs.Ints2("in.input_ids").Cast<int>()], [.. inputs.Ints2("in.attention_mask").Cast<int>()], [.. audio.Cast<int>()],
            [.. inputs.Ints2("in.decoder_attention_mask").Cast<int>().Select(m => (byte)m)], [], [.. inputs.Ints2("in.labels").Cast<int>()]), null);
        Tolerance.Equal("loss", inputs.Floats("out.loss"), [pass.Loss], 2e-5);
        pass.Backward(gradients);
        Assert.Equal(expected.Names, gradients.Names.Order(StringComparer.Ordinal));
        foreach (string parameter in expected.Names.Reverse())
            Tolerance.Equal(parameter, expected.Floats(parameter), gradients.Read(parameter), Bound);
    }

    private sealed class Visitor(DiaPreTrainedModel model) : ITrainingVisitor<TrainingNetwork>
    {
        public TrainingNetwork Visit<TBackend>(TBackend backend)
            where TBackend : struct, ITrainingBackend => model.Compiled.Train(backend, model.Network)!;
    }
}
