using System.Collections.Immutable;
using Dia.Configuration;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Dia.Generators.Diagnostics;

/// <summary>The compiler's diagnostics, one per kind of <see cref="ConfigurationProblem"/>, with the same ids.</summary>
internal static class DiagnosticDescriptors
{
    private const string Category = "Dia.Configuration";

    private static readonly DiagnosticDescriptor Syntax = new(
        ProblemIds.Syntax, "Configuration is not JSON", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor Limit = new(
        ProblemIds.Limit, "Configuration is too large or nested too deeply", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor InvalidString = new(
        ProblemIds.InvalidString, "Invalid string in a configuration", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor DuplicateKey = new(
        ProblemIds.DuplicateKey, "Duplicate key in a configuration", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor UnknownKey = new(
        ProblemIds.UnknownKey, "Unknown key in a configuration", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor WrongType = new(
        ProblemIds.WrongType, "Configuration value of the wrong type", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor MissingKey = new(
        ProblemIds.MissingKey, "Required key missing from a configuration", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor OutOfRange = new(
        ProblemIds.OutOfRange, "Configuration number out of range", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor Contradiction = new(
        ProblemIds.Contradiction, "Configuration values contradict each other", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor UnsupportedValue = new(
        ProblemIds.UnsupportedValue, "Unsupported configuration value", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor TooLarge = new(
        ProblemIds.TooLarge, "Configured tensor is too large", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor NoEffect = new(
        ProblemIds.NoEffect, "Configuration value has no effect", "{0}", Category, DiagnosticSeverity.Warning, isEnabledByDefault: true);

    private static readonly DiagnosticDescriptor Folder = new(
        ProblemIds.Folder, "Configuration folder cannot be compiled", "{0}", Category, DiagnosticSeverity.Error, isEnabledByDefault: true);

    /// <summary>All of them by id.</summary>
    public static ImmutableDictionary<string, DiagnosticDescriptor> ById { get; } = new[]
    {
        Syntax, Limit, InvalidString, DuplicateKey, UnknownKey, WrongType, MissingKey, OutOfRange, Contradiction, UnsupportedValue, TooLarge, NoEffect, Folder,
    }.ToImmutableDictionary(d => d.Id);

    /// <summary>The problem as a diagnostic at its line and column of the file.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="path">The file's path, as the compiler knows it.</param>
    public static Diagnostic ToDiagnostic(this ConfigurationProblem problem, string path)
    {
        var start = new LinePosition(problem.Line - 1, problem.Column - 1);
        var end = new LinePosition(problem.Line - 1, Math.Max(problem.EndColumn, problem.Column) - 1);
        // The file is none of the compilation's: only the line span counts.
        Location location = Location.Create(path, default, new LinePositionSpan(start, end));
        DiagnosticSeverity severity = problem.Severity == ProblemSeverity.Error ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning;
        return Diagnostic.Create(ById[problem.Id], location, severity, additionalLocations: null, properties: null, problem.Message);
    }
}
