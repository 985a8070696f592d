using System.Collections.Generic;

namespace Dia.SoftGpu.Ptx;

/// <summary>Where the paths of each branch meet again: the immediate post-dominators of the basic blocks.</summary>
internal static class ControlFlow
{
    /// <summary>
    /// One instruction as far as control flow goes: does it branch (to <paramref name="Target"/>), may it fall through, does it end the thread.
    /// </summary>
    public readonly record struct Step(int Target, bool Falls, bool Ends);

    /// <summary>
    /// For each instruction that branches while others fall through: the instruction at which both paths are together again, or -1
    /// where they never are. -2 for all other instructions.
    /// </summary>
    public static int[] JoinsOf(Step[] code)
    {
        int n = code.Length;
        var leader = new bool[n + 1];
        leader[0] = true;
        for (int k = 0; k < n; k++)
        {
            if (code[k].Target >= 0)
                leader[code[k].Target] = true;
            if (code[k].Target >= 0 || code[k].Ends)
                leader[k + 1] = true;
        }
        var blockOf = new int[n + 1];
        var starts = new List<int>();
        for (int k = 0; k < n; k++)
        {
            if (leader[k])
                starts.Add(k);
            blockOf[k] = starts.Count - 1;
        }
        int blocks = starts.Count, exit = blocks;
        blockOf[n] = exit;
        var successors = new List<int>[blocks + 1];
        var predecessors = new List<int>[blocks + 1];
        for (int b = 0; b <= blocks; b++)
        {
            successors[b] = [];
            predecessors[b] = [];
        }
        for (int b = 0; b < blocks; b++)
        {
            Step last = code[(b + 1 < blocks ? starts[b + 1] : n) - 1];
            if (last.Target >= 0)
                Edge(b, blockOf[last.Target]);
            // Lanes that end while others go on have no say in where those meet.
            if (last.Ends && !last.Falls)
                Edge(b, exit);
            if (last.Falls)
                Edge(b, b + 1);
        }
        int[] dominator = PostDominators(successors, predecessors, exit);
        var joins = new int[n];
        for (int k = 0; k < n; k++)
        {
            joins[k] = -2;
            if (code[k].Target >= 0 && code[k].Falls)
                joins[k] = dominator[blockOf[k]] is var d && d >= 0 && d != exit ? starts[d] : -1;
        }
        return joins;

        void Edge(int from, int to)
        {
            successors[from].Add(to);
            predecessors[to].Add(from);
        }
    }

    // Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm, on the graph turned around.
    private static int[] PostDominators(List<int>[] successors, List<int>[] predecessors, int exit)
    {
        int n = successors.Length;
        var order = new List<int>();
        var seen = new bool[n];
        var stack = new Stack<(int Node, int Next)>();
        stack.Push((exit, 0));
        seen[exit] = true;
        while (stack.Count > 0)
        {
            (int node, int next) = stack.Pop();
            if (next < predecessors[node].Count)
            {
                stack.Push((node, next + 1));
                int p = predecessors[node][next];
                if (!seen[p])
                {
                    seen[p] = true;
                    stack.Push((p, 0));
                }
            }
            else
                order.Add(node);
        }
        var number = new int[n];
        Array.Fill(number, -1);
        for (int k = 0; k < order.Count; k++)
            number[order[k]] = k;
        var dominator = new int[n];
        Array.Fill(dominator, -1);
        dominator[exit] = exit;
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int k = order.Count - 2; k >= 0; k--)
            {
                int node = order[k], best = -1;
                foreach (int s in successors[node])
                    if (number[s] >= 0 && dominator[s] >= 0)
                        best = best < 0 ? s : Intersect(best, s);
                if (best >= 0 && dominator[node] != best)
                {
                    dominator[node] = best;
                    changed = true;
                }
            }
        }
        return dominator;

        int Intersect(int a, int b)
        {
            while (a != b)
            {
                while (number[a] < number[b])
                    a = dominator[a];
                while (number[b] < number[a])
                    b = dominator[b];
            }
            return a;
        }
    }
}
