using Dia.Backends;
using Dia.Graph;
using Dia.Networks;

namespace Dia.Quantization;

/// <summary>Sums the inputs of a network's linear layers: an adapter that adds nothing. It sees host memory: the network runs on the processor.</summary>
/// <param name="hessians">By the number of a weight, where its inputs go; null: nowhere.</param>
internal sealed unsafe class InputRecorder(Hessian?[] hessians) : LinearAdapter
{
    /// <inheritdoc/>
    public override void Add<TBackend>(in TBackend b, float* y, float* x, int weight, int rows, int n, int k, Phase phase) =>
        hessians[weight]?.Add(x, rows);

    /// <inheritdoc/>
    public override void Dispose()
    {
    }

    /// <summary>
    /// For each weight of a linear layer the weight whose input it shares: the first that a function gives the same value to. −1: it is none.
    /// </summary>
    /// <param name="operations">The operations of a model, in order.</param>
    /// <param name="weights">How many weights it has.</param>
    public static int[] SharedInputs(IReadOnlyList<OperationInfo> operations, int weights)
    {
        int[] shared = new int[weights];
        Array.Fill(shared, -1);
        var first = new Dictionary<(Function, string), int>();
        foreach (OperationInfo operation in operations)
        {
            if (operation is { Kind: OperationKind.Linear, Weight: >= 0 } && shared[operation.Weight] < 0)
            {
                var input = (operation.Function, operation.X.Split(", ")[0]);
                first.TryAdd(input, operation.Weight);
                shared[operation.Weight] = first[input];
            }

            // What it defines is another value from here on, whatever had that name.
            foreach (string name in operation.Y.Split(", "))
                first.Remove((operation.Function, name));
        }

        return shared;
    }
}
