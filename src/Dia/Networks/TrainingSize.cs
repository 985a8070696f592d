namespace Dia.Networks;

/// <summary>What a training step works on.</summary>
/// <param name="Batch">Utterances (B), from 1.</param>
/// <param name="Rows">Audio rows of each (T), from 1.</param>
/// <param name="Characters">Text ids of each (S), from 1.</param>
/// <param name="Rank">The rank of the adapters that are trained; 0: all weights are.</param>
public readonly record struct TrainingSize(int Batch, int Rows, int Characters, int Rank = 0);
