using Dia.Generators.Differentiation;
using Dia.Generators.Graph;
using Dia.Generators.Planning;

namespace Dia.Generators.Emission;

/// <summary>Writes a memory plan: a constant for each buffer's offset, with a table as a comment.</summary>
internal static class PlanWriter
{
    /// <summary>What is to be said of the operations of a plan for training.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="functions">What it is the plan of: functions, then their backward functions.</param>
    /// <param name="unit">What its sizes are of: a row.</param>
    /// <param name="limit">What is to be said of how much may be kept; a text in brackets.</param>
    public static string[] Kept(Plan plan, IReadOnlyList<FunctionGraph> functions, string unit, string limit)
    {
        int forward = functions.Where(f => !Backward.Is(f.Function)).SelectMany(f => f.Operations).Count();
        long kept = plan.Arena.Buffers.Where(b => b.First < forward && b.Last >= forward).Sum(b => b.Size);
        return
        [
            $"operations: those of the forward pass are 0 to {CodeWriter.Number(forward - 1)}, the backward pass follows. What lives over that border is kept:",
            $"{CodeWriter.Number(kept * sizeof(float))} bytes of a {unit}{limit}. The rest of what is read again is computed again.",
        ];
    }

    /// <summary>One class.</summary>
    /// <param name="code">Where to.</param>
    /// <param name="className">Its name.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="summary">What it is the plan of.</param>
    /// <param name="notes">What the table's numbers mean.</param>
    public static void Write(CodeWriter code, string className, Plan plan, string summary, IEnumerable<string> notes)
    {
        code.Summary(summary);
        using (code.Open($"internal static class {className}"))
        {
            foreach (string note in notes)
                code.Line("// " + note);
            code.Line("//");
            IReadOnlyList<ArenaBuffer> buffers = plan.Arena.Buffers;
            int width = Math.Max(6, buffers.Max(b => b.Name.Length)), shapeWidth = buffers.Max(b => plan.Shapes[b.Name].Length);
            code.Line($"// {"buffer".PadRight(width)}  {"shape".PadRight(shapeWidth)}  {"offset".PadLeft(10)}  operations");
            foreach (ArenaBuffer b in buffers)
                code.Line(
                    $"// {b.Name.PadRight(width)}  {plan.Shapes[b.Name].PadRight(shapeWidth)}  {CodeWriter.Number(b.Offset).PadLeft(10)}  {CodeWriter.Number(b.First)} to {CodeWriter.Number(b.Last)}");
            foreach (ArenaBuffer b in buffers)
                code.Line($"public const long {b.Name} = {CodeWriter.Number(b.Offset)};");
            code.Line($"public const long Total = {CodeWriter.Number(plan.Arena.Total)};");
        }
    }
}
