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
        Assert.Equal(8, Unsafe.SizeOf<SizeT>());
        Assert.Equal(8, Unsafe.SizeOf<CUdeviceptr>());
        Assert.Equal(8, Unsafe.SizeOf<CUcontext>());
        Assert.Equal(8, Unsafe.SizeOf<CUmodule>());
        Assert.Equal(8, Unsafe.SizeOf<CUfunction>());
        Assert.Equal(8, Unsafe.SizeOf<CUstream>());
        Assert.Equal(8, Unsafe.SizeOf<CUevent>());
        Assert.Equal(8, Unsafe.SizeOf<CUgraph>());
        Assert.Equal(8, Unsafe.SizeOf<CUgraphExec>());
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
        Assert.Equal("12", size.ToString());
    }

    [Fact]
    public void SizeRefusesWhatDoesNotFit()
    {
        SizeT large = 1L << 40, huge = nuint.MaxValue;
        Assert.Throws<OverflowException>(() => (SizeT)(-1));
        Assert.Throws<OverflowException>(() => (SizeT)(-1L));
        Assert.Throws<OverflowException>(() => (int)large);
        Assert.Throws<OverflowException>(() => (long)huge);
        Assert.Throws<OverflowException>(() => huge * 2);
    }

    [Fact]
    public void ExtentsAreOneWhereNothingIsSaid()
    {
        dim3 extent = 7;
        Assert.Equal("(7, 1, 1)", extent.ToString());
        Assert.Equal("(7, 5, 1)", new dim3(7, 5).ToString());
        Assert.Throws<OverflowException>(() => new dim3(-1));
    }
}
