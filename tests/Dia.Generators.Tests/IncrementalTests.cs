using System.Collections;
using System.Reflection;
using Dia.Configuration;
using Microsoft.CodeAnalysis;
using Xunit;

namespace Dia.Generators.Tests;

/// <summary>What is generated again after an edit.</summary>
public sealed class IncrementalTests
{
    private static readonly TestFile Model = TestFile.Read("tests/fixtures/tiny/odd").Single();
    private static readonly TestFile Other = TestFile.Read("tests/fixtures/dac/odd").Single();

    [Fact]
    public void An_edit_in_an_unrelated_file_regenerates_nothing()
    {
        GeneratorDriver driver = Drive.Create([Model, Other]).RunGenerators(Drive.Compilation("class C;"));
        GeneratorRunResult second = driver.RunGenerators(Drive.Compilation("class C { int edited; }")).GetRunResult().Results.Single();
        AssertSkipped(second, DiaGenerator.ParseStep, 2);
        AssertSkipped(second, DiaGenerator.ModelsStep, 1);
        Assert.All(Outputs(second), reason => Assert.Equal(IncrementalStepRunReason.Cached, reason));
    }

    [Fact]
    public void A_whitespace_edit_in_the_configuration_changes_no_output()
    {
        string json = Model.GetText().ToString();
        TestFile edited = Model.With(json.Replace("\n", "\n\n  ", StringComparison.Ordinal));
        GeneratorDriver driver = Drive.Create([Model, Other]).RunGenerators(Drive.Compilation());
        GeneratorRunResult second = driver.ReplaceAdditionalText(Model, edited).RunGenerators(Drive.Compilation()).GetRunResult().Results.Single();
        Assert.NotEqual(json, edited.GetText().ToString());
        AssertSkipped(second, DiaGenerator.ParseStep, 2);
        AssertSkipped(second, DiaGenerator.ModelsStep, 1);
        Assert.All(Outputs(second), reason => Assert.Equal(IncrementalStepRunReason.Cached, reason));
    }

    [Fact]
    public void A_changed_number_regenerates_its_model_only()
    {
        string json = Model.GetText().ToString();
        int layers = DiaConfigParser.Parse(json, ProblemSeverity.Error).Config!.DecoderConfig.NumHiddenLayers;
        TestFile edited = Model.With(json.Replace($"\"num_hidden_layers\": {layers}", $"\"num_hidden_layers\": {layers + 1}", StringComparison.Ordinal));
        GeneratorDriver driver = Drive.Create([Model, Other]).RunGenerators(Drive.Compilation());
        SortedDictionary<string, string> before = Drive.Sources(driver);
        driver = driver.ReplaceAdditionalText(Model, edited).RunGenerators(Drive.Compilation());
        GeneratorRunResult second = driver.GetRunResult().Results.Single();
        Assert.Contains(second.TrackedSteps[DiaGenerator.ModelsStep].SelectMany(s => s.Outputs), o => o.Reason == IncrementalStepRunReason.Modified);
        Assert.Single(Outputs(second), reason => reason == IncrementalStepRunReason.Modified);
        Assert.Equal(Drive.Emit([edited, Other]), Drive.Sources(driver));
        string[] changed = [.. Drive.Sources(driver).Where(s => before[s.Key] != s.Value).Select(s => s.Key)];
        Assert.Contains("TinyOdd.Decoder.g.cs", changed);
        Assert.All(changed, name => Assert.StartsWith("TinyOdd.", name, StringComparison.Ordinal));
    }

    /// <summary>A syntax tree, a symbol, a location or a text kept between runs would hold a whole compilation and never compare equal.</summary>
    [Fact]
    public void Only_values_cross_steps()
    {
        TestFile broken = new("/repository", "configs/broken", "config.json", "{");
        TestFile orphan = new("/repository", "configs/orphan", "dac/config.json", Other.GetText().ToString());
        GeneratorRunResult result = Drive.Create([Model, Other, broken, orphan]).RunGenerators(Drive.Compilation()).GetRunResult().Results.Single();
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        foreach (string step in new[] { DiaGenerator.ParseStep, DiaGenerator.ModelsStep })
            foreach (var (value, _) in result.TrackedSteps[step].SelectMany(s => s.Outputs))
                Visit(value, seen);
        Assert.True(seen.Count > 10);
    }

    private static void Visit(object? value, HashSet<object> seen)
    {
        if (value is null || value.GetType().IsPrimitive || value.GetType().IsEnum || value is string || !seen.Add(value))
            return;
        Type type = value.GetType();
        Assert.False(type.Namespace?.StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal) ?? false, $"{type} crosses a step");
        if (value is IEnumerable items)
        {
            foreach (object? item in items)
                Visit(item, seen);
        }
        else
        {
            Assert.True(typeof(IEquatable<>).MakeGenericType(type).IsAssignableFrom(type), $"{type} does not compare by value");
            foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
                Visit(field.GetValue(value), seen);
        }
    }

    private static void AssertSkipped(GeneratorRunResult result, string step, int count)
    {
        IncrementalStepRunReason[] reasons = [.. result.TrackedSteps[step].SelectMany(s => s.Outputs).Select(o => o.Reason)];
        Assert.Equal(count, reasons.Length);
        Assert.All(reasons, reason => Assert.True(reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged, $"{step}: {reason}"));
    }

    private static IEnumerable<IncrementalStepRunReason> Outputs(GeneratorRunResult result)
    {
        IncrementalStepRunReason[] reasons = [.. result.TrackedOutputSteps.SelectMany(s => s.Value).SelectMany(s => s.Outputs).Select(o => o.Reason)];
        Assert.NotEmpty(reasons);
        return reasons;
    }
}
