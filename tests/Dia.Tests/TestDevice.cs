using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Xunit;

namespace Dia.Tests;

/// <summary>Devices by the names that test cases use.</summary>
internal static class TestDevice
{
    /// <summary>Every one of some cases on every one of some devices.</summary>
    public static TheoryData<string, string> Each(IEnumerable<string> cases, params string[] devices)
    {
        var data = new TheoryData<string, string>();
        foreach (string name in cases)
            foreach (string device in devices)
                data.Add(name, device);
        return data;
    }

    public static Device Create(string name) => name == "scalar" ? new ScalarDevice() : new CpuDevice(int.Parse(name.AsSpan(3)));
}
