using System.IO.Enumeration;
using Dia.Configuration;

namespace Dia.Weights;

/// <summary>
/// The settings of a LoRA adapter (Hu et al. 2021, arXiv 2106.09685) in the names of the PEFT library, whose adapter_config.json it is: a linear layer's
/// weight w gets w + scale·b·a, b [n, r], a [r, k].
/// </summary>
public sealed record LoraConfig
{
    /// <summary>The name of its file.</summary>
    public const string FileName = "adapter_config.json";

    /// <summary>The greatest rank.</summary>
    public const int MaxRank = 4096;

    // What an adapter may say besides, as long as it says this: anything else computes otherwise.
    private static readonly (string Key, string Value)[] Constants =
    [
        ("alora_invocation_tokens", "null"), ("alpha_pattern", "{}"), ("arrow_config", "null"), ("bias", "\"none\""), ("fan_in_fan_out", "false"),
        ("kasa_config", "null"), ("layer_replication", "null"), ("lora_bias", "false"), ("lora_ga_config", "null"), ("modules_to_save", "null"),
        ("monteclora_config", "null"), ("target_parameters", "null"), ("trainable_token_indices", "null"), ("use_bdlora", "null"), ("use_dora", "false"),
        ("use_qalora", "false"), ("velora_config", "null"),
    ];

    // These say how it was begun, or for whom.
    private static readonly string[] Passed =
    [
        "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config", "exclude_modules", "inference_mode",
        "init_lora_weights", "layers_pattern", "layers_to_transform", "loftq_config", "megatron_config", "megatron_core", "peft_version",
        "qalora_group_size", "revision", "runtime_config", "task_type",
    ];

    /// <summary>The linear layers of attention and MLP, in both stacks.</summary>
    public static IReadOnlyList<string> DefaultTargets { get; } = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"];

    /// <summary>The rank, from 1; the tensors of a layer may have another.</summary>
    public int R { get; init; } = 8;

    /// <summary>What is added is scaled by this over the rank.</summary>
    public double LoraAlpha { get; init; } = 8;

    /// <summary>The share of a layer's inputs that training drops on their way to the adapter, from 0, below 1.</summary>
    public double LoraDropout { get; init; }

    /// <summary>Whether the scale is alpha over the root of the rank (Kalajdzievski 2023).</summary>
    public bool UseRslora { get; init; }

    /// <summary>
    /// The last parts of the names of the layers that a new adapter gets, or whole names with * for any characters, which its file then has one by one;
    /// "all-linear" as the only one: all but the head.
    /// </summary>
    public IReadOnlyList<string> TargetModules { get; init; } = DefaultTargets;

    /// <summary>The model that it is for, as people call it; null: unknown.</summary>
    public string? BaseModelNameOrPath { get; init; }

    /// <summary>Whether layers may have another rank than <see cref="R"/>.</summary>
    internal bool HasRankPattern { get; private init; }

    /// <summary>The text of the file that it was read from.</summary>
    private string? Text { get; init; }

    /// <summary>What b·a is scaled by.</summary>
    /// <param name="rank">The rank of the layer's tensors.</param>
    public double Scale(int rank) => LoraAlpha / (UseRslora ? Math.Sqrt(rank) : rank);

    /// <summary>Whether a new adapter gets a layer.</summary>
    /// <param name="module">Its name: model.decoder.layers.0.mlp.down_proj.</param>
    public bool Targets(string module)
    {
        ArgumentNullException.ThrowIfNull(module);
        return TargetModules is ["all-linear"] ? module != "logits_dense"
            : TargetModules.Any(t => module == t || module.EndsWith("." + t, StringComparison.Ordinal) || (IsPattern(t) && Fits(t, module)));
    }

    /// <summary>The same with the names that its patterns stand for: PEFT knows no patterns of this kind.</summary>
    /// <param name="modules">The names of all linear layers.</param>
    internal LoraConfig WithNames(IEnumerable<string> modules) =>
        this with { TargetModules = [.. TargetModules.SelectMany(t => IsPattern(t) ? modules.Where(m => Fits(t, m)) : [t]).Distinct()] };

    private static bool IsPattern(string target) => target.Contains('*', StringComparison.Ordinal);

    private static bool Fits(string pattern, string module) => FileSystemName.MatchesSimpleExpression(pattern, module, ignoreCase: false);

    /// <summary>The settings in a file's text, and everything that is wrong with it. What would change the computation is an error.</summary>
    public static ConfigurationResult<LoraConfig> Parse(string json) => ConfigurationFile.Read(json).Parse(null, ProblemSeverity.Warning, file =>
    {
        file.Require("peft_type");
        file.Constant("peft_type", "\"LORA\"");
        foreach ((string key, string value) in Constants)
            file.Constant(key, value);
        foreach (string key in Passed)
            file.Get(key);
        file.Require("r");
        var config = new LoraConfig
        {
            R = file.Value("r", 8, FieldType.Integer(1, MaxRank)),
            LoraAlpha = file.Value("lora_alpha", 8.0, FieldType.Number(_ => true, "a number that float32 holds")),
            LoraDropout = file.Value("lora_dropout", 0.0, FieldType.Number(x => x is >= 0 and < 1, "a number from 0, below 1")),
            UseRslora = file.Value("use_rslora", false, FieldType.Boolean),
            TargetModules = file.Get("target_modules") switch
            {
                { Kind: JsonKind.Array } list => [.. list.Items.Select(i => i.Text)],
                { Kind: JsonKind.String } pattern => [pattern.Text],
                _ => [],
            },
            HasRankPattern = file.Object("rank_pattern") is { Members.Count: > 0 },
            BaseModelNameOrPath = file.Get("base_model_name_or_path") is { Kind: JsonKind.String } name ? name.Text : null,
            Text = json,
        };
        file.Finish(_ => false, computed: true);
        return config;
    });

    /// <summary>The file: as it was read, or with the keys that every version of PEFT knows.</summary>
    public string ToJson() => Text ?? string.Create(CultureInfo.InvariantCulture, $$"""
        {
          "alpha_pattern": {},
          "auto_mapping": {
            "base_model_class": "DiaForConditionalGeneration",
            "parent_library": "transformers.models.dia.modeling_dia"
          },
          "base_model_name_or_path": {{(BaseModelNameOrPath is { } name ? JsonValue.Write(name) : "null")}},
          "bias": "none",
          "fan_in_fan_out": false,
          "inference_mode": true,
          "init_lora_weights": true,
          "layers_pattern": null,
          "layers_to_transform": null,
          "lora_alpha": {{LoraAlpha}},
          "lora_dropout": {{LoraDropout}},
          "modules_to_save": null,
          "peft_type": "LORA",
          "r": {{R}},
          "rank_pattern": {},
          "revision": null,
          "target_modules": [{{string.Join(", ", TargetModules.Select(JsonValue.Write))}}],
          "task_type": null,
          "use_dora": false,
          "use_rslora": {{(UseRslora ? "true" : "false")}}
        }

        """).ReplaceLineEndings("\n");
}
