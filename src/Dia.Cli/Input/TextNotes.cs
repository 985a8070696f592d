using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Input;

/// <summary>Finds the texts that are to be given a speaker's tag, and says, once for a run, what the model makes of a text.</summary>
/// <param name="run">The options and where to say it.</param>
/// <param name="config">The model's configuration.</param>
internal sealed class TextNotes(Invocation run, DiaConfig config)
{
    private const int ShownMarkup = 3;

    private readonly bool _asItStands = run.Line.Has(DiaOptions.NoFixText) || run.Line.Has(DiaOptions.RawText);

    /// <summary>The tag that is put in front of a text; null: none.</summary>
    /// <param name="text">The text, a transcript before it included.</param>
    /// <param name="line">The number of its line; null where it is the only text.</param>
    public string? TagFor(string text, long? line = null)
    {
        string what = line is long number ? Format.Text($"line {number}") : "the text", others = line is null ? "" : ", as it will be in other lines";
        bool fixes = !_asItStands && !ScriptText.StartsWithSpeaker(text);
        if (fixes)
            run.Reporter.NoteOnce("tag",
                $"{what} starts with no speaker tag: [S1] was put in front{others} ({DiaOptions.NoFixText.Name} leaves {(line is null ? "it as it is" : "them as they are")}).");
        if (ScriptMarkup.Find(text, ShownMarkup) is { Count: > 0 } markup)
            run.Reporter.NoteOnce("markup",
                $"{what} holds {string.Join(", ", markup)}: that is read as text{others}. The model knows the tags [S1] and [S2], and sounds in parentheses, such as (laughs).");
        if (ScriptText.IsShortFor(config, text))
            run.Reporter.NoteOnce("length",
                Format.Text(
                $"{what} has fewer than {ScriptText.FewCharacters} characters to say: the released model was trained on more, and is inconsistent there, as its authors say."));
        return fixes ? "[S1]" : null;
    }
}
