namespace Dia.Text;

/// <summary>A part of a script that is spoken in one run of the model.</summary>
/// <param name="Start">Where its part of the script begins, in UTF-16 units.</param>
/// <param name="Length">How long that part is; the white space between two parts belongs to neither.</param>
/// <param name="Text">What the model is given: that part, behind its speaker's tag where it does not begin with one.</param>
public sealed record ScriptPiece(int Start, int Length, string Text)
{
    /// <summary>Characters that take time to say: Unicode scalar values, without the tags.</summary>
    public int Characters { get; } = ScriptSplitter.CountCharacters(Text);

    /// <summary>How long speaking it should take, at <see cref="ScriptSplitter.CharactersPerSecond"/>.</summary>
    public double Seconds => Characters / ScriptSplitter.CharactersPerSecond;
}
