using Dia.Configuration;
using Dia.Generators.Graph;
using Dia.Generators.Planning;
using Xunit;

namespace Dia.Generators.Tests.Planning;

public sealed class ArenaPlanTests
{
    [Fact]
    public void Buffers_alive_at_the_same_time_never_overlap()
    {
        var random = new Random(7);
        for (int run = 0; run < 500; run++)
        {
            int alignment = 1 << random.Next(0, 6), end = random.Next(1, 30);
            var values = Enumerable.Range(0, random.Next(1, 25)).Select(i =>
            {
                int first = random.Next(0, end);
                return ($"v{i}", Size: (long)random.Next(1, 2000), First: first, Last: random.Next(first, end));
            }).ToArray();
            ArenaPlan plan = ArenaPlan.Place(values, alignment);

            Assert.Equal(values.Order(), plan.Buffers.Select(b => (b.Name, b.Size, b.First, b.Last)).Order());
            foreach (ArenaBuffer a in plan.Buffers)
            {
                Assert.True(a.Offset >= 0 && a.Offset % alignment == 0 && a.Offset + a.Size <= plan.Total);
                foreach (ArenaBuffer b in plan.Buffers.Where(b => b != a && b.First <= a.Last && a.First <= b.Last))
                    Assert.True(a.Offset + a.Size <= b.Offset || b.Offset + b.Size <= a.Offset, $"run {run}: {a} and {b}");
            }

            // No larger than one after the other, no smaller than what lives at once.
            Assert.InRange(plan.Total,
                Enumerable.Range(0, end).Max(at => values.Where(v => v.First <= at && at <= v.Last).Sum(v => v.Size)),
                values.Sum(v => v.Size + alignment));
            random.Shuffle(values);
            Assert.Equal(plan.Buffers, ArenaPlan.Place(values, alignment).Buffers);
        }
    }

    [Fact]
    public void Totals()
    {
        Assert.Equal(0, ArenaPlan.Place([], 16).Total);
        // b and c follow each other, a lives beside both.
        ArenaPlan plan = ArenaPlan.Place([("a", 10, 0, 3), ("b", 30, 0, 1), ("c", 20, 2, 3)], 16);
        Assert.Equal([("a", 32L), ("b", 0L), ("c", 0L)], plan.Buffers.Select(b => (b.Name, b.Offset)).Order());
        Assert.Equal(48, plan.Total);
    }

    /// <summary>Runs the graph over memory that knows which value it holds: nothing is read that something else was written over.</summary>
    [Theory]
    [InlineData("configs/dia-1.6b")]
    [InlineData("configs/dia-demo")]
    [InlineData("tests/fixtures/tiny/odd")]
    public void Every_value_still_holds_when_it_is_read(string folder)
    {
        var graph = new DiaGraph(DiaConfigParser.Parse(TestFile.Read(folder).First().GetText().ToString(), ProblemSeverity.Error).Config!);
        foreach (IReadOnlyList<Stage> stages in new[] { graph.Encoder, graph.Decoder })
        {
            ArenaPlan plan = ArenaPlan.ForStages(stages, 1);
            var places = plan.Buffers.ToDictionary(b => b.Name);
            string?[] memory = new string?[plan.Total];
            foreach (Operation operation in stages.SelectMany(s => s.Operations))
            {
                foreach (Value value in operation.Reads)
                    Assert.True(Array.TrueForAll(Span(value), held => held == value.Name), $"{operation} reads {value.Name}");
                // An operation that reads and writes different values must not do so in the same memory.
                foreach (Value y in operation.Writes)
                    foreach (Value x in operation.Reads.Where(x => x.Name != y.Name))
                        Assert.True(places[x.Name].Offset + x.Width <= places[y.Name].Offset || places[y.Name].Offset + y.Width <= places[x.Name].Offset);
                foreach (Value value in operation.Writes)
                    memory.AsSpan((int)places[value.Name].Offset, value.Width).Fill(value.Name);
            }

            string?[] Span(Value value) => memory.AsSpan((int)places[value.Name].Offset, value.Width).ToArray();
        }
    }

    [Fact]
    public void A_value_with_two_widths_is_refused()
    {
        Stage stage = new("S", "", new(new RopeTable(new Value("A", 1), new Value("A", 2))));
        Assert.Throws<InvalidOperationException>(() => ArenaPlan.ForStages([stage], 1));
    }
}
