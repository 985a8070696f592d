namespace Dia.Cli;

/// <summary>Memory that is kept back, so that enough is left to say that there is too little.</summary>
internal static unsafe class MemoryReserve
{
    private const int StackBytes = 256 << 10;
    private const nuint Bytes = 2 << 20;

    private static void* _block;

    /// <summary>Takes it. To be called first: a program that does not have this much ends here, whatever it was to do.</summary>
    public static void Take()
    {
        TakeStack();
        _block = NativeMemory.Alloc(Bytes);
    }

    /// <summary>Gives it back: for the last message.</summary>
    public static void Release()
    {
        NativeMemory.Free(_block);
        _block = null;
    }

    /// <summary>The first thread's stack grows as it is used, and the kernel ends a program whose stack cannot.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.NoOptimization)]
    private static void TakeStack()
    {
        byte* stack = stackalloc byte[StackBytes];
        new Span<byte>(stack, StackBytes).Clear();
    }
}
