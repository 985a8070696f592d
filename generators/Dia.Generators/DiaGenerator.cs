using Dia.Configuration;
using Dia.Generators.Diagnostics;
using Dia.Generators.Emission;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;

namespace Dia.Generators;

/// <summary>
/// Compiles configurations: each AdditionalFile with the metadata DiaFolder is one config.json of a folder; each folder becomes
/// a class with every layer written out.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class DiaGenerator : IIncrementalGenerator
{
    /// <summary>Tracking name of the step that reads the files.</summary>
    public const string ParseStep = "Parse";

    /// <summary>Tracking name of the step that groups them to models.</summary>
    public const string ModelsStep = "Models";

    private static readonly Encoding Utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        // Only records that compare by value leave a step: equal ones stop the pipeline there.
        IncrementalValuesProvider<ParsedFile> parsed = context.AdditionalTextsProvider
            .Combine(context.AnalyzerConfigOptionsProvider)
            .Select(static (pair, cancel) => Folder(pair.Right.GetOptions(pair.Left)) is { } folder ? ParsedFile.Read(pair.Left, folder, cancel) : null)
            .Where(static file => file is not null)
            .Select(static (file, _) => file!)
            .WithTrackingName(ParseStep);
        IncrementalValueProvider<ModelSet> models = parsed
            .Collect()
            .Select(static (files, _) => ModelSet.Group(files))
            .WithTrackingName(ModelsStep);

        IncrementalValueProvider<TrainingChoice> training =
            context.AnalyzerConfigOptionsProvider.Select(static (options, _) => TrainingChoice.Of(options.GlobalOptions));

        context.RegisterSourceOutput(parsed, static (output, file) =>
        {
            foreach (ConfigurationProblem problem in file.Problems)
                output.ReportDiagnostic(problem.ToDiagnostic(file.Path));
        });
        context.RegisterSourceOutput(models.SelectMany(static (set, _) => set.Problems), static (output, problem) =>
            output.ReportDiagnostic(new ConfigurationProblem(ProblemIds.Folder, ProblemSeverity.Error, problem.Message, 1, 1, 1).ToDiagnostic(problem.Path)));
        context.RegisterSourceOutput(models.SelectMany(static (set, _) => set.Specs).Combine(training), static (output, pair) =>
        {
            foreach (var (hintName, text) in ModelEmitter.Emit(pair.Left, pair.Right.BytesOf(pair.Left)))
                output.AddSource(hintName, SourceText.From(text, Utf8));
        });
        context.RegisterSourceOutput(models.Select(static (set, _) => new EquatableArray<string>([.. set.Specs.SelectMany(s => s.NetworkNames)])),
            static (output, names) =>
            output.AddSource("CompiledModels.g.cs", SourceText.From(ModelEmitter.EmitList(names), Utf8)));
    }

    private static string? Folder(AnalyzerConfigOptions options) =>
        options.TryGetValue("build_metadata.AdditionalFiles.DiaFolder", out string? folder) && folder.Length > 0
            ? folder.Replace('\\', '/').TrimEnd('/')
            : null;
}
