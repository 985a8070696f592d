namespace Dia.Networks;

/// <summary>Rows of an arena come in sixteens, so that every activation in it starts on a 64-byte line.</summary>
internal static class ArenaRows
{
    public static int RoundUp(int rows) => checked((rows + 15) & ~15);
}
