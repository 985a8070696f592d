using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using Dia.Backends;
using Dia.Backends.Cuda;
using Dia.Configuration;
using Xunit;

namespace Dia.Cuda.Tests;

/// <summary>Kernels/shared.h, which gives the kernels what C# says: the constants of launches, enumerations, and structs that both read.</summary>
public class SharedHeaderTests
{
    private static readonly Type[] Enumerations = [typeof(HiddenActivation), typeof(SamplerStatus)];
    private static readonly Type[] Structs = [typeof(AttentionItem), typeof(SequenceState)];

    [Fact]
    public void The_header_is_what_c_sharp_says()
    {
        string path = Repository.At("src/Dia/Backends/Cuda/Kernels/shared.h"), header = Header();
        if (Environment.GetEnvironmentVariable("DIA_UPDATE_BASELINES") == "1")
            File.WriteAllText(path, header);
        Assert.Equal(header, File.ReadAllText(path));
    }

    private static string Header()
    {
        var text = new StringBuilder();
        text.Append("""
            // What the kernels share with C#, where it is told: Backends/Cuda/KernelConstants.cs, and the types of the same names. A test makes this file:
            // DIA_UPDATE_BASELINES=1 dotnet test tests/Dia.Cuda.Tests --filter SharedHeader
            #ifndef DIA_SHARED_H
            #define DIA_SHARED_H


            """);
        foreach (FieldInfo constant in typeof(KernelConstants).GetFields())
            text.Append($"constexpr int {constant.Name} = {constant.GetRawConstantValue()};\n");
        foreach (Type type in Enumerations)
        {
            IEnumerable<string> values = Enum.GetNames(type).Select(name => $"{name} = {Convert.ToInt32(Enum.Parse(type, name))}");
            text.Append($"\nenum class {type.Name} {{ {string.Join(", ", values)} }};\n");
        }

        foreach (Type type in Structs)
        {
            text.Append($"\nstruct {type.Name}\n{{\n");
            int end = 0;
            foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.Instance).OrderBy(f => Marshal.OffsetOf(type, f.Name)))
            {
                int size = field.FieldType.IsPointer ? sizeof(ulong) : Marshal.SizeOf(field.FieldType);

                // Where C puts it: at the next multiple of its size.
                Assert.Equal((end + size - 1) / size * size, (int)Marshal.OffsetOf(type, field.Name));
                end = (int)Marshal.OffsetOf(type, field.Name) + size;
                text.Append($"    {NameOf(field.FieldType)} {char.ToLowerInvariant(field.Name[0])}{field.Name[1..]};\n");
            }

            text.Append($"}};\n\nstatic_assert(sizeof({type.Name}) == {Marshal.SizeOf(type)}, \"as the C# struct\");\n");
        }

        return text.Append("\n#endif\n").ToString();
    }

    // Keys and values, which C# has in several formats, are float32 on a GPU.
    private static string NameOf(Type type) => type == typeof(void*) ? "float*" : type.IsPointer ? NameOf(type.GetElementType()!) + "*" : Type.GetTypeCode(type) switch
    {
        TypeCode.Byte => "u8",
        TypeCode.Int32 => "int",
        TypeCode.Int64 => "i64",
        TypeCode.UInt64 => "u64",
        TypeCode.Single => "float",
        TypeCode.Double => "double",
        _ => throw new NotSupportedException(type.Name),
    };
}
