namespace Dia.Backends;

/// <summary>A part of what is planned to lie in a device's memory.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Bytes">How much.</param>
/// <param name="Note">Where the figure comes from.</param>
public sealed record MemoryPart(string Name, long Bytes, string Note);

/// <summary>What a plan comes to.</summary>
/// <param name="Bytes">All parts together.</param>
/// <param name="Least">Of these what is taken whatever is said.</param>
/// <param name="Mapped">Beside these, files that weights are read from where they are mapped.</param>
/// <param name="Scratch">Of these the working memory of kernels.</param>
internal readonly record struct MemoryNeeds(long Bytes, long Least, long Mapped, long Scratch);
