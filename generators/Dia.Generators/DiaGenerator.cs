using System.Collections.Immutable;
using System.Text;
using Dia.Configuration;
using Dia.Generators.Diagnostics;
using Dia.Generators.Emission;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Dia.Generators;

/// <summary>
/// Compiles configurations: each AdditionalFile with the metadata DiaFolder is one config.json of a folder; each folder becomes
/// a class with every layer written out.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class DiaGenerator : IIncrementalGenerator
{
    private static readonly Encoding Utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Tracking name of the step that reads the files.</summary>
    public const string ParseStep = "Parse";

    /// <summary>Tracking name of the step that groups them to models.</summary>
    public const string ModelsStep = "Models";

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        IncrementalValuesProvider<ParsedFile> parsed = context.AdditionalTextsProvider
            .Combine(context.AnalyzerConfigOptionsProvider)
            .Select(static (pair, cancel) => (File: pair.Left, Folder: Folder(pair.Right.GetOptions(pair.Left))))
            .Where(static pair => pair.Folder is not null)
            .Select(static (pair, cancel) => ParsedFile.Read(pair.File, pair.Folder!, cancel))
            .WithTrackingName(ParseStep);

        context.RegisterSourceOutput(parsed, static (output, file) =>
        {
            foreach (ConfigurationProblem problem in file.Problems)
                output.ReportDiagnostic(problem.ToDiagnostic(file.Path));
        });

        IncrementalValueProvider<EquatableArray<ModelSpec>> models = parsed
            .Collect()
            .Select(static (files, _) => Models(files))
            .WithTrackingName(ModelsStep);

        context.RegisterSourceOutput(models.SelectMany(static (specs, _) => specs), static (output, spec) =>
        {
            foreach (var (hintName, text) in ModelEmitter.Emit(spec))
                output.AddSource(hintName, SourceText.From(text, Utf8));
        });
        context.RegisterSourceOutput(models, static (output, specs) =>
            output.AddSource("CompiledModels.g.cs", SourceText.From(ModelEmitter.EmitList(specs), Utf8)));
    }

    private static string? Folder(Microsoft.CodeAnalysis.Diagnostics.AnalyzerConfigOptions options) =>
        options.TryGetValue("build_metadata.AdditionalFiles.DiaFolder", out string? folder) && folder.Length > 0
            ? folder.Replace('\\', '/').TrimEnd('/')
            : null;

    /// <summary>A folder with an error in any of its files is left out: its error is reported, the rest compiles.</summary>
    private static EquatableArray<ModelSpec> Models(ImmutableArray<ParsedFile> files)
    {
        var broken = new HashSet<string>(files.Where(f => f.Part is null).Select(f => f.Folder));
        return ModelSpec.Group(files.Where(f => !broken.Contains(f.Folder)).Select(f => f.Part!));
    }
}
