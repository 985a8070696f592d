using Xunit;

namespace Dia.Fuzz;

/// <summary>The short run, with every test run; tests/fuzz is the long one.</summary>
public sealed class FuzzTests
{
    public static TheoryData<string> Names => [.. Program.Targets.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Hostile_inputs_are_refused_in_bounded_time_and_memory(string name)
    {
        int count = Count(name);
        FuzzResult result = new Fuzzer(Program.Targets[name], seed: 1, first: 0, count).Run(threads: 2);
        Assert.True(result.Failures.Count == 0, string.Join('\n', result.Failures));
        Assert.Equal(count, result.Accepted + result.Refused);
        // Both outcomes must be common, or the mutations test nothing.
        Assert.True(result.Accepted > count / 100 && result.Refused > count / 100, result.ToString());
    }

    private static int Count(string name)
    {
        using FuzzTarget target = Program.Targets[name]();
        return target.ShortRun;
    }

    [Fact]
    public void An_input_depends_on_seed_target_and_number_alone()
    {
        using FuzzTarget first = Program.Targets["config"](), second = Program.Targets["config"]();
        _ = second.Mutate(new Randomness(9, "config", 9));
        Assert.Equal(first.Mutate(new Randomness(1, "config", 5)), second.Mutate(new Randomness(1, "config", 5)));
        Assert.NotEqual(first.Mutate(new Randomness(1, "config", 5)), first.Mutate(new Randomness(1, "config", 6)));
    }

    [Fact]
    public void Broken_rules_are_found()
    {
        FuzzResult result = new Fuzzer(() => new BrokenTarget(), seed: 1, first: 0, 20).Run(threads: 1);
        Assert.Contains(result.Failures, f => f.Contains("IndexOutOfRange", StringComparison.Ordinal) && f.Contains("--input AQ==", StringComparison.Ordinal));
        Assert.Contains(result.Failures, f => f.Contains("bytes allocated", StringComparison.Ordinal) && f.Contains("--input Ag==", StringComparison.Ordinal));
    }

    /// <summary>A reader that crashes on 1 and allocates too much on 2.</summary>
    private sealed class BrokenTarget() : FuzzTarget("broken")
    {
        public override IReadOnlyList<byte[]> Seeds { get; } = [[0]];

        public override long AllocationLimit(byte[] input) => 64 * 1024;

        public override byte[] Mutate(Randomness random) => [(byte)random.Below(3)];

        public override bool Read(byte[] input)
        {
            if (input[0] == 1)
                return input[input.Length] == 0;
            return input[0] == 0 || GC.AllocateUninitializedArray<byte>(1 << 20).Length > 0;
        }
    }
}
