using Dia.Modeling;
using Dia.Weights;

namespace Dia.Quantization;

/// <summary>What rounding did to weights.</summary>
public static unsafe class RoundedWeight
{
    /// <summary>
    /// The relative error of each weight that a model stores as integers: ‖(W − Q)·X‖ / ‖W·X‖ where a calibration knows it, else ‖W − Q‖ / ‖W‖.
    /// </summary>
    /// <param name="source">The model with the weights W.</param>
    /// <param name="model">A model of the same configuration, with Q.</param>
    /// <param name="calibration">What found Q; null: round to nearest.</param>
    /// <exception cref="ObjectDisposedException">A model or its device is disposed.</exception>
    public static IReadOnlyList<(string Name, WeightStorage Storage, double Error)> Errors(DiaPreTrainedModel source, DiaPreTrainedModel model,
        Calibration? calibration)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(model);
        using Lock.Scope turn = source.Tenant.Enter();
        using Lock.Scope other = model.Tenant.Enter();
        return [.. Enumerable.Range(0, source.Specs.Length).Where(i => model.Weights.Weights[i].Storage.IsQuantized).Select(i =>
        {
            WeightSpec spec = source.Specs[i];
            StoredWeight stored = model.Weights.Weights[i];
            return (spec.Name, stored.Storage, calibration?.RelativeError(spec.Name) ?? Error(spec, source.Weights.Weights[i], stored));
        })];
    }

    private static double Error(WeightSpec spec, StoredWeight weight, StoredWeight stored)
    {
        float[] w = new float[spec.Columns], q = new float[spec.Columns];
        var sums = new RoundingError(0, 0);
        for (int row = 0; row < spec.Shape[0]; row++)
        {
            WeightFormats.Read(weight.From((long)row * w.Length).Data, weight.Format, w);
            WeightFormats.Read(stored, row, 0, q);
            for (int i = 0; i < w.Length; i++)
                sums = new RoundingError(sums.Error + ((double)w[i] - q[i]) * ((double)w[i] - q[i]), sums.Energy + (double)w[i] * w[i]);
        }

        return sums.Relative;
    }
}
