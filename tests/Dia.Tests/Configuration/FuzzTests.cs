using System.Text;
using Dia.Configuration;
using Xunit;

namespace Dia.Tests.Configuration;

public sealed class FuzzTests
{
    private const int Mutations = 50_000;

    private static readonly string[] Pieces =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "null", "true", "-", "0", "1e999", "-1", "2147483647", "99999999999999999999",
        "1e-400", "0.5", "[[[[[[[[", "\uFEFF", "\ud800", "\u2028", "\0", "\r", "//", "\"type\": \"longrope\",",
    ];

    private static readonly string[] RopeScalings =
    [
        "{\"rope_type\": \"yarn\", \"factor\": 4, \"beta_fast\": 32, \"beta_slow\": 1, \"truncate\": false, \"mscale\": 0.8, \"mscale_all_dim\": 0.4}",
        "{\"rope_type\": \"dynamic\", \"factor\": 4}",
        "{\"rope_type\": \"linear\", \"factor\": 4}",
        "{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4, \"original_max_position_embeddings\": 24}",
    ];

    /// <summary>A mutated file gives a configuration or problems inside the text, never an exception.</summary>
    [Fact]
    public void Mutated_files_never_throw()
    {
        var random = new Random(20250101);
        string[] files = [.. Repository.Configurations("config.json").Concat(Repository.Configurations("generation_config.json"))
            .Select(p => File.ReadAllText(Repository.At(p)))];
        int refused = 0;
        int accepted = 0;
        for (int i = 0; i < Mutations; i++)
        {
            string text = Mutate(files[i % files.Length], random);
            foreach ((object? config, EquatableArray<ConfigurationProblem> problems) in ParseAll(text))
            {
                bool error = problems.Any(p => p.Severity == ProblemSeverity.Error);
                Assert.Equal(error, config is null);
                if (error)
                    refused++;
                else
                    accepted++;
                Assert.All(problems, p => Assert.True(p.Line >= 1 && p.Column >= 1 && p.EndColumn >= p.Column && p.EndColumn <= text.Length + 2, p.ToString()));
            }
        }
        // Both outcomes must be common, or the mutations test nothing.
        Assert.True(refused > Mutations && accepted > Mutations / 20, $"{refused} refused, {accepted} accepted");
    }

    private static IEnumerable<(object? Config, EquatableArray<ConfigurationProblem> Problems)> ParseAll(string text)
    {
        ConfigurationResult<DiaConfig> dia = DiaConfigParser.Parse(text, ProblemSeverity.Warning);
        yield return (dia.Config, dia.Problems);
        if (dia.Config is not null)
        {
            // What was accepted can be computed with.
            RotaryFrequencies frequencies = RotaryFrequencies.For(dia.Config.DecoderConfig);
            var inverse = new float[frequencies.Half];
            frequencies.Compute(2 * frequencies.OriginalLength, inverse);
            Assert.True(frequencies.Compute().Concat(inverse).Append(frequencies.AttentionScaling).All(float.IsFinite), text);
        }
        ConfigurationResult<DacConfig> dac = DacConfigParser.Parse(text);
        Assert.True(dac.Config is null || (dac.Config.HopLength > 0 && dac.Config.HiddenSize > 0));
        yield return (dac.Config, dac.Problems);
        ConfigurationResult<GenerationFile> generation = GenerationConfigParser.Parse(text, ProblemSeverity.Warning);
        yield return (generation.Config, generation.Problems);
    }

    private static string Mutate(string text, Random random)
    {
        var mutated = new StringBuilder(text);
        if (random.Next(2) == 0)
        {
            string scaling = RopeScalings[random.Next(RopeScalings.Length)];
            mutated.Replace("\"rope_scaling\": null", "\"rope_scaling\": " + scaling);
            mutated.Replace("\"rope_type\": \"default\"", scaling[1..^1]);
        }
        for (int n = random.Next(1, 4); n > 0 && mutated.Length > 1; n--)
        {
            int at = random.Next(mutated.Length);
            int length = Math.Min(random.Next(1, 30), mutated.Length - at);
            switch (random.Next(6))
            {
                case 0:
                    mutated[at] = (char)random.Next(random.Next(2) == 0 ? 128 : 65536);
                    break;
                case 1:
                    mutated.Remove(at, length);
                    break;
                case 2:
                    mutated.Insert(random.Next(mutated.Length), mutated.ToString(at, length));
                    break;
                case 3:
                    mutated.Insert(at, Pieces[random.Next(Pieces.Length)]);
                    break;
                case 4:
                    ReplaceNumber(mutated, at, random);
                    break;
                default:
                    if (random.Next(20) == 0)
                        mutated.Length = at;
                    break;
            }
        }
        return mutated.ToString();
    }

    /// <summary>Another number in place of the next one: keeps the file JSON, so that the checks of values are reached.</summary>
    private static void ReplaceNumber(StringBuilder text, int at, Random random)
    {
        while (at < text.Length && !char.IsAsciiDigit(text[at]))
            at++;
        int end = at;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] is '.' or 'e' or '-'))
            end++;
        if (at == end)
            return;
        string[] numbers =
            ["0", "1", "2", "3", "64", "1048576", "2147483647", "4294967296", "-1", "1e6", "1e-6", "1.0000001", "1e38", "1e-45", "0.0", "1e400", "null"];
        text.Remove(at, end - at).Insert(at, numbers[random.Next(numbers.Length)]);
    }
}
