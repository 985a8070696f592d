using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;

namespace Dia.Tests;

/// <summary>Devices by the names that test cases use.</summary>
internal static class TestDevice
{
    public static Device Create(string name) => name == "scalar" ? new ScalarDevice() : new CpuDevice(int.Parse(name.AsSpan(3)));
}
