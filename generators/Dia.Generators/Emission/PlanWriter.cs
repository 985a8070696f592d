using Dia.Generators.Planning;

namespace Dia.Generators.Emission;

/// <summary>Writes a memory plan: a constant for each buffer's offset, with a table as a comment.</summary>
internal static class PlanWriter
{
    /// <summary>One class; offsets in float32 values, to be multiplied by the rows of the arena if <paramref name="perRow"/>.</summary>
    public static void Write(CodeWriter code, string className, ArenaPlan plan, string summary, bool perRow, params (string Name, string Value)[] more)
    {
        code.Summary(summary);
        using (code.Open($"internal static class {className}"))
        {
            int width = Math.Max(6, plan.Buffers.Max(b => b.Name.Length));
            code.Line($"// {"buffer".PadRight(width)}  {"values".PadLeft(12)}  {"offset".PadLeft(12)}  operations");
            foreach (ArenaBuffer b in plan.Buffers)
                code.Line($"// {b.Name.PadRight(width)}  {CodeWriter.Number(b.Size).PadLeft(12)}  {CodeWriter.Number(b.Offset).PadLeft(12)}  {CodeWriter.Number(b.First)} to {CodeWriter.Number(b.Last)}");
            code.Line($"// {"total".PadRight(width)}  {CodeWriter.Number(plan.Total).PadLeft(12)}{(perRow ? " values a row" : "")}");
            foreach (ArenaBuffer b in plan.Buffers)
                code.Line($"public const long {b.Name} = {CodeWriter.Number(b.Offset)};");
            code.Line($"public const long Total = {CodeWriter.Number(plan.Total)};");
            foreach (var (name, value) in more)
                code.Line($"public const int {name} = {value};");
        }
    }
}
