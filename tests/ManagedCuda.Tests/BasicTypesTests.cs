using System.Runtime.CompilerServices;
using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;
using ManagedCuda.VectorTypes;

namespace ManagedCuda.Tests;

public class BasicTypesTests
{
    // The sizes of cuda.h on a 64-bit system: what crosses the border must have them.
    [Fact]
    public void SizesAreTheDrivers()
    {
        Assert.Equal(4, Unsafe.SizeOf<CUdevice>());
        Assert.Equal(4, Unsafe.SizeOf<CUResult>());
        Assert.Equal(4, Unsafe.SizeOf<CUDeviceAttribute>());
        Assert.Equal(4, Unsafe.SizeOf<CUFunctionAttribute>());
        Assert.Equal(4, Unsafe.SizeOf<CUJITOption>());
        Assert.Equal(4, Unsafe.SizeOf<CUstreamCaptureStatus>());
        Assert.Equal(8, Unsafe.SizeOf<SizeT>());
        Assert.Equal(8, Unsafe.SizeOf<CUdeviceptr>());
        Assert.Equal(8, Unsafe.SizeOf<CUcontext>());
        Assert.Equal(8, Unsafe.SizeOf<CUmodule>());
        Assert.Equal(8, Unsafe.SizeOf<CUfunction>());
        Assert.Equal(8, Unsafe.SizeOf<CUstream>());
        Assert.Equal(8, Unsafe.SizeOf<CUevent>());
        Assert.Equal(8, Unsafe.SizeOf<CUgraph>());
        Assert.Equal(8, Unsafe.SizeOf<CUgraphExec>());
        Assert.Equal(16, Unsafe.SizeOf<CUuuid>());
        Assert.Equal(12, Unsafe.SizeOf<dim3>());
        Assert.Equal(8, Unsafe.SizeOf<CudaBlasHandle>());
    }

    [Fact]
    public void SizeConvertsAndComputes()
    {
        SizeT size = 12;
        int back = size;
        Assert.Equal(12, back);
        Assert.Equal(48ul, (ulong)(size * 4));
        Assert.Equal(3ul, (ulong)(size / 4));
        Assert.True(size < 13 && size >= 12 && size != 11);
        Assert.Equal("12", size.ToString());
    }

    [Fact]
    public void SizeRefusesWhatDoesNotFit()
    {
        SizeT large = 1L << 40, small = 1;
        Assert.Throws<OverflowException>(() => (SizeT)(-1));
        Assert.Throws<OverflowException>(() => (int)large);
        Assert.Throws<OverflowException>(() => large * large);
        Assert.Throws<OverflowException>(() => small - large);
    }

    [Fact]
    public void AddressesMove()
    {
        var address = new CUdeviceptr(0x1000);
        Assert.Equal(0x1010ul, (ulong)(address + 16));
        Assert.Equal(address, address + 16 - 16);
        Assert.Equal("0x1000", address.ToString());
    }

    [Fact]
    public unsafe void UuidIsPrintedAsTheToolsPrintIt()
    {
        CUuuid uuid = default;
        for (int i = 0; i < 16; i++)
            uuid.bytes[i] = (byte)(16 * i + 1);
        Assert.Equal("GPU-01112131-4151-6171-8191-a1b1c1d1e1f1", uuid.ToString());
    }

    [Fact]
    public void ExtentsAreOneWhereNothingIsSaid()
    {
        dim3 extent = 7;
        Assert.Equal(new dim3(7, 1, 1), extent);
        Assert.Equal("(7, 1, 1)", extent.ToString());
        Assert.Throws<OverflowException>(() => new dim3(-1));
    }
}
