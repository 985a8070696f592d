namespace Dia.Weights;

/// <summary>A LoRA adapter that becomes part of a checkpoint's weights.</summary>
/// <param name="Folder">Where it is.</param>
/// <param name="Config">Its settings.</param>
/// <param name="Strength">What it adds is scaled by this.</param>
public sealed record MergedAdapter(ModelFolder Folder, LoraConfig Config, double Strength);
