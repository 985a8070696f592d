using Dia.Configuration;
using Dia.Generators.Graph;
using Dia.Generators.Models;
using Dia.Generators.Planning;
using Dia.Graph;
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

    /// <summary>Runs the functions over memory that knows which value it holds: nothing is read that something else was written over.</summary>
    [Theory]
    [InlineData("configs/dia-1.6b")]
    [InlineData("configs/dia-demo")]
    [InlineData("tests/fixtures/tiny/odd")]
    public void Every_value_still_holds_when_it_is_read(string folder)
    {
        DiaConfig config = DiaConfigParser.Parse(TestFile.Read(folder).First().GetText().ToString(), ProblemSeverity.Error).Config!;
        foreach (var graph in new[] { new DiaGraph(config), new DiaGraph(config, 1 << 22), new DiaGraph(config, 1 << 20) })
        {
            Replay(graph.Text, graph.EncoderOutput);
            Replay(graph.Audio, graph.DecoderOutput);
        }
    }

    /// <summary>Layers look alike: they work in the same memory, so the plan that is written has a line for each kind of value.</summary>
    [Fact]
    public void Layers_share_their_buffers()
    {
        var graph = new DiaGraph(DiaConfigParser.Parse(TestFile.Read("configs/dia-1.6b").First().GetText().ToString(), ProblemSeverity.Error).Config!);
        var plan = Plan.Of(graph.Audio, [graph.DecoderOutput], _ => 1, 1);
        Assert.Equal(
            ["Cos", "CrossMixed", "CrossNormed", "CrossQuery", "GateUp", "Gated", "Hidden", "Key", "Mixed", "MlpNormed", "Normed", "Output", "Query",
                "Sin", "Value"],
            plan.Arena.Buffers.Select(b => b.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void What_must_be_in_place_is_refused_where_its_input_is_read_again()
    {
        var g = new GraphBuilder();
        g.Function(Function.Decode);
        g.Stage("S", "");
        Value x = g.Add(new Zeros("x", 4));
        Value sum = g.Add(new Add(x, g.Add(new Zeros("y", 4)), "sum"));
        g.Add(new Observe(x, Observed.DecoderHiddenState, 0));
        Assert.Contains("read again", Assert.Throws<InvalidOperationException>(() => Plan.Of(g.Functions, [sum], _ => 1, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused() =>
        Assert.Throws<InvalidOperationException>(() =>
            new GraphBuilder().Add(new Linear("y", new Value("x", 3), new Parameter("w", WeightRole.Linear, new([2, 4])))));

    private static void Replay(IReadOnlyList<FunctionGraph> functions, Value result)
    {
        var plan = Plan.Of(functions, [result], _ => 1, 1);
        var memory = new Value?[plan.Arena.Total];
        foreach (Operation operation in functions.SelectMany(f => f.Operations))
        {
            foreach (Value value in operation.Inputs.Where(plan.Places))
                Assert.True(Array.TrueForAll(Span(value).ToArray(), held => held == value), $"{operation.Kind} reads {value.Name}");
            // Only what is in place may be written over what is read.
            foreach (Value y in operation.Outputs.Where(plan.Places))
                foreach (Value x in operation.Inputs.Where(x => plan.Places(x) && plan.Root(x) != plan.Root(y)))
                    Assert.True(End(x) <= plan.Buffer(y).Offset || End(y) <= plan.Buffer(x).Offset, $"{operation.Kind}: {y.Name} over {x.Name}");
            foreach (Value value in operation.Outputs.Where(plan.Places))
                Span(value).Fill(value);
        }

        Assert.True(Array.TrueForAll(Span(result).ToArray(), held => held == result));

        Span<Value?> Span(Value value) => memory.AsSpan((int)plan.Buffer(value).Offset, value.Width);
        long End(Value value) => plan.Buffer(value).Offset + value.Width;
    }
}
