extern alias engine;

using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Dia.Generators.Tests;

/// <summary>Runs the generator as the compiler does.</summary>
internal static class Drive
{
    private static readonly CSharpParseOptions ParseOptions = new(LanguageVersion.CSharp14, DocumentationMode.Diagnose);

    // Warnings on, and no global usings: emitted code must not lean on the project's settings.
    private static readonly CSharpCompilation Empty = CSharpCompilation.Create("Emitted", [], References(),
        new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable,
            warningLevel: 9999));

    public static GeneratorDriver Create(IEnumerable<TestFile> files, bool training = false)
    {
        TestFile[] all = [.. files];
        return CSharpGeneratorDriver.Create([new DiaGenerator().AsSourceGenerator()], all, ParseOptions, new FolderOptions(all, training),
            new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));
    }

    /// <summary>A compilation with these C# files and no other.</summary>
    public static Compilation Compilation(params string[] sources) => Empty.AddSyntaxTrees(sources.Select(s => CSharpSyntaxTree.ParseText(s, ParseOptions)));

    /// <summary>Emitted text by hint name.</summary>
    public static SortedDictionary<string, string> Emit(IEnumerable<TestFile> files, bool training = false) =>
        Sources(Create(files, training).RunGenerators(Empty));

    public static SortedDictionary<string, string> Sources(GeneratorDriver driver)
    {
        GeneratorRunResult result = driver.GetRunResult().Results.Single();
        if (result.Exception is not null)
            throw new InvalidOperationException("The generator failed.", result.Exception);
        return new(result.GeneratedSources.ToDictionary(s => s.HintName, s => s.SourceText.ToString()), StringComparer.Ordinal);
    }

    /// <summary>What the compiler says about the emitted code: warnings and errors.</summary>
    public static ImmutableArray<Diagnostic> Compile(GeneratorDriver driver)
    {
        driver.RunGeneratorsAndUpdateCompilation(Empty, out Compilation compilation, out _);
        return [.. compilation.GetDiagnostics().Where(d => d.Severity >= DiagnosticSeverity.Warning)];
    }

    /// <summary>The models and codecs of configurations, their emitted code compiled and loaded.</summary>
    public static IReadOnlyList<engine::Dia.Networks.CompiledNetwork> Load(IEnumerable<TestFile> files, bool training = false)
    {
        Create(files, training).RunGeneratorsAndUpdateCompilation(Empty, out Compilation compilation, out _);
        using var image = new MemoryStream();
        if (compilation.Emit(image) is { Success: false } result)
            throw new InvalidOperationException(string.Join("\n", result.Diagnostics));
        Type list = System.Reflection.Assembly.Load(image.ToArray()).GetType("Dia.Compiled.CompiledModels")!;
        return (IReadOnlyList<engine::Dia.Networks.CompiledNetwork>)list.GetProperty("All")!.GetValue(null)!;
    }

    private static IEnumerable<MetadataReference> References()
    {
        string framework = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        return ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetDirectoryName(path) == framework)
            .Append(typeof(engine::Dia.Networks.CompiledModel).Assembly.Location)
            .Select(path => MetadataReference.CreateFromFile(path));
    }

    private sealed class FolderOptions(TestFile[] files, bool training) : AnalyzerConfigOptionsProvider
    {
        public override AnalyzerConfigOptions GlobalOptions => new Options(null, training);

        public override AnalyzerConfigOptions GetOptions(SyntaxTree tree) => new Options(null);

        public override AnalyzerConfigOptions GetOptions(AdditionalText textFile) => new Options(files.First(f => f.Path == textFile.Path).Folder);
    }

    private sealed class Options(string? folder, bool training = false) : AnalyzerConfigOptions
    {
        public override bool TryGetValue(string key, [NotNullWhen(true)] out string? value)
        {
            value = key switch
            {
                "build_metadata.AdditionalFiles.DiaFolder" => folder,
                "build_property.DiaTraining" when training => "true",
                "build_property.DiaTrainingRowBytes" when training => "4194304",
                _ => null,
            };
            return value is not null;
        }
    }
}
