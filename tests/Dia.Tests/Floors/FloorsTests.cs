using Xunit;

namespace Dia.Tests.Floors;

/// <summary>
/// The folders of the library, and those of the command, are floors: who is on one uses those below, and of its own floor nobody who uses it.
/// </summary>
public sealed class FloorsTests
{
    /// <summary>
    /// From the ground up. The devices are high, so that what runs on any of them can name none. What a folder sees of the one that it is in is not looked at.
    /// </summary>
    private static readonly string[][] Floors =
    [
        ["Dia"],
        ["Dia.IO", "Dia.Configuration"],
        ["Dia.Audio.Formats"],
        ["Dia.Graph", "Dia.Text", "Dia.Audio"],
        ["Dia.Weights"],
        ["Dia.Backends"],
        ["Dia.Networks"],
        ["Dia.Modeling", "Dia.Codec"],
        ["Dia.Processing"],
        ["Dia.Generation"],
        ["Dia.Speech"],
        ["Dia.Training", "Dia.Quantization"],
        ["Dia.Backends.Cpu", "Dia.Backends.Cuda", "Dia.Backends.Scalar"],
        ["Dia.Checks"],
        ["Dia.Cli.Options", "Dia.Cli.Plot"],
        ["Dia.Cli.Output"],
        ["Dia.Cli.Input"],
        ["Dia.Cli.Lines"],
        ["Dia.Cli.Commands"],
        ["Dia.Cli"],
    ];

    private static readonly Sources Library = Sources.Under("src/Dia"), Command = Sources.Under("src/Dia.Cli");

    [Fact]
    public void A_folder_is_a_namespace()
    {
        Assert.All(Library.Files, f => Assert.Equal(string.Join('.', ["Dia", .. f.Path.Split('/')[..^1]]), f.Namespace));
        Assert.All(Command.Files, f => Assert.Equal(string.Join('.', ["Dia.Cli", .. f.Path.Split('/')[..^1]]), f.Namespace));
        Assert.Equal(Floors.SelectMany(f => f).Order(), Library.Namespaces.Concat(Command.Namespaces).Order());
    }

    [Fact]
    public void Floors_are_only_climbed()
    {
        Assert.True(Library.Arrows().Count() > 100 && Command.Arrows().Count() > 20);
        Assert.Empty(Faults(Library));
        Assert.Empty(Faults(Command));
    }

    [Fact]
    public void Nothing_is_used_without_being_named_in_the_file()
    {
        Assert.Empty(Library.Naming("global using").Concat(Command.Naming("global using")));
        Assert.DoesNotContain("<Using Include=\"Dia", File.ReadAllText(Repository.At("src/Dia/Dia.csproj")), StringComparison.Ordinal);
        Assert.DoesNotContain("<Using Include=\"Dia.Cli", File.ReadAllText(Repository.At("src/Dia.Cli/Dia.Cli.csproj")), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_GPUs_folder_knows_the_driver_s_binding()
    {
        Assert.All(Library.Naming("ManagedCuda"), path => Assert.StartsWith("Backends/Cuda/", path, StringComparison.Ordinal));
        Assert.Empty(Command.Naming("ManagedCuda"));
        Assert.Empty(Sources.Under("src/ManagedCuda").Naming("Dia"));
    }

    [Theory]
    [InlineData("using Dia.Speech;")]
    [InlineData("using static Dia.Speech.Voice;")]
    [InlineData("using Said = Dia.Speech.Voice;")]
    [InlineData("global using Dia.Speech;")]
    [InlineData("namespace Dia.Weights; class A { Dia.Speech.Voice? V; }")]
    [InlineData("namespace Dia.Weights; class A { Speech.Voice? V; }")]
    [InlineData("namespace Dia.Weights; class A { object V => Speech.Voice.Of(); }")]
    public void An_arrow_upwards_is_found(string code)
    {
        string text = code.Contains("namespace", StringComparison.Ordinal) ? code : code + "\nnamespace Dia.Weights;";
        Assert.Equal(["Weights/A.cs: Dia.Weights uses Dia.Speech"],
            Faults(new([("Weights/A.cs", text), ("Speech/Voice.cs", "namespace Dia.Speech;\npublic sealed class Voice;")])));
    }

    [Fact]
    public void A_circle_on_one_floor_is_found_and_a_name_like_a_folder_s_is_none()
    {
        (string, string)[] circle =
            [("A.cs", "using Dia.Codec;\nnamespace Dia.Modeling;\nclass A;"), ("B.cs", "using Dia.Modeling;\nnamespace Dia.Codec;\nclass B;")];
        Assert.Equal(2, Faults(new(circle)).Count());
        Assert.Empty(Faults(new([circle[0], ("B.cs", "namespace Dia.Codec;\n// using Dia.Modeling;\nclass B { object C => Modeling.Length; }")])));
    }

    private static IEnumerable<string> Faults(Sources sources)
    {
        var arrows = sources.Arrows().ToList();
        foreach ((string path, string from, string to) in arrows)
            if (Floor(to) > Floor(from) || (Floor(to) == Floor(from) && Reaches(to, from, [])))
                yield return $"{path}: {from} uses {to}";

        bool Reaches(string start, string end, HashSet<string> seen) =>
            start == end || arrows.Where(a => a.From == start && Floor(a.To) == Floor(end) && seen.Add(a.To)).ToList().Any(a => Reaches(a.To, end, seen));
    }

    private static int Floor(string name) => Array.FindIndex(Floors, f => f.Contains(name)) is >= 0 and var floor
        ? floor : throw new ArgumentException($"{name} is on no floor.");
}
