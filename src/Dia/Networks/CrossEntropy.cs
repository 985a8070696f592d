using Dia.Backends;

namespace Dia.Networks;

/// <summary>
/// The loss of a forward pass: the sum over labels that are not −100 of log Σ exp(logits) − logit of the label. In double, on the host for every device.
/// </summary>
public unsafe struct CrossEntropy
{
    /// <summary>The label of a place that does not count.</summary>
    public const int Ignored = ITrainingBackend.IgnoredLabel;

    private double _sum;
    private long _count;

    /// <summary>Adds rows of one sequence, channel by channel.</summary>
    /// <param name="memory">Where the logits are.</param>
    /// <param name="logits">[rows, channels·vocabulary].</param>
    /// <param name="labels">[channels, rows], in the host's memory.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="vocabulary">Logits of a channel.</param>
    public void Add(DeviceMemory memory, float* logits, int* labels, int rows, int channels, int vocabulary)
    {
        ArgumentNullException.ThrowIfNull(memory);
        float[] x = new float[vocabulary];
        for (int c = 0; c < channels; c++)
        {
            for (int row = 0; row < rows; row++)
            {
                int label = labels[c * rows + row];
                if (label == Ignored)
                    continue;
                memory.Download(x, logits + ((long)row * channels + c) * vocabulary);
                Add(x, label);
            }
        }
    }

    /// <summary>Labels that count.</summary>
    public readonly long Count => _count;

    /// <summary>The sum, divided by the number of labels that count or by <paramref name="items"/>.</summary>
    /// <returns>NaN where no label counts and no number of items is given.</returns>
    public readonly float Mean(double? items) => (float)(_sum / (items ?? _count));

    private void Add(float[] x, int label)
    {
        float max = float.NegativeInfinity;
        foreach (float v in x)
            max = MathF.Max(max, v);
        double total = 0;
        foreach (float v in x)
            total += Math.Exp((double)v - max);
        _sum += Math.Log(total) + max - x[label];
        _count++;
    }
}
