using System.Runtime.InteropServices;
using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Tests.Modeling;

/// <summary>
/// A compiled model whose inverse frequencies are rounded to bfloat16. make_fixtures.py casts the model of tiny/bf16 to bfloat16 and back
/// to float32, and with it the buffer of inverse frequencies. A checkpoint that the reference loads, in whatever format, gets them in
/// float32: so does the program.
/// </summary>
internal sealed class RoundedFrequencies(CompiledModel model) : CompiledModel
{
    public override string Name => model.Name;

    public override DiaConfig? Config => model.Config;

    public override DacConfig? CodecConfig => model.CodecConfig;

    public override ReadOnlySpan<uint> EncoderInverseFrequencies => Round(model.EncoderInverseFrequencies);

    public override ReadOnlySpan<uint> DecoderInverseFrequencies => Round(model.DecoderInverseFrequencies);

    public override WeightSpec[] Weights() => model.Weights();

    public override WeightSpec[] CodecWeights() => model.CodecWeights();

    public override OperationInfo[] Operations() => model.Operations();

    public override ArenaSizes Arenas => model.Arenas;

    public override CodecLayout? CodecLayout => model.CodecLayout;

    public override DiaNetwork? CreateNetwork(Device device) => model.CreateNetwork(device);

    public override DacNetwork? CreateCodec(Device device) => model.CreateCodec(device);

    private static uint[] Round(ReadOnlySpan<uint> bits)
    {
        uint[] rounded = bits.ToArray();
        foreach (ref float f in MemoryMarshal.Cast<uint, float>(rounded.AsSpan()))
            f = WeightFormats.FromBFloat16(WeightFormats.ToBFloat16(f));
        return rounded;
    }
}
