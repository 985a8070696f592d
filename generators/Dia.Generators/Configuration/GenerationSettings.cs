namespace Dia.Configuration;

/// <summary>
/// <c>generation_config.json</c>. A key that is missing means the reference's general default, as does no file at all
/// (<c>new GenerationSettings()</c>): greedy, no guidance, temperature 1, top_k 50, top_p 1.
/// </summary>
public sealed record GenerationSettings
{
    /// <summary>The reference's max_length where neither the file nor the caller gives one.</summary>
    public const int DefaultMaxLength = 20;

    /// <summary>Most rows, prompt included; null: the file gives none (the reference takes <see cref="DefaultMaxLength"/>).</summary>
    public int? MaxLength { get; init; }

    /// <summary>Most new rows; wins over <see cref="MaxLength"/>. Default null.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>Whether tokens are drawn; otherwise the best is taken. Default false.</summary>
    public bool DoSample { get; init; }

    /// <summary>Classifier-free guidance, at least 1; null or 1: none. Default null.</summary>
    public double? GuidanceScale { get; init; }

    /// <summary>What scores are divided by, above 0. Default 1.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>How many of the best ids stay; null: all (0 in a file means the same without guidance, and is refused with it). Default 50.</summary>
    public int? TopK { get; init; } = 50;

    /// <summary>Probability mass that stays, 0 to 1. Default 1.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>The file's bos_token_id, if any. Generation uses the model configuration's.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The file's eos_token_id, if it is one id. Generation uses the model configuration's.</summary>
    public int? EosTokenId { get; init; }

    /// <summary>The file's pad_token_id, if any. Generation uses the model configuration's.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>The file's decoder_start_token_id, if any. Generation uses the model configuration's bos_token_id.</summary>
    public int? DecoderStartTokenId { get; init; }
}
