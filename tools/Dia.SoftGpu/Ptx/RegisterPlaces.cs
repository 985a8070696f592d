using System.Collections.Generic;

namespace Dia.SoftGpu.Ptx;

/// <summary>
/// Gives registers that are never live at the same time the same place: PTX names a new register for nearly every value, and a warp's
/// register file should stay in the processor's cache.
/// </summary>
/// <remarks>
/// A register lives from its first to its last mention in the text. A jump back extends it: to the jump, where it lived before the
/// target; over the whole stretch, where its first mention there may read what an earlier round left. Lanes that are elsewhere keep
/// their values, since instructions touch only their own lanes.
/// </remarks>
internal static class RegisterPlaces
{
    private sealed class Life(Register register)
    {
        public Register Register { get; } = register;

        public int From { get; set; } = int.MaxValue;

        public int To { get; set; } = -1;

        /// <summary>The first mention may read.</summary>
        public bool Read { get; set; }
    }

    /// <summary>Places all registers of a body but predicates, from a byte offset on; returns the end.</summary>
    public static int Assign(List<Statement> body, int offset)
    {
        var lives = new Dictionary<Register, Life>();
        var back = new List<(int Target, int Jump)>();
        for (int k = 0; k < body.Count; k++)
        {
            Statement s = body[k];
            string opcode = s.Opcode.Split('.')[0];
            if (opcode == "bra" && s.Scope.FindLabel(s.Operands[0].Name) is >= 0 and var target && target <= k)
                back.Add((target, k));
            // Sources first: "add r, r, 1" reads what it writes.
            for (int o = s.Operands.Length - 1; o >= 0; o--)
                Mention(s.Operands[o], s, k, o == 0 && s.Guard == null && opcode is not ("bar" or "barrier" or "bra"));
        }
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach ((int target, int jump) in back)
                foreach (Life l in lives.Values)
                {
                    if (l.From > jump || l.To < target)
                        continue;
                    if (l.From < target && l.To < jump)
                        (l.To, changed) = (jump, true);
                    if (l.From > target && l.Read)
                        (l.From, l.To, changed) = (target, Math.Max(l.To, jump), true);
                    else if (l.From == target && l.Read && l.To < jump)
                        (l.To, changed) = (jump, true);
                }
        }
        return Scan([.. lives.Values], offset);

        void Mention(Operand o, Statement s, int at, bool write)
        {
            foreach (Operand item in o.Items)
                Mention(item, s, at, write);
            if (o.Name == "" || s.Scope.FindRegister(o.Name) is not { Bits: > 1 } r)
                return;
            if (!lives.TryGetValue(r, out Life? l))
                lives[r] = l = new Life(r) { Read = !write || o.Kind == OperandKind.Address };
            l.From = Math.Min(l.From, at);
            l.To = Math.Max(l.To, at);
        }
    }

    private static int Scan(List<Life> lives, int offset)
    {
        lives.Sort((a, b) => a.From != b.From ? a.From.CompareTo(b.From) : a.To.CompareTo(b.To));
        var ends = new PriorityQueue<Life, int>();
        var free = new Dictionary<int, Stack<int>> { [4] = new(), [8] = new() };
        foreach (Life l in lives)
        {
            // Strictly before: within one instruction no destination may lie on a source.
            while (ends.TryPeek(out Life? done, out int end) && end < l.From)
            {
                ends.Dequeue();
                free[done.Register.Bits == 64 ? 8 : 4].Push(done.Register.Offset);
            }
            int bytes = l.Register.Bits == 64 ? 8 : 4;
            if (!free[bytes].TryPop(out int place))
            {
                place = offset;
                offset += 32 * bytes;
            }
            l.Register.Offset = place;
            ends.Enqueue(l, l.To);
        }
        return offset;
    }
}
