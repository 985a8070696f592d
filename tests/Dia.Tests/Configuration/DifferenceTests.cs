using Dia.Configuration;
using Xunit;

namespace Dia.Tests.Configuration;

public sealed class DifferenceTests
{
    [Fact]
    public void Fields_come_in_order_with_both_values()
    {
        var first = new DiaConfig();
        DiaConfig second = first with
        {
            EncoderConfig = first.EncoderConfig with { NumHiddenLayers = 4 },
            DecoderConfig =
                first.DecoderConfig with { HiddenAct = HiddenActivation.GeluNew, RopeScaling = new RopeScaling { RopeType = RopeType.Yarn, Factor = 2.5 } },
            DelayPattern = new[] { 0, 1 },
        };
        Assert.Equal(
            [
                new("encoder_config.num_hidden_layers", "12", "4"),
                new("decoder_config.hidden_act", "\"silu\"", "\"gelu_new\""),
                new("decoder_config.rope_scaling.rope_type", "\"default\"", "\"yarn\""),
                new("decoder_config.rope_scaling.factor", "null", "2.5"),
                new("delay_pattern", "[0, 8, 9, 10, 11, 12, 13, 14, 15]", "[0, 1]"),
            ],
            ConfigurationDifference.Between(first, second));
    }

    [Fact]
    public void What_is_not_compiled_in_does_not_differ() =>
        Assert.Empty(ConfigurationDifference.Between(new DiaConfig(), new DiaConfig { NormEps = 1, UseCache = false, InitializerRange = 1 }));

    [Fact]
    public void Codecs_are_compared_too() =>
        Assert.Equal([new("sampling_rate", "16000", "44100")],
            ConfigurationDifference.Between(new DacConfig(), new DacConfig { SamplingRate = 44100, CodebookLossWeight = 2 }));
}
