using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Cli.Input;
using Dia.Cli.Options;

namespace Dia.Cli.Lines;

/// <summary>Tells which lines of a list need not be spoken: their output is complete, and follows from what they ask for now.</summary>
/// <param name="run">The options, and where to say what is done again.</param>
/// <param name="journal">The journal.</param>
/// <param name="model">The model.</param>
/// <param name="codec">Its codec; null: none is needed.</param>
/// <param name="voice">The voice of lines without their own; null: they have none.</param>
/// <param name="device">What speaks.</param>
internal sealed class JournalOfList(Invocation run, LineJournal journal, DiaForConditionalGeneration model, DacModel? codec, VoiceInput? voice,
    Device device)
{
    private readonly byte[] _voice = voice?.Hash() ?? [];

    private readonly byte[] _model = Sha256.Hash([.. model.Hash(), .. codec?.Identity.Hash() ?? [],
        .. run.Line.Get(DiaOptions.Adapter) is { } adapter ? LoraFiles.Hash(ModelFolder.OpenAdapter(adapter)) : [],
        .. Encoding.UTF8.GetBytes(Rounding(device))]);

    /// <summary>Looks at a line that is to be spoken.</summary>
    /// <param name="line">Its number.</param>
    /// <param name="names">Its files.</param>
    /// <param name="request">What it asks for.</param>
    /// <param name="own">The voice it speaks in, null: none.</param>
    /// <param name="speech">How it is spoken.</param>
    /// <returns>What the journal knows its request by.</returns>
    /// <exception cref="DiaException">Usage: its files are none that a journal can speak for.</exception>
    public byte[] Begin(long line, LineNames names, LineRequest request, VoiceInput? own, SpeechOptions speech)
    {
        journal.Check(line, names);
        return request.Hash(own is null ? [] : own == voice ? _voice : own.Hash(), speech.Generation(model), _model);
    }

    /// <summary>Whose rounding the sound has: that of the processor's instructions, of a GPU, of plain loops.</summary>
    private static string Rounding(Device device) => device switch
    {
        CpuDevice => InstructionLevel.Name,
        ScalarDevice => "scalar",
        _ => "gpu",
    };

    /// <summary>The entry of a line whose output is there; null: it is to be made, and if it is made again, that is said.</summary>
    public JournalEntry? Find(long line, byte[] request, LineNames names)
    {
        if (journal.Find(line) is not { } entry)
            return null;
        bool same = entry.Request.AsSpan().SequenceEqual(request);
        if (same && entry.Has(names))
            return entry;
        string why = same
            ? $"{string.Join(" or ", names.All)} is not there, or not what the journal says"
            : "it asks for something else than the journal says, or was spoken at another DIA_ISA or on another kind of device";
        run.Reporter.Note(Format.Text($"line {line} is spoken again: {why}."));
        return null;
    }
}
