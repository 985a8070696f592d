using System.Diagnostics;
using Dia.Generation;
using Dia.Processing;

namespace Dia.Cli.Lines;

/// <summary>A line that is being spoken.</summary>
/// <param name="Place">Its place in the order of answers.</param>
/// <param name="Line">Its number.</param>
/// <param name="Id">Its id as JSON text, or null.</param>
/// <param name="Request">What it asks for.</param>
/// <param name="Files">Where its results go.</param>
/// <param name="Inputs">The model's inputs.</param>
/// <param name="Config">How to generate.</param>
/// <param name="PromptRows">Rows of the prompt, BOS included.</param>
internal sealed record LineJob(long Place, long Line, string? Id, LineRequest Request, LineFiles Files, DiaInputs Inputs, GenerationConfig Config, int PromptRows)
{
    /// <summary>Runs from the line's start.</summary>
    public Stopwatch Clock { get; } = Stopwatch.StartNew();
}
