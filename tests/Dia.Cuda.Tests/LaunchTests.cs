using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using Dia.Backends.Cuda;
using ManagedCuda.VectorTypes;
using Xunit;

namespace Dia.Cuda.Tests;

/// <summary>
/// The launches of <see cref="CudaKernels"/> beside the module's kernels: the driver copies each argument with the size that the kernel says.
/// </summary>
public partial class LaunchTests
{
    // The parameters of each kernel, as PTX types: "rms_norm" has u64 u64 u64 u32 f32.
    private static readonly Dictionary<string, string> Kernels = ReadKernels();

    // The launches by the kernels' names, without what tells a variant; their parameters are those behind the grid.
    private static readonly ILookup<string, string> Launches = typeof(CudaKernels)
        .GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
        .ToLookup(m => WordStart().Replace(m.Name, "_$0").ToLowerInvariant(), Parameters);

    [Fact]
    public void Every_kernel_has_a_launch_with_its_parameters()
    {
        Assert.True(Kernels.Count > 40);
        Assert.All(Kernels, kernel => Assert.Contains(kernel.Value, Launches[Variant().Replace(kernel.Key, "")]));
    }

    [Fact]
    public void Every_launch_has_a_kernel_with_its_parameters()
    {
        ILookup<string, string> kernels = Kernels.ToLookup(k => Variant().Replace(k.Key, ""), k => k.Value);
        Assert.All(Launches, launches => Assert.All(launches, parameters => Assert.Contains(parameters, kernels[launches.Key])));
    }

    private static string Parameters(MethodInfo launch) =>
        string.Join(' ', launch.GetParameters().SkipWhile(p => p.ParameterType != typeof(dim3)).Skip(1).Select(Type));

    private static string Type(ParameterInfo parameter) => System.Type.GetTypeCode(parameter.ParameterType) switch
    {
        _ when parameter.ParameterType.IsPointer => "u64",
        TypeCode.Int32 => "u32",
        TypeCode.Int64 or TypeCode.UInt64 => "u64",
        TypeCode.Single => "f32",
        _ => throw new NotSupportedException($"{parameter.Member.Name}: {parameter}"),
    };

    private static Dictionary<string, string> ReadKernels() => Entry().Matches(Encoding.ASCII.GetString(CudaModule.EmbeddedImage()))
        .ToDictionary(e => e.Groups[1].Value, e => string.Join(' ', e.Groups[2].Captures));

    [GeneratedRegex(@"\.entry (\w+)\((?:\s*\.param \.(\w+) \w+,?)*\s*\)")]
    private static partial Regex Entry();

    // A format of weights, or sizes: embed_f32, pack_convolution_16, attend_piece_4_1.
    [GeneratedRegex("(_(f32|bf16|f16|int8|int4|[0-9]+))+$")]
    private static partial Regex Variant();

    [GeneratedRegex("(?<!^)[A-Z]")]
    private static partial Regex WordStart();
}
