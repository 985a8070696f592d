using System.Text;
using Dia.Cli.Output;
using Dia.Cli.Plot;

namespace Dia.Fuzz.Targets;

/// <summary>The log of a training that is gone on with: what is kept of it is a log, and the whole of it is kept again.</summary>
internal sealed class TrainingLogTarget() : FuzzTarget("training-log")
{
    private const int Steps = 40;

    private static readonly byte[][] Pieces =
        [.. new[] { "{", "}", "\n", "\"step\":", "\"loss\":", "\"held_out_loss\":", "7", "1e400", "-1", "null", "[[", ",", "\"" }.Select(Encoding.UTF8.GetBytes)];

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. new[]
    {
        """
        {"step":0,"held_out_loss":6.94}
        {"step":1,"loss":6.931472,"learning_rate":0,"gradient_norm":3.1,"audio_seconds_per_second":2.5,"memory_bytes":123456789}
        {"step":2,"loss":6.9,"learning_rate":1E-05,"gradient_norm":3,"audio_seconds_per_second":2.4,"memory_bytes":123456789}

        """,
        "{\"step\":40,\"loss\":1}\n{\"step\":41,\"loss\":0.5}\n{\"step\":",
    }.Select(Encoding.UTF8.GetBytes)];

    // A buffer of a line, and for each line its document and, where it is none, an exception with its text.
    public override long AllocationLimit(byte[] input) => 64 * 1024 + 64L * input.Length + 24L * 1024 * (1 + input.Count(b => b == '\n'));

    public override byte[] Mutate(Randomness random) => Mutations.OfText(random, Seeds, Pieces);

    public override bool Read(byte[] input)
    {
        (long end, List<LossPoint> learned, List<LossPoint> heldOut) = Kept(input);
        if (end < 0 || end > input.Length || (end > 0 && input[end - 1] != '\n') || learned.Concat(heldOut).Any(p => p.Step is < 0 or > Steps))
            throw new InvalidOperationException($"{end} of {input.Length} bytes are kept");
        (long again, List<LossPoint> same, List<LossPoint> sameHeldOut) = Kept(input[..(int)end]);
        if (again != end || !same.SequenceEqual(learned) || !sameHeldOut.SequenceEqual(heldOut))
            throw new InvalidOperationException("what was kept is not kept again");
        return end > 0;
    }

    private static (long End, List<LossPoint> Learned, List<LossPoint> HeldOut) Kept(byte[] bytes)
    {
        List<LossPoint> learned = [], heldOut = [];
        return (TrainingLog.Read(new MemoryStream(bytes), Steps, learned, heldOut), learned, heldOut);
    }
}
