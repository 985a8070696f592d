using Dia.Generators.Graph;
using Dia.Generators.Planning;

namespace Dia.Generators.Emission;

/// <summary>A method of the emitted class for a function.</summary>
/// <param name="Summary">Its comment.</param>
/// <param name="Signature">Its parameters.</param>
/// <param name="Arguments">The same where a stage is called.</param>
/// <param name="Scope">What things are called in it.</param>
internal sealed record Method(string Summary, string Signature, string Arguments, Scope Scope);

/// <summary>Writes functions: one method each, which calls one for each of its stages.</summary>
/// <param name="plan">Where the values lie.</param>
/// <param name="declare">The declaration of a value that a stage uses, under the name that it has there, with a remark.</param>
internal sealed class FunctionWriter(Plan plan, Func<Value, string, (string Code, string Remark)> declare)
{
    public void Write(CodeWriter code, FunctionGraph function, string name, Method method)
    {
        // A function of one nameless stage is one method.
        if (function.Stages.Count == 1 && function.Stages[0].Name.Length == 0)
        {
            WriteStage(code, "public override", name, function.Stages[0], method);
            return;
        }

        code.Summary(method.Summary);
        using (code.Open($"public override void {name}({method.Signature})"))
        {
            foreach (Stage stage in function.Stages)
            {
                string call = $"{name}{stage.Name}({method.Arguments});";
                code.Line(stage.LeastCodebooks > 1 ? $"if (p.Codebooks >= {stage.LeastCodebooks})" : call);
                if (stage.LeastCodebooks > 1)
                    code.Line("    " + call);
            }
        }

        code.Line();
        foreach (Stage stage in function.Stages)
            WriteStage(code, "private", name + stage.Name, stage, method);
    }

    private void WriteStage(CodeWriter code, string modifiers, string name, Stage stage, Method method)
    {
        code.Summary(stage.Summary);
        using (code.Open($"{modifiers} void {name}({method.Signature})"))
        {
            Value[] used =
                [.. stage.Operations.SelectMany(o => o.Inputs.Concat(o.Outputs)).Distinct().Where(v => plan.Places(v) && !method.Scope.IsElsewhere(v))];
            Dictionary<Value, string> locals = Locals(used);
            Scope scope = method.Scope.For(locals);
            (string Code, string Remark)[] declarations = [.. used.Select(v => declare(v, locals[v])).Distinct()];
            if (declarations.Length > 0)
                code.Declarations(declarations);
            foreach (Operation operation in stage.Operations)
            {
                if (operation.Remark is { } remark)
                {
                    code.Line();
                    code.Line("// " + remark);
                }

                foreach (string statement in operation.Print(scope).Split(['\n'], StringSplitOptions.RemoveEmptyEntries))
                    code.Line(statement);
            }
        }

        code.Line();
    }

    /// <summary>Values are called by their names; where those that share one lie in several buffers, they are called as these.</summary>
    private Dictionary<Value, string> Locals(Value[] used)
    {
        var locals = new Dictionary<Value, string>();
        foreach (var group in used.GroupBy(v => v.Name))
        {
            bool oneBuffer = group.Select(plan.Name).Distinct().Count() == 1;
            foreach (Value value in group)
                locals.Add(value, oneBuffer ? value.Name : char.ToLowerInvariant(plan.Name(value)[0]) + plan.Name(value).Substring(1));
        }

        return locals;
    }
}
