extern alias engine;

using Dia.Configuration;
using Xunit;
using CodecCache = engine::Dia.Networks.CodecCache;
using CodecLayout = engine::Dia.Networks.CodecLayout;
using CodecValue = engine::Dia.Networks.CodecValue;
using Function = engine::Dia.Graph.Function;
using OperationInfo = engine::Dia.Graph.OperationInfo;
using OperationKind = engine::Dia.Graph.OperationKind;
using RowRange = engine::Dia.Graph.RowRange;

namespace Dia.Generators.Tests.Planning;

/// <summary>
/// The codec's emitted table, replayed for random windows, by themselves and one after the other: no value needs more rows than the plan gives it,
/// nothing reads rows outside the memory it works in, and no value is written over before its last reader.
/// </summary>
public sealed class CodecRangesTests
{
    [Theory]
    [InlineData("configs/dia-1.6b/dac", null)]
    [InlineData("tests/fixtures/dac/odd", null)]
    [InlineData("tests/fixtures/dac/base", "5, 3")]
    [InlineData("tests/fixtures/dac/base", "7")]
    [InlineData("tests/fixtures/dac/base", "1, 9, 2, 3")]
    public void A_window_fits_its_plan(string folder, string? ratios)
    {
        string json = TestFile.Read(folder).Single().GetText().ToString();
        if (ratios is not null)
            json = $$"""{"model_type": "dac", "encoder_hidden_size": 4, "decoder_hidden_size": 64, "codebook_size": 16, "downsampling_ratios": [{{ratios}}]}""";
        DacConfig config = DacConfigParser.Parse(json).Config!;
        CodecLayout layout = ((engine::Dia.Networks.CompiledCodec)Drive.Load([new TestFile("/repository", "configs/codec", "config.json", json)]).Single()).Layout;
        Assert.Equal(config.HopLength, layout.HopLength);
        Assert.Contains(layout.Operations, o => o.Tile > 1);
        var random = new Random(11);
        for (int run = 0; run < 300; run++)
        {
            foreach (CodecLayout of in new[] { layout, layout.Filtered })
            {
                Check(of, encoding: true, of.WindowFrames, (total, window, cache) => of.Encoding(total, window, null, cache));
                Check(of, encoding: false, of.WindowSamples, (total, window, cache) => of.Decoding(total, window, null, cache));
            }
        }

        // Small, odd and largest windows, at the start and further on, each followed by some that continue it.
        void Check(CodecLayout of, bool encoding, long maximum, Func<long, RowRange, CodecCache?, CodecValue[]> values)
        {
            OperationInfo[] operations = [.. of.Operations.Where(o => o.Function != Function.CodecDecode == encoding && o.Kind != OperationKind.Observe)];
            var cache = new CodecCache(of, encoding);
            long start = random.Next(3) == 0 ? 0 : random.NextInt64(100_000);
            for (int i = 0; i < 4; i++)
            {
                var window = new RowRange(start, random.Next(4) == 0 ? maximum : random.NextInt64(1, maximum + 1));
                CodecValue[] alone = values(200_000, window, null);
                Replay(of, operations, alone, window);
                Assert.InRange(of.FramesFor(window).Count, 1, encoding ? long.MaxValue : of.MostFrames);
                cache.Begin(window);
                long[] ends = [.. cache.Ends];
                CodecValue[] continued = values(200_000, window, cache);
                Replay(of, operations, continued, window);
                for (int v = 1; v < alone.Length; v++)
                {
                    Assert.Equal(i == 0 ? alone[v].Fresh : ends[v], continued[v].Fresh);
                    Assert.Equal(alone[v].Range.End, continued[v].Range.End);
                    Assert.True(alone[v].Range.Start <= continued[v].Range.Start, $"value {v}");
                }
                cache.Complete(window, continued);
                start = window.End;
            }
        }
    }

    private static void Replay(CodecLayout layout, OperationInfo[] operations, CodecValue[] values, RowRange window)
    {
        // Of each value: its memory, and the first value that began there.
        var places = new Dictionary<int, (long Start, long End, int Root)>();
        var last = operations.SelectMany((o, i) => new[] { (o.Result, i), (o.SnakeResult, i), (o.Operand, i), (o.Other, i) }).Where(u => u.Item1 > 0)
            .GroupBy(u => u.Item1).ToDictionary(g => g.Key, g => g.Max(u => u.i));
        Assert.Equal(window, values[operations[^1].Result == 0 ? operations[^1].Operand : operations[^1].Result].Made);
        for (int i = 0; i < operations.Length; i++)
        {
            OperationInfo o = operations[i];
            if (o.Operand > 0)
            {
                RowRange made = o.Result == 0 ? window : values[o.Result].Made, held = values[o.Operand].Range;
                Assert.Equal(made, layout.WindowOf(o).Covered(made));
                RowRange read = layout.WindowOf(o).Read(made);
                Assert.True(held.Start <= read.Start && held.End >= read.End, $"{o} reads {read} of {held}");
                RowRange next = layout.WindowOf(o).Read(new RowRange(made.End, 0)), other = o.Other > 0 ? values[o.Other].Range : made;
                Assert.True(held.Start <= next.Start, $"the next window reads {o}'s operand from {next.Start}, it is held from {held.Start}");
                Assert.True(other.Start <= made.Start && other.End >= made.End, $"{o} reads {made} of {other}");
            }

            if (o.Result == 0 || o.Offset < 0)
                continue;
            int from = new[] { o.Operand, o.Other }.FirstOrDefault(x => x > 0 && places.TryGetValue(x, out var p) && p.Root == Root(o, x));
            RowRange range = values[o.Result].Range;
            int root = from > 0 ? places[from].Root : o.Result;
            long start = o.Offset + (range.Start - values[root].Range.Start) * o.N, end = start + range.Count * o.N;
            Assert.True(start >= o.Offset && range.End <= values[root].Range.End && end <= layout.ArenaSize, $"{o}: {start} to {end}");
            foreach (var (other, p) in places.Where(p => p.Key != from && last[p.Key] >= i))
                Assert.True(end <= p.Start || p.End <= start, $"{o} would be written over value {other}");
            places[o.Result] = (start, end, root);
            if (o.SnakeResult > 0)
                places[o.SnakeResult] = SnakePlace(o, i);
        }

        // Beside the results: the same rows, in memory of its own.
        (long Start, long End, int Root) SnakePlace(OperationInfo o, int at)
        {
            RowRange range = values[o.SnakeResult].Range;
            Assert.Equal(values[o.Result].Made, values[o.SnakeResult].Made);
            long end = o.SnakeOffset + range.Count * o.N;
            Assert.True(end <= layout.ArenaSize, $"{o}: Snake to {end}");
            foreach (var (other, p) in places.Where(p => last[p.Key] >= at))
                Assert.True(end <= p.Start || p.End <= o.SnakeOffset, $"Snake of {o} would be written over value {other}");
            return (o.SnakeOffset, end, o.SnakeResult);
        }

        // In place where the offset is its input's, which nothing reads any more.
        int Root(OperationInfo o, int input) =>
            operations.First(p => p.Result == input || p.SnakeResult == input) is var made
                && (made.Result == input ? made.Offset : made.SnakeOffset) == o.Offset && last[input] == Array.IndexOf(operations, o)
                ? places[input].Root : 0;
    }
}
