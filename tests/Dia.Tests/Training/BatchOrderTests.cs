using Dia.Training;
using Xunit;

namespace Dia.Tests.Training;

public sealed class BatchOrderTests
{
    private static readonly int[] Lengths = [.. Enumerable.Range(0, 103).Select(i => 100 + 37 * i % 400)];

    [Fact]
    public void Each_epoch_has_every_example_once_in_another_order()
    {
        var order = new BatchOrder(Lengths, 8, seed: 3);
        Assert.Equal(13, order.Count);
        int[][] first = Epoch(order, 0), second = Epoch(order, 1);
        foreach (int[][] epoch in new[] { first, second })
            Assert.Equal(Enumerable.Range(0, Lengths.Length), epoch.SelectMany(b => b).Order());
        Assert.NotEqual(first.SelectMany(b => b), second.SelectMany(b => b));
        Assert.NotEqual(first.Select(b => b.Order().First()).Order(), second.Select(b => b.Order().First()).Order()); // other batches too
        Assert.NotEqual(first.Select(b => Lengths[b[0]]), first.Select(b => Lengths[b[0]]).Order());
    }

    [Fact]
    public void A_batch_depends_on_seed_and_number_alone()
    {
        var order = new BatchOrder(Lengths, 8, seed: 3);
        _ = order[40];
        Assert.Equal(new BatchOrder(Lengths, 8, seed: 3)[20], order[20]);
        Assert.NotEqual(new BatchOrder(Lengths, 8, seed: 4)[20], order[20]);
    }

    [Fact]
    public void Little_is_padding()
    {
        var order = new BatchOrder(Lengths, 8, seed: 3);
        for (int epoch = 0; epoch < 3; epoch++)
        {
            int[][] batches = Epoch(order, epoch);
            double padded = batches.Sum(b => b.Length * b.Max(i => Lengths[i]));
            // Neighbours differ by at most twice the spread of a tenth; in batches drawn blindly it is a third.
            Assert.InRange(Lengths.Sum() / padded, 0.85, 1);
        }
    }

    private static int[][] Epoch(BatchOrder order, int epoch) => [.. Enumerable.Range(0, order.Count).Select(i => order[(long)epoch * order.Count + i])];
}
