using Xunit;

namespace Dia.Cuda.Tests.MachineCode;

/// <summary>What NVIDIA's assembler makes of the committed PTX, wherever the assembler is installed; and that the reader of its code reads.</summary>
public class MachineCodeTests
{
    private const string Together =
        ".L_x_7:\n/*0100*/ LDG.E.128 R4, [R2.64] ;\n/*0110*/ LDG.E.128 R8, [R2.64+0x200] ;\n/*0120*/ FFMA R0, R4, R8, R0 ;\n/*0130*/ @P0 BRA `(.L_x_7) ;";
    private const string Alone =
        ".L_x_7:\n/*0100*/ LDG.E.128 R4, [R2.64] ;\n/*0110*/ FADD R0, R4, R0 ;\n/*0120*/ LDG.E.128 R4, [R2.64+0x200] ;\n/*0130*/ FADD R0, R5, R0 ;\n/*0140*/ @P0 BRA `(.L_x_7) ;";

    [Fact]
    public void The_loads_of_the_kernels_are_under_way_together()
    {
        if (Find() is not { } assembler)
            return;
        List<string> failures = [];
        int passed = 0;
        new MachineCodeChecks(assembler, (right, name, what) =>
        {
            passed += right ? 1 : 0;
            if (!right)
                failures.Add($"{name}: {what}");
        }).Run(Path.Combine(Mutation.Sources, "kernels.ptx"));
        Assert.Empty(failures);
        Assert.True(passed > 3 * 50, $"only {passed} kernels were looked at");
    }

    /// <summary>Two faults that leave the PTX as right as it was: they cost nothing but time.</summary>
    [Theory]
    [InlineData("step: nothing holds the loads together")]
    [InlineData("joined pieces: nothing holds the loads together")]
    public void A_load_that_is_held_back_is_found(string name)
    {
        if (Find() is null || !KernelTests.HasCompiler())
            return;
        (bool caught, string says) = Mutation.ReadList().Single(m => m.Name == name).Run();
        Assert.True(caught, says);
    }

    [Theory]
    [InlineData(Together, 2, 1.9)]
    [InlineData(Alone, 1, 0.9)]
    public void The_reader_counts_what_is_under_way(string code, int most, double mean)
    {
        SassKernel kernel = SassKernel.ReadAll((".text.k:\n" + code).Split('\n')).Single();
        Flight flight = Pipeline.Run(kernel.Instructions, kernel.Loops().Single(), _ => true, 20);
        Assert.Equal((2, most), (flight.Loads, flight.Most));
        Assert.InRange(flight.Mean, mean, most);
    }

    [Fact]
    public void The_reader_tells_from_which_parameter_an_address_came()
    {
        // The second load's address is kept in local memory, beyond a branch; the third may be either.
        string[] code =
        [
            "MOV R2, c[0x0][0x168]", "MOV R3, c[0x0][0x16c]", "IMAD.WIDE R4, R9, 0x4, R2", "STL [R1+0x4], R4", "ULDC.64 UR4, c[0x0][0x170]",
                "IMAD.U32 R6, RZ, RZ, UR4",
            "@P0 BRA `(.L_x_1)", "MOV R2, R6", "LDL R8, [R1+0x4]", "LDG.E R10, [R6.64]", "LDG.E R11, [R8.64]", "LDG.E R12, [R2.64]", "EXIT",
        ];
        SassKernel kernel =
            SassKernel.ReadAll(code.SelectMany((text, i) => new[] { i == 8 ? ".L_x_1:" : "", $"/*{i * 16:x4}*/ {text} ;" }).Prepend(".text.k:")).Single();
        Assert.Equal([4, 2, 6], kernel.AddressParameters(0x160)[9..12]);
    }

    /// <summary>The assembler. What needs it does nothing without, but it must be there where DIA_NEEDS_ASSEMBLER is set.</summary>
    private static Assembler? Find()
    {
        var assembler = Assembler.Find();
        Assert.True(assembler is not null
            || Environment.GetEnvironmentVariable("DIA_NEEDS_ASSEMBLER") is null, "ptxas is missing: tests/gpu/assembler fetches it");
        return assembler;
    }
}
