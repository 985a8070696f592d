using System.Runtime.CompilerServices;
using ManagedCuda.BasicTypes;
using ManagedCuda.VectorTypes;

namespace ManagedCuda.Tests;

public class BasicTypesTests
{
    // The sizes of cuda.h on a 64-bit system: what crosses the border must have them.
    [Fact]
    public void Sizes_are_the_drivers()
    {
        Assert.Equal(4, Unsafe.SizeOf<CUResult>());
        Assert.Equal(4, Unsafe.SizeOf<CUDeviceAttribute>());
        Assert.Equal(4, Unsafe.SizeOf<CUFunctionAttribute>());
        Assert.Equal(4, Unsafe.SizeOf<CUJITOption>());
        Assert.Equal(8, Unsafe.SizeOf<KernelArgument>());
    }

    [Fact]
    public void Extents_are_one_where_nothing_is_said()
    {
        dim3 extent = 7;
        Assert.Equal("(7, 1, 1)", extent.ToString());
        Assert.Equal("(7, 5, 1)", new dim3(7, 5).ToString());
        Assert.Throws<OverflowException>(() => new dim3(-1));
    }
}
