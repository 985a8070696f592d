using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// Products of bfloat16 values with float32 sums, by an instruction that C# cannot say (AVX512_BF16). The routine is linked into what is compiled ahead
/// of time (Directory.Build.targets); elsewhere there is none, and products are in float32.
/// </summary>
internal static unsafe partial class BFloat16Products
{
    /// <summary>Rows of a tile: 12 rows of 2 vectors are 24 sums, which with 2 vectors of the panel and 2 of rows fit 32 registers.</summary>
    public const int TileRows = 12;

    /// <summary>Columns of a panel.</summary>
    public const int PanelColumns = 32;

    /// <summary>Values of k per block: a panel (32 KiB) and the rows of a tile (12 KiB) stay in the first-level cache.</summary>
    public const int KBlock = 512;

    private const string Switch = "Dia.BFloat16Tile";

    /// <summary>Whether the routine is there and the processor has the instruction.</summary>
    public static bool IsSupported { get; } = !RuntimeFeature.IsDynamicCodeSupported && AppContext.TryGetSwitch(Switch, out bool linked) && linked
        && Avx512BW.IsSupported && X86Base.CpuId(7, 0).Eax >= 1 && (X86Base.CpuId(7, 1).Eax & 1 << 5) != 0;

    /// <summary>
    /// Whether they are faster than products in float32. On AMD (Zen 5) they make twice as many a second; on an Intel Xeon (Emerald Rapids) the
    /// instruction takes four times as long as a multiply-add of as many lanes, and half as many are made.
    /// </summary>
    public static bool AreFaster { get; } = IsSupported && X86Base.CpuId(0, 0).Ebx == 0x68747541; // "Auth"

    /// <summary>sums[12, 32] += rows[12, 2·pairs] · panel[2·pairs, 32]; a word holds two values of k that follow each other.</summary>
    /// <param name="rows">[pairs, 12] words.</param>
    /// <param name="panel">[pairs, 32] words.</param>
    /// <param name="sums">The sums, row by row.</param>
    /// <param name="pairs">Pairs of values of k.</param>
    [LibraryImport("bfloat16_tile", EntryPoint = "dia_bfloat16_tile"), SuppressGCTransition]
    public static partial void Tile(uint* rows, uint* panel, float* sums, nint pairs);

    /// <summary>Values to bfloat16, the nearest, ties to even; NaN stays NaN.</summary>
    /// <param name="from">The values.</param>
    /// <param name="to">Receives as many of 16 bits.</param>
    /// <param name="count">How many.</param>
    public static void Round(float* from, ushort* to, int count)
    {
        int v = Vector<float>.Count, i = 0;
        for (; i <= count - 2 * v; i += 2 * v)
            Vector.Narrow(Rounded(Vector.Load(from + i)), Rounded(Vector.Load(from + i + v))).Store(to + i);
        for (; i < count; i++)
            to[i] = (ushort)Rounded(new Vector<float>(from[i]))[0];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> Rounded(Vector<float> x)
    {
        Vector<uint> bits = Vector.AsVectorUInt32(x), odd = Vector.ShiftRightLogical(bits, 16) & Vector<uint>.One;
        Vector<uint> nearest = bits + odd + new Vector<uint>(0x7fff);
        return Vector.ShiftRightLogical(Vector.ConditionalSelect(Vector.AsVectorUInt32(Vector.Equals(x, x)), nearest, new Vector<uint>(0x7fc00000)), 16);
    }
}
