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

        int[] offsets = new int[arguments.Count];
        for (int i = 0; i < offsets.Length; i++)
            offsets[i] = arguments.OffsetOf(i);
        Assert.Equal([0, 8, 16, 18, 20, 24, 32, 48, 60], offsets);

        Assert.Equal(7, Read<int>(in arguments, 0));
        Assert.Equal(0x123456789aul, Read<ulong>(in arguments, 1));
        Assert.Equal(9, Read<byte>(in arguments, 2));
        Assert.Equal(-2, Read<short>(in arguments, 3));
        Assert.Equal(1.5f, Read<float>(in arguments, 4));
        Assert.Equal(2.5, Read<double>(in arguments, 5));
        Assert.Equal(3, Read<Triple>(in arguments, 6).Third);
        Assert.Equal(new dim3(4, 5, 6), Read<dim3>(in arguments, 7));
        Assert.Equal(1, Read<byte>(in arguments, 8));
    }

    [Fact]
    public void BoxedArgumentsAreTheSame()
    {
        KernelArguments boxed = default, plain = default;
        using var array = new CudaDeviceVariable<float>(new CUdeviceptr(0x5000), 16);
        boxed.AddBoxed([1, 2u, 3L, 4ul, 5f, 6d, (byte)7, (sbyte)8, (short)9, (ushort)10, (nint)11, (nuint)12, 'c', true, (Half)1.5f, (SizeT)13, array, array.DevicePointer, new dim3(1, 2, 3)]);
        plain.Add(1);
        plain.Add(2u);
        plain.Add(3L);
        plain.Add(4ul);
        plain.Add(5f);
        plain.Add(6d);
        plain.Add((byte)7);
        plain.Add((sbyte)8);
        plain.Add((short)9);
        plain.Add((ushort)10);
        plain.Add((nint)11);
        plain.Add((nuint)12);
        plain.Add('c');
        plain.Add(true);
        plain.Add((Half)1.5f);
        plain.Add((SizeT)13);
        plain.Add(array);
        plain.Add(array.DevicePointer);
        plain.Add(new dim3(1, 2, 3));

        Assert.Equal(plain.Count, boxed.Count);
        for (int i = 0; i < plain.Count; i++)
            Assert.Equal(plain.OffsetOf(i), boxed.OffsetOf(i));
        fixed (ulong* left = plain, right = boxed)
            Assert.True(new ReadOnlySpan<ulong>(left, KernelArguments.MaxBytes / 8).SequenceEqual(new ReadOnlySpan<ulong>(right, KernelArguments.MaxBytes / 8)));
    }

    [Theory]
    [InlineData("text")]
    [InlineData(null)]
    public void OtherTypesAreRefused(object? value)
    {
        Assert.Throws<ArgumentException>(() =>
        {
            KernelArguments arguments = default;
            arguments.AddBoxed([value!]);
        });
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
