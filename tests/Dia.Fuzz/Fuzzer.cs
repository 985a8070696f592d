using System.Diagnostics;
using System.Globalization;

namespace Dia.Fuzz;

/// <summary>What a run over one target found.</summary>
/// <param name="Target">The target's name.</param>
/// <param name="Accepted">Inputs that the reader took.</param>
/// <param name="Refused">Inputs that it refused as it should.</param>
/// <param name="Failures">Inputs that broke a rule, ready to be printed.</param>
/// <param name="LargestShare">The largest part of the allowed allocation that an input needed.</param>
/// <param name="Elapsed">How long it took.</param>
internal sealed record FuzzResult(string Target, long Accepted, long Refused, IReadOnlyList<string> Failures, double LargestShare, TimeSpan Elapsed)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Target}: {Accepted + Refused} inputs in {Elapsed.TotalSeconds:0.0} s, {Accepted} accepted, {Refused} refused, {Failures.Count} failed; at most {LargestShare:0%} of the allowed allocation");
}

/// <summary>
/// Gives a target mutated inputs and checks three rules: only a DiaException comes out, no input takes longer than
/// <see cref="Patience"/>, none allocates more than its target allows.
/// </summary>
internal sealed class Fuzzer(Func<FuzzTarget> create, ulong seed, long first, long count)
{
    /// <summary>Real inputs take microseconds; this leaves room for a busy machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private const int MostFailures = 5;

    private readonly List<string> _failures = [];
    private readonly Lock _lock = new();
    private long _accepted;
    private long _refused;
    private double _largestShare;

    private ulong Seed => seed;

    private long First => first;

    private long End => first + count;

    /// <summary>Runs; which thread makes an input does not matter for what it is.</summary>
    public FuzzResult Run(int threads)
    {
        var clock = Stopwatch.StartNew();
        var workers = new Thread[threads];
        string name = "";
        for (int i = 0; i < threads; i++)
        {
            int offset = i;
            var worker = new Worker(this, create());
            name = worker.Target.Name;
            // A parser that recurses too deep must not be saved by a large stack: this is what threads of the program have.
            workers[i] = new Thread(() => worker.Run(offset, threads), 1536 * 1024);
            workers[i].Start();
        }

        foreach (Thread worker in workers)
            worker.Join();
        return new FuzzResult(name, _accepted, _refused, _failures, _largestShare, clock.Elapsed);
    }

    /// <summary>Runs one given input and says what came of it.</summary>
    public static string Try(FuzzTarget target, byte[] input)
    {
        target.Read(target.Seeds[0]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        string outcome;
        try
        {
            outcome = target.Read(input) ? "accepted" : "refused";
        }
        catch (Exception e)
        {
            outcome = e.ToString();
        }

        return $"{outcome}\n{GC.GetAllocatedBytesForCurrentThread() - before} bytes allocated, {target.AllocationLimit(input)} allowed";
    }

    private void Fail(FuzzTarget target, long number, byte[] input, string what)
    {
        lock (_lock)
            _failures.Add($"{Describe(target, number, input)}\n  {what}");
    }

    private string Describe(FuzzTarget target, long number, byte[] input) =>
        $"{target.Name}, input {number} of seed {seed}; again with: tests/fuzz --target {target.Name} --input {Convert.ToBase64String(input)}";

    /// <summary>A thread's part of the inputs, and a timer that watches each of them.</summary>
    private sealed class Worker(Fuzzer fuzzer, FuzzTarget target)
    {
        private byte[] _input = [];
        private long _number;
        private long _started;

        public FuzzTarget Target { get; } = target;

        public void Run(int offset, int step)
        {
            using var watchdog = new Timer(_ => Watch(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
            using (Target)
            {
                WarmUp();
                for (long i = fuzzer.First + offset; i < fuzzer.End && fuzzer._failures.Count < MostFailures; i += step)
                    Try(i);
            }
        }

        /// <summary>Real inputs are accepted; and what is allocated once only is allocated now.</summary>
        private void WarmUp()
        {
            foreach (byte[] real in Target.Seeds)
            {
                if (!Target.Read(real))
                    fuzzer.Fail(Target, -1, real, "a real input is refused");
            }
        }

        private void Try(long number)
        {
            _input = Target.Mutate(new Randomness(fuzzer.Seed, Target.Name, number));
            _number = number;
            Volatile.Write(ref _started, Stopwatch.GetTimestamp());
            long before = GC.GetAllocatedBytesForCurrentThread();
            bool accepted = false;
            try
            {
                accepted = Target.Read(_input);
            }
            catch (DiaException)
            {
                // The right way to refuse.
            }
            catch (Exception e)
            {
                fuzzer.Fail(Target, number, _input, e.ToString());
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before, limit = Target.AllocationLimit(_input);
            Volatile.Write(ref _started, 0);
            if (allocated > limit)
                fuzzer.Fail(Target, number, _input, $"{allocated} bytes allocated for an input of {_input.Length}; {limit} are allowed");
            fuzzer.Note(accepted, (double)allocated / limit);
        }

        private void Watch()
        {
            long started = Volatile.Read(ref _started);
            if (started == 0 || Stopwatch.GetElapsedTime(started) < Patience)
                return;
            // Nothing can stop the reader but the end of the process.
            Console.Error.WriteLine($"{fuzzer.Describe(Target, _number, _input)}\n  no end after {Patience.TotalSeconds} s");
            Environment.Exit(1);
        }
    }

    private void Note(bool accepted, double share)
    {
        Interlocked.Increment(ref accepted ? ref _accepted : ref _refused);
        if (share > Volatile.Read(ref _largestShare))
            Volatile.Write(ref _largestShare, share);
    }
}
