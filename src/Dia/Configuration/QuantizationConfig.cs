using System.Text.RegularExpressions;

namespace Dia.Configuration;

/// <summary>How the weight of a linear layer is stored as integers, each times a scale.</summary>
/// <param name="Bits">Bits of an integer: 4 or 8.</param>
/// <param name="IsPacked">Whether they lie in words of 32 bits (<c>pack-quantized</c>), or in bytes (<c>int-quantized</c>).</param>
/// <param name="GroupSize">Integers of a row that share a scale; 0: all of a row do.</param>
public sealed record QuantizationScheme(int Bits, bool IsPacked, int GroupSize);

/// <summary>
/// Which layers of a checkpoint are stored as integers, and how: what <c>quantization_config</c> of its config.json says, as the compressed-tensors
/// library writes it.
/// </summary>
public sealed class QuantizationConfig
{
    /// <summary>The class of all layers that are stored so here.</summary>
    internal const string LinearClass = "Linear";

    private const string Pattern = "re:";

    private readonly Names _ignored;
    private readonly List<(Names Targets, QuantizationScheme Scheme)> _groups = [];
    private readonly List<(string Text, Regex Pattern, QuantizationScheme Scheme)> _patterns = [];

    /// <param name="groups">The groups: names of layers, patterns of them, the class of all; and their scheme.</param>
    /// <param name="ignored">What is in none of them.</param>
    /// <exception cref="ArgumentException">A pattern is none.</exception>
    /// <exception cref="NotSupportedException">A pattern looks ahead or back, or is too large.</exception>
    internal QuantizationConfig(IReadOnlyList<(IReadOnlyList<string> Targets, QuantizationScheme Scheme)> groups, IReadOnlyList<string> ignored)
    {
        _ignored = new Names(ignored);
        foreach ((IReadOnlyList<string> targets, QuantizationScheme scheme) in groups)
        {
            var names = new Names(targets);
            _groups.Add((names, scheme));
            _patterns.AddRange(names.Patterns.Select(p => (p.ToString(), p, scheme)));
        }

        // As the library goes through them.
        _patterns.Sort((a, b) => string.CompareOrdinal(a.Text, b.Text));
    }

    /// <summary>
    /// How a linear layer's weight is stored; null: not as integers. What ignores it goes before all; then a group that names it, then one with a
    /// pattern for it, then the one of all.
    /// </summary>
    /// <param name="module">The layer's name: model.decoder.layers.0.mlp.down_proj.</param>
    public QuantizationScheme? SchemeOf(string module) => _ignored.Contains(module) ? null
        : _groups.Find(g => g.Targets.HasName(module)).Scheme
            ?? _patterns.Find(p => p.Pattern.IsMatch(module)).Scheme
            ?? _groups.Find(g => g.Targets.HasName(LinearClass)).Scheme;

    /// <summary>Whether a name is a pattern.</summary>
    internal static bool IsPattern(string name) => name.StartsWith(Pattern, StringComparison.Ordinal);

    /// <summary>A pattern as the library matches it: from the start of a name on. It takes time that grows with the name and not faster.</summary>
    private static Regex Compiled(string name) => new($"^(?:{name[Pattern.Length..]})", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);

    /// <summary>Names of layers, patterns of them (<c>re:</c>), and classes.</summary>
    private sealed class Names(IReadOnlyList<string> all)
    {
        private readonly HashSet<string> _names = new(all.Where(n => !IsPattern(n)), StringComparer.Ordinal);

        public List<Regex> Patterns { get; } = [.. all.Where(IsPattern).Select(Compiled)];

        public bool HasName(string name) => _names.Contains(name);

        public bool Contains(string module) => HasName(module) || HasName(LinearClass) || Patterns.Any(p => p.IsMatch(module));
    }
}
