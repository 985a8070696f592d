using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;
using ManagedCuda.VectorTypes;

namespace ManagedCuda.Tests;

public unsafe class KernelArgumentsTests
{
    [StructLayout(LayoutKind.Sequential)]
    private struct Triple
    {
        public int First;
        public float Second;
        public long Third;
    }

    // One argument's bytes, as the driver will read them.
    private static T Read<T>(in KernelArguments arguments, int index)
        where T : unmanaged
    {
        void** pointers = stackalloc void*[KernelArguments.MaxCount];
        fixed (ulong* values = arguments)
        {
            arguments.Point(pointers, (byte*)values);
            return *(T*)pointers[index];
        }
    }

    // Where each argument lies among the bytes.
    private static long[] Offsets(in KernelArguments arguments, int count)
    {
        void** pointers = stackalloc void*[KernelArguments.MaxCount];
        long[] offsets = new long[count];
        fixed (ulong* values = arguments)
        {
            arguments.Point(pointers, (byte*)values);
            for (int i = 0; i < count; i++)
                offsets[i] = (byte*)pointers[i] - (byte*)values;
        }

        return offsets;
    }

    [Fact]
    public void ArgumentsLieAlignedOneAfterTheOther()
    {
        KernelArguments arguments = default;
        arguments.Add(7);
        arguments.Add(new CUdeviceptr(0x123456789a));
        arguments.Add((byte)9);
        arguments.Add((short)-2);
        arguments.Add(1.5f);
        arguments.Add(2.5);
        arguments.Add(new Triple { First = 1, Second = 2, Third = 3 });
        arguments.Add(new dim3(4, 5, 6));
        arguments.Add(true);

        Assert.Equal([0, 8, 16, 18, 20, 24, 32, 48, 60], Offsets(in arguments, 9));
        Assert.Equal(7, Read<int>(in arguments, 0));
        Assert.Equal(0x123456789aul, Read<ulong>(in arguments, 1));
        Assert.Equal(9, Read<byte>(in arguments, 2));
        Assert.Equal(-2, Read<short>(in arguments, 3));
        Assert.Equal(1.5f, Read<float>(in arguments, 4));
        Assert.Equal(2.5, Read<double>(in arguments, 5));
        Assert.Equal(3, Read<Triple>(in arguments, 6).Third);
        Assert.Equal("(4, 5, 6)", Read<dim3>(in arguments, 7).ToString());
        Assert.Equal(1, Read<byte>(in arguments, 8));
    }

    [Fact]
    public void TooManyAreRefused()
    {
        Assert.Throws<InvalidOperationException>(() =>
        {
            KernelArguments arguments = default;
            for (int i = 0; i <= KernelArguments.MaxCount; i++)
                arguments.Add(i);
        });
        Assert.Throws<InvalidOperationException>(() =>
        {
            KernelArguments arguments = default;
            arguments.Add(default(Large));
            arguments.Add((byte)1);
        });
    }

    [Fact]
    public void NothingIsAllocated()
    {
        long before = 0;
        for (int i = 0; i < 3; i++)
        {
            before = GC.GetAllocatedBytesForCurrentThread();
            KernelArguments arguments = default;
            arguments.Add(1);
            arguments.Add(new CUdeviceptr(8));
            _ = Read<int>(in arguments, 0);
            before = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, before);
    }

    [System.Runtime.CompilerServices.InlineArray(KernelArguments.MaxBytes)]
    private struct Large
    {
        private byte _first;
    }
}
