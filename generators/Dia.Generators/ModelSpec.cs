using Dia.Configuration;

namespace Dia.Generators;

/// <summary>One model to compile in: a model with a codec, a model alone, or a codec alone.</summary>
/// <param name="Name">What people call it: the end of the folder's path, as much of it as tells it from the others.</param>
/// <param name="ClassName">What the emitted class is called.</param>
/// <param name="Dia">The model, or null for a codec alone.</param>
/// <param name="Dac">The codec, or null.</param>
internal sealed record ModelSpec(string Name, string ClassName, DiaConfig? Dia, DacConfig? Dac)
{
    /// <summary>The emitted classes that another folder's could collide with; the others' names end in what no folder's class does.</summary>
    public IEnumerable<string> ClassNames => Dac is null ? [ClassName] : [ClassName, ClassName + "Codec"];

    /// <summary>The networks that are emitted for it, by their classes.</summary>
    public IEnumerable<string> NetworkNames => ClassNames.Skip(Dia is null ? 1 : 0);

    /// <summary>dia-1.6b → Dia16B: letters and digits, a capital where a word begins.</summary>
    public static string Identifier(string name)
    {
        var text = new System.Text.StringBuilder();
        bool start = true;
        foreach (char c in name)
        {
            bool letter = c is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z');
            if (letter || c is >= '0' and <= '9')
                text.Append(start && letter ? char.ToUpperInvariant(c) : c);
            start = !letter;
        }

        return text.Length > 0 && text[0] is >= 'A' and <= 'Z' ? text.ToString() : "Model" + text;
    }
}
