using Dia.Configuration;
using Dia.Generation;

namespace Dia.Speech;

/// <summary>When a script is split into pieces.</summary>
public enum ScriptSplitting
{
    /// <summary>Where it is longer than the model can hold.</summary>
    WhereTooLong,

    /// <summary>Also where the model could take it whole.</summary>
    Always,

    /// <summary>Never: one that is too long is refused.</summary>
    Never,

    /// <summary>Never: the end of one that is too long is left out.</summary>
    Truncate,
}

/// <summary>
/// How a <see cref="Speaker"/> speaks. What is not set of the sampling is the checkpoint's, and where that says nothing the released model's.
/// </summary>
public sealed partial record SpeechOptions
{
    private const double DefaultTemperature = 1.2;
    private const double DefaultTopP = 0.95;
    private const int DefaultTopK = 45;
    private const double DefaultGuidance = 3.0;

    /// <summary>The voice to speak in; null: the model's choice. One without a transcript says that the text begins with it.</summary>
    public Voice? Voice { get; init; }

    /// <summary>Whether the voice's own recording stays at the start of the sound.</summary>
    public bool KeepVoice { get; init; }

    /// <summary>When the script is split.</summary>
    public ScriptSplitting Splitting { get; init; }

    /// <summary>Times as fast at the same pitch, 0.5 to 2.</summary>
    public double Speed { get; init; } = 1;

    /// <summary>How often at most a piece is spoken again, with the next seed, where another seed may help.</summary>
    public int Retries { get; init; }

    /// <summary>Whether silence at the end is cut, but for a breath.</summary>
    public bool Trim { get; init; }

    /// <summary>What scores are divided by, greater than 0.</summary>
    public double? Temperature { get; init; }

    /// <summary>The probability mass that is drawn from, in (0, 1].</summary>
    public double? TopP { get; init; }

    /// <summary>How many ids stay candidates; 0: all.</summary>
    public int? TopK { get; init; }

    /// <summary>Classifier-free guidance scale, at least 1, which turns it off.</summary>
    public double? GuidanceScale { get; init; }

    /// <summary>Rows to generate at most, of each piece.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>Whether the best id is taken each time, in place of drawing.</summary>
    public bool Greedy { get; init; }

    /// <summary>Seed of the draw; null: a random one, which results name.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Whether a script is split.</summary>
    /// <param name="tooLong">Whether it and the voice's transcript are longer than the model can hold.</param>
    public bool Splits(bool tooLong) => Splitting == ScriptSplitting.Always || (tooLong && Splitting == ScriptSplitting.WhereTooLong);

    /// <summary>The configuration of a model's generation.</summary>
    public GenerationConfig Generation(DiaForConditionalGeneration model)
    {
        ArgumentNullException.ThrowIfNull(model);
        GenerationConfig file = model.GenerationConfig();
        // The file's settings do not tell a missing key from the reference's default, which is not the one for speaking.
        bool Has(string key) => model.GenerationKeys.Contains(key);
        int topK = TopK ?? (Has("top_k") ? file.TopK ?? 0 : DefaultTopK);
        double guidance = GuidanceScale ?? (Has("guidance_scale") ? file.GuidanceScale ?? 1 : DefaultGuidance);
        return file with
        {
            Temperature = Temperature ?? (Has("temperature") ? file.Temperature : DefaultTemperature),
            TopP = TopP ?? (Has("top_p") ? file.TopP : DefaultTopP),
            TopK = topK == 0 ? null : topK,
            GuidanceScale = guidance == 1 ? null : guidance,
            DoSample = !Greedy && (!Has("do_sample") || file.DoSample),
            MaxNewTokens = MaxNewTokens ?? file.MaxNewTokens,
            MaxLength = Has("max_length") ? file.MaxLength : model.Config.DecoderConfig.MaxPositionEmbeddings,
            Seed = Seed ?? RandomSeed(),
            NumReturnSequences = 1, // a text is spoken once
        };
    }

    /// <summary>
    /// Short enough to be typed again. Chance is asked for, not secrecy: .NET's cryptography would load OpenSSL, which not every system has.
    /// </summary>
    public static unsafe ulong RandomSeed()
    {
        uint seed;
        if (GetRandom(&seed, sizeof(uint), 0) != sizeof(uint))
            seed = (uint)Random.Shared.Next(); // A sandbox that forbids the system call.
        return seed & int.MaxValue;
    }

    [LibraryImport("libc", EntryPoint = "getrandom")]
    private static unsafe partial nint GetRandom(void* buffer, nuint length, uint flags);
}
