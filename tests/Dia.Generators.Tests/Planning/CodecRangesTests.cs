using System.Globalization;
using System.Text.RegularExpressions;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generators.Graph;
using Xunit;

namespace Dia.Generators.Tests.Planning;

/// <summary>
/// The codec's emitted arithmetic of rows, replayed for random windows: no value needs more rows than the plan gives it, nothing reads rows
/// outside the memory it works in, and no value is written over before its last reader.
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
        string text = Drive.Emit([new TestFile("/repository", "configs/codec", "config.json", json)])["Codec.Codec.g.cs"];
        var graph = new DacGraph(config);
        int windowFrames = int.Parse(Regex.Match(text, @"WindowFrames => (\d+);").Groups[1].Value, CultureInfo.InvariantCulture);
        Check("Encoder", "Encode", graph.Encoder, windowFrames);
        Check("Decoder", "Decode", graph.Decoder, (long)windowFrames * config.HopLength);

        void Check(string part, string method, CodecChain chain, long maximum)
        {
            string plan = Between(text, $"class CodecCodec{part}Plan", "\n}");
            var offsets = Regex.Matches(plan, @"const long (\w+) = (\d+);").ToDictionary(m => m.Groups[1].Value, m => long.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture));
            string body = Between(text, $"void {method}(CodecPass p, RowRange window)", "\n    }");
            string[] lines = [.. Regex.Matches(body, @"^ *(?:RowRange )?(r\d+ = .*);", RegexOptions.Multiline).Select(m => m.Groups[1].Value)];
            long[] most = chain.MaximumRows(maximum);
            var random = new Random(11);
            for (int run = 0; run < 300; run++)
            {
                // Small, odd and largest windows, at the start and further on.
                var window = new RowRange(run % 3 == 0 ? 0 : random.NextInt64(100_000), run % 4 == 0 ? maximum : random.NextInt64(1, maximum + 1));
                var ranges = new Dictionary<string, RowRange> { ["window"] = window };
                foreach (string line in lines)
                {
                    string[] sides = line.Split(" = ", 2);
                    ranges[sides[0]] = new RangeExpression(sides[1], ranges).Value;
                }

                Assert.Equal(chain.Operations.Count + 2, ranges.Count);
                for (int i = 0; i < most.Length; i++)
                    Assert.True(ranges[$"r{i}"].Count <= most[i], $"{part} v{i}: {ranges[$"r{i}"]} for {window}, planned {most[i]}");
                CheckMemory(chain, i => ranges[$"r{i}"], offsets);
                CheckQuantizers(part == "Encoder" ? chain.Output : chain.Input, i => ranges[$"r{i}"].Count, offsets, config);
            }
        }
    }

    private static void CheckMemory(CodecChain chain, Func<int, RowRange> range, Dictionary<string, long> offsets)
    {
        CodecValue[] values = [chain.Input, .. chain.Operations.Select(o => o.Y)];
        // The last operation that touches a place; the output is read after all of them.
        var last = values.GroupBy(v => v.Place).ToDictionary(g => g.Key, g => g.Max(v => LastUse(chain, v)));
        foreach (CodecValue value in values)
        {
            RowRange own = range(value.Index), place = range(value.Place);
            Assert.True(own.Start >= place.Start && own.End <= place.End, $"v{value.Index} continues in v{value.Place} but has other rows");
            if (value.Place != value.Index)
                continue;
            (long start, long end) = Memory(value);
            Assert.True(end <= offsets["Total"]);
            foreach (CodecValue alive in values.Where(v => v.Index < value.Index && v.Place == v.Index && last[v.Place] >= value.Index - 1))
            {
                (long otherStart, long otherEnd) = Memory(alive);
                Assert.True(end <= otherStart || otherEnd <= start, $"v{value.Index} would be written over v{alive.Index}");
            }
        }

        (long Start, long End) Memory(CodecValue value)
        {
            long offset = offsets[$"Value{value.Place:00}"];
            return (offset, offset + (range(value.Place).Count * value.Channels));
        }
    }

    /// <summary>The latents, the code vectors and (encoder) what a quantizer adds lie beside each other.</summary>
    private static void CheckQuantizers(CodecValue latents, Func<int, long> rows, Dictionary<string, long> offsets, DacConfig config)
    {
        long frames = rows(latents.Index);
        var memory = new List<(long Start, long End)>
        {
            (offsets[$"Value{latents.Place:00}"], offsets[$"Value{latents.Place:00}"] + (frames * config.HiddenSize)),
            (offsets["Projected"], offsets["Projected"] + (frames * config.CodebookDim)),
        };
        if (offsets.TryGetValue("Quantized", out long quantized))
            memory.Add((quantized, quantized + (frames * config.HiddenSize)));
        memory.Sort();
        Assert.True(memory[^1].End <= offsets["Total"]);
        for (int i = 1; i < memory.Count; i++)
            Assert.True(memory[i - 1].End <= memory[i].Start);
    }

    // Operation i computes the value of index i + 1.
    private static int LastUse(CodecChain chain, CodecValue value) => value == chain.Output ? int.MaxValue : Enumerable.Range(0, chain.Operations.Count)
        .Where(i => chain.Operations[i].X == value || chain.Operations[i].Y == value || (chain.Operations[i] as Convolution)?.Residual == value).Max();

    private static string Between(string text, string from, string to)
    {
        int start = text.IndexOf(from, StringComparison.Ordinal);
        return text[start..text.IndexOf(to, start, StringComparison.Ordinal)];
    }

    /// <summary>Evaluates what the emitted code does with ranges: r1.Union(r2.ConvolutionInput(kernel: 7, ...)).</summary>
    private sealed class RangeExpression
    {
        private readonly string _text;
        private readonly Dictionary<string, RowRange> _ranges;
        private int _at;

        public RangeExpression(string text, Dictionary<string, RowRange> ranges)
        {
            _text = text;
            _ranges = ranges;
            Value = Read();
            Assert.Equal(text.Length, _at);
        }

        public RowRange Value { get; }

        private RowRange Read()
        {
            RowRange value = _ranges[Word()];
            while (_at < _text.Length && _text[_at] == '.')
            {
                _at++;
                string method = Word();
                _at++; // (
                if (method == "Union")
                {
                    value = value.Union(Read());
                    _at++;
                    continue;
                }

                int close = _text.IndexOf(')', _at);
                var n = Regex.Matches(_text[_at..close], @"(\w+): (\d+)").ToDictionary(m => m.Groups[1].Value, m => int.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture));
                _at = close + 1;
                value = method switch
                {
                    "ConvolutionInput" => value.ConvolutionInput(n["kernel"], n["stride"], n["dilation"], n["padding"]),
                    "TransposedGrid" => value.TransposedGrid(n["stride"], n["padding"]),
                    "TransposedInput" => value.TransposedInput(n["stride"], n["padding"]),
                    _ => throw new InvalidOperationException($"unknown method {method}"),
                };
            }

            return value;
        }

        private string Word()
        {
            int start = _at;
            while (_at < _text.Length && char.IsLetterOrDigit(_text[_at]))
                _at++;
            return _text[start.._at];
        }
    }
}
