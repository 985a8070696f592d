using Dia.Backends;

namespace Dia.Tests;

/// <summary>Devices by the names that test cases use.</summary>
internal static class TestDevice
{
    public static Device Create(string name) => name == "scalar" ? Device.CreateScalar() : Device.CreateCpu(int.Parse(name.AsSpan(3)));
}
