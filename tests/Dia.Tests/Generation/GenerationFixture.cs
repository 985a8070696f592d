using Dia.Configuration;
using Xunit;

namespace Dia.Tests.Generation;

/// <summary>What tests of generation share.</summary>
internal static class GenerationFixture
{
    /// <summary>Equal within a tolerance, where the fixtures write −1e30 for negative infinity.</summary>
    public static void AssertScores(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, float tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            bool equal = expected[i] <= -1e29f ? actual[i] <= -1e29f : Math.Abs(expected[i] - actual[i]) <= tolerance;
            Assert.True(equal, $"{what}[{i}]: expected {expected[i]}, got {actual[i]}");
        }
    }

    /// <summary>One item's rows as generation keeps them.</summary>
    public static int[] Rows(int[,,] sequences, int item)
    {
        int[] rows = new int[sequences.GetLength(1) * sequences.GetLength(2)];
        Buffer.BlockCopy(sequences, item * rows.Length * sizeof(int), rows, 0, rows.Length * sizeof(int));
        return rows;
    }

    /// <summary>The ids and the delay pattern of the checkpoint that the fixtures were generated with.</summary>
    public static GenerationConfig TinyConfig => new() { EosTokenId = 64, PadTokenId = 65, BosTokenId = 66 };

    /// <summary>Rows one after the other as [rows, channels].</summary>
    public static int[,] Matrix(int[] rows, int channels)
    {
        var matrix = new int[rows.Length / channels, channels];
        Buffer.BlockCopy(rows, 0, matrix, 0, rows.Length * sizeof(int));
        return matrix;
    }
}
