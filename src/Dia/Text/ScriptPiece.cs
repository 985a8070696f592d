namespace Dia.Text;

/// <summary>A text that is spoken in one run of the model, tokenised once: a script, or a part of one.</summary>
/// <param name="Start">Where its part of the script begins, in UTF-16 units.</param>
/// <param name="Length">How long that part is; the white space between two parts belongs to neither.</param>
/// <param name="Text">What is said: that part, behind its speaker's tag where it does not begin with one.</param>
/// <param name="Ids">What the model is given for it.</param>
public sealed record ScriptPiece(int Start, int Length, string Text, int[] Ids)
{
    /// <summary>A whole text.</summary>
    /// <exception cref="DiaException">Input: the string holds half of a surrogate pair.</exception>
    public ScriptPiece(string text)
        : this(0, text?.Length ?? 0, text!, new DiaTokenizer().Encode(text!))
    {
    }

    /// <summary>Characters that take time to say: Unicode scalar values, without the tags.</summary>
    public int Characters { get; } = ScriptSplitter.CountCharacters(Text);

    /// <summary>How long speaking it should take, at <see cref="ScriptSplitter.CharactersPerSecond"/>.</summary>
    public double Seconds => Characters / ScriptSplitter.CharactersPerSecond;

    /// <summary>Its start: so many ids less, and the whole characters among them.</summary>
    public ScriptPiece WithoutEnd(int ids)
    {
        string text = ScriptText.First(Text, ScriptUnit.Of(Text).Sum(unit => unit.Ids) - ids);
        return new(Start, text.Length, text, Ids[..Math.Max(0, Ids.Length - ids)]);
    }

    /// <summary>The same text behind a speaker's tag and a space.</summary>
    public ScriptPiece Behind(string tag) => new(0, tag.Length + 1 + Text.Length, $"{tag} {Text}", [.. new DiaTokenizer().Encode(tag + " "), .. Ids]);
}
