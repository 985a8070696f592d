namespace ManagedCuda.Tests;

public unsafe class KernelArgumentTests
{
    // An argument's bytes, as the driver will read them.
    private static T Read<T>(KernelArgument argument)
        where T : unmanaged => *(T*)&argument;

    private static int Sum(params ReadOnlySpan<KernelArgument> arguments)
    {
        int sum = 0;
        foreach (KernelArgument argument in arguments)
            sum += Read<int>(argument);
        return sum;
    }

    [Fact]
    public void An_argument_is_its_values_bytes()
    {
        Assert.Equal(-7, Read<int>(-7));
        Assert.Equal(0x80000000L, Read<long>(0x80000000L));
        Assert.Equal(-9, Read<long>(-9L));
        Assert.Equal(ulong.MaxValue, Read<ulong>(ulong.MaxValue));
        Assert.Equal(1.5f, Read<float>(1.5f));
        Assert.Equal(0x123456789aul, Read<ulong>((float*)0x123456789a));
        Assert.Equal(0x123456789aul, Read<ulong>((void*)0x123456789a));
        Assert.Equal(0ul, Read<ulong>((int*)null));
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        long before = 0;
        for (int i = 0; i < 3; i++)
        {
            before = GC.GetAllocatedBytesForCurrentThread();
            int sum = Sum(1, (void*)8, i);
            before = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(9 + i, sum);
        }

        Assert.Equal(0, before);
    }
}
