using Dia.Backends;
using Dia.Backends.Scalar;
using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Checks;

/// <summary>
/// Compares every operation of a backend with the scalar backend's: at given shapes, and at odd ones (tails, unaligned operands, one
/// row, more rows than a tile, NaN and infinity). The operands come from a seed.
/// </summary>
/// <remarks>
/// Tolerances come from the rounding of float32, u = 2^-24. A sum of k products in float32 in any order is off by about √k·u of the sum of
/// their magnitudes (k·u at worst): that much, plus a few roundings, is allowed. Products of 16-bit codecs may take their activations in two
/// 16-bit halves: 2^-17 of that sum more. Activations that are rounded beside integer weights are the same integers on both sides, so no more is
/// allowed there. What is a copy, a choice or the same sum made twice must be equal.
/// </remarks>
public sealed unsafe partial class KernelChecks<TBackend>
    where TBackend : struct, IBackend
{
    internal const double U = 1.0 / (1 << 24);

    private readonly TBackend _backend;
    private readonly ScalarBackend _scalar = default;
    private readonly Action<KernelCheck> _report;

    /// <summary>Checks of a backend.</summary>
    /// <param name="backend">What is checked.</param>
    /// <param name="report">Receives each check when it is done.</param>
    /// <param name="formats">The formats of weights to check; none: all.</param>
    public KernelChecks(TBackend backend, Action<KernelCheck> report, params WeightFormat[] formats)
    {
        (_backend, _report) = (backend, report);
        if (formats.Length == 0)
            formats = Enum.GetValues<WeightFormat>();
        Formats = Array.FindAll(formats, f => !WeightFormats.IsQuantized(f));
        Integers = Array.FindAll(AllIntegers, s => formats.Contains(s.Format));
    }

    /// <summary>Whether operands in the host's memory start one value behind an aligned address.</summary>
    internal bool IsUnaligned { get; init; }

    /// <summary>Receives what the backend made in each comparison, for those who compare runs.</summary>
    internal Action<ReadOnlySpan<float>>? Made { get; init; }

    /// <summary>The formats to check that are no integers.</summary>
    internal WeightFormat[] Formats { get; }

    /// <summary>Every operation at odd shapes: small enough for any device.</summary>
    public void RunOdd()
    {
        Tables(5, 3, 11, 37);
        Values();
        foreach (OperationKind kind in Enum.GetValues<OperationKind>())
            foreach (int d in (ReadOnlySpan<int>)[1, 7, 64, 257, 1024, 2500])
                if (OperationRunner.RowCheck(new OperationInfo(default, "", kind) { N = d }) is not null)
                    Rows(new OperationInfo(default, "", kind) { N = d }, 3);
        foreach ((int n, int k) in (ReadOnlySpan<(int, int)>)[(1, 1), (3, 7), (17, 64), (33, 250), (9, 33), (10, 2056), (5, 264)])
        {
            StepLinear(n, k);
            BlockLinear(n, k);
        }

        // A last chunk that is not whole, for some of the lanes, after one or several that are.
        foreach ((int n, int k) in (ReadOnlySpan<(int, int)>)[(3, 1984), (3, 4112)])
            StepLinear(n, k);
        BlockLinear(261, 256); // large enough for a library's product
        foreach ((int n, int k) in (ReadOnlySpan<(int, int)>)[(1, 1), (3, 7), (17, 64), (6, 253), (9, 46), (2, 99), (5, 2056), (3, 4112),
            (245, 260)]) // the last one large enough for a library's product
            IntegerLinear(n, k);
        IntegerValues();

        // Tails of words, blocks of k, panels and tiles.
        foreach ((int n, int k) in (ReadOnlySpan<(int, int)>)[(1, 1), (3, 7), (33, 250), (64, 512), (40, 1027), (5, 2056), (600, 64)])
            RoundedLinear(n, k);

        foreach ((int heads, int keyHeads, int headDim) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 2), (4, 2, 10), (12, 2, 16), (4, 4, 64), (2, 1, 128),
            (3, 3, 136), (2, 1, 256), (5, 5, 22)])
        {
            Rotary(heads, keyHeads, headDim);
            Attention(heads, keyHeads, headDim);
        }

        // More pieces of 64 keys than a block joins at once.
        Attention("rows, many keys", 1, 1, 2, [(1, 16500, 16499), (1, 16500, -1), (1, 70, -1)], false);

        // More queries and keys than a processor's block of them.
        Attention("many rows", 4, 2, 64, [(70, 170, 100), (40, 150, -1), (33, 70, -1)], false);
        foreach ((int inputs, int outputs, int kernel, int stride, int dilation) in (ReadOnlySpan<(int, int, int, int, int)>)
            [(1, 5, 7, 1, 1), (3, 1, 3, 2, 1), (8, 70, 7, 1, 3), (12, 16, 8, 4, 1), (40, 65, 1, 1, 1), (11, 4, 3, 1, 2), (5, 6, 7, 1, 9), (64, 8, 1, 1, 1),
                (90, 70, 3, 1, 1)])
        {
            Convolution(inputs, outputs, kernel, stride, dilation);
        }

        foreach ((int inputs, int outputs, int dilation) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 1), (3, 5, 3), (16, 32, 1), (37, 70, 9), (300, 17, 2)])
            FilteredConvolution(inputs, outputs, dilation);
        FilteredConvolution(8, 8, 1, tiles: 1000);

        foreach ((int inputs, int outputs, int stride) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 1), (6, 4, 2), (40, 24, 8), (16, 3, 5), (140, 24, 2)])
            TransposedConvolution(inputs, outputs, stride);
        Codes(6, 8);
        Codes(300, 5);
        Codes(16, 3);
        foreach ((int entries, int d) in (ReadOnlySpan<(int, int)>)[(1, 1), (7, 2), (130, 8), (65, 11), (40, 16), (33, 19)])
            CloseCodes(entries, d);
    }

    internal CheckMemory<TBackend> Memory(int seed) => new(_backend, seed, IsUnaligned, _report);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Reports the greatest difference, relative to the greater of the expected value and <paramref name="scale"/>.</summary>
    internal void Compare(string name, string shapes, ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double tolerance, double scale = 1)
    {
        Made?.Invoke(actual);
        double error = actual.Length == expected.Length ? 0 : double.PositiveInfinity;
        for (int i = 0; i < Math.Min(expected.Length, actual.Length); i++)
        {
            double a = actual[i], e = expected[i];
            if (a == e || (double.IsNaN(a) && double.IsNaN(e)))
                continue;
            double difference = Math.Abs(a - e) / Math.Max(Math.Abs(e), scale);
            error = Math.Max(error, double.IsFinite(a) && double.IsFinite(e) ? difference : double.PositiveInfinity);
        }

        _report(new KernelCheck(name, shapes, error, tolerance));
    }

    private void CompareInts(string name, string shapes, ReadOnlySpan<int> actual, ReadOnlySpan<int> expected) =>
        _report(new KernelCheck(name, shapes, actual.SequenceEqual(expected) ? 0 : double.PositiveInfinity, 0));

    /// <summary>Look-ups: copies, and sums of a few values.</summary>
    internal void Tables(int rows, int channels, int vocabulary, int width)
    {
        foreach (WeightFormat format in Formats)
        {
            using CheckMemory<TBackend> memory = Memory(1);
            (Weight host, Weight device) = memory.Weight(WeightRole.Embedding, format, [channels * vocabulary, width]);
            Mirrored<int> ids = memory.Integers(rows * channels, vocabulary);
            Mirrored<float> y = memory.Floats(rows * width);
            _scalar.Embed(y.OnHost, ids.OnHost, host, rows, width);
            _backend.Embed(y.OnDevice, ids.OnDevice, device, rows, width);
            Compare("embed " + format, Text($"[{rows}, {width}]"), memory.Download(y), y.Values, 0);
            _scalar.EmbedSum(y.OnHost, ids.OnHost, host, rows, channels, vocabulary, width);
            _backend.EmbedSum(y.OnDevice, ids.OnDevice, device, rows, channels, vocabulary, width);
            Compare("embed_sum " + format, Text($"[{rows}, {channels}, {width}]"), memory.Download(y), y.Values, channels * U);
            _scalar.LookUpCode(y.OnHost, ids.OnHost, channels, host, rows, width);
            _backend.LookUpCode(y.OnDevice, ids.OnDevice, channels, device, rows, width);
            Compare("look_up_code " + format, Text($"[{rows}, {width}]"), memory.Download(y), y.Values, 0);
        }
    }

    /// <summary>The nearest code: a choice.</summary>
    public void Codes(int entries, int d)
    {
        foreach (WeightFormat format in Formats)
        {
            using CheckMemory<TBackend> memory = Memory(2);
            const int Rows = 9, Stride = 2;
            float[] book = memory.Floats(entries * d).Values.ToArray();
            book.AsSpan(0, d).CopyTo(book.AsSpan((entries - 1) * d)); // equals: the first counts
            book.AsSpan(d, d).Clear(); // an all-zero entry has no direction
            if (entries > 260)
            {
                // Equals that one thread of 128 meets, and equals of which the later one is a lower thread's.
                book.AsSpan(2 * d, d).CopyTo(book.AsSpan(130 * d));
                book.AsSpan(3 * d, d).CopyTo(book.AsSpan(256 * d));
            }

            (Weight host, Weight device) = memory.Weight(new WeightSpec("check", [entries, d], WeightRole.Embedding), format, book);
            float[] x = memory.Floats(Rows * d).Values.ToArray();
            book.AsSpan(0, d).CopyTo(x);
            x[d] = float.NaN;
            book.AsSpan(2 * d, 2 * d).CopyTo(x.AsSpan(2 * d));
            Mirrored<float> rows = memory.Place<float>(x);
            Mirrored<int> codes = memory.Integers(Rows * Stride, 3);
            _scalar.NearestCode(codes.OnHost, Stride, rows.OnHost, host, Rows, entries, d);
            _backend.NearestCode(codes.OnDevice, Stride, rows.OnDevice, device, Rows, entries, d);
            CompareInts("nearest_code " + format, $"[{Rows}, {entries}, {d}]", memory.Download(codes), codes.Values);
        }
    }

    /// <summary>
    /// The nearest code where rough arithmetic goes wrong: rows halfway between an entry and its nearest other, but for 2^-18; entries and
    /// rows that are zero, tiny, huge, infinite, NaN; and rows that point away from all entries, where one without direction may be the best.
    /// </summary>
    public void CloseCodes(int entries, int d)
    {
        foreach (WeightFormat format in Formats)
        {
            using CheckMemory<TBackend> memory = Memory(5);
            const int Rows = 53;
            float[] book = memory.Floats(entries * d).Values.ToArray();
            (Weight host, Weight device) = memory.Weight(new WeightSpec("check", [entries, d], WeightRole.Embedding), format, book);
            Mirrored<float> stored = memory.Floats(book.Length), rows = memory.Floats(Rows * d);
            Mirrored<int> all = memory.Integers(entries, 1), codes = memory.Integers(Rows, 1);
            for (int e = 0; e < entries; e++)
                all.Values[e] = e;
            _scalar.LookUpCode(stored.OnHost, all.OnHost, 1, host, entries, d);
            for (int r = 0; r < Rows; r++)
                Halfway(rows.Values.Slice(r * d, d), stored.Values, r % entries, r % 2 == 0 ? 4e-6 : -4e-6);
            CheckCodes("nearest_code, close ", memory, rows.Values, host, device, entries, d);

            // What is unusual in rows and, with them, in entries; the last entry is the longest, so that its direction counts.
            ReadOnlySpan<float> sizes = [0, 1e-30f, 1e-7f, 60000, 1e30f, float.PositiveInfinity, float.NaN, 1e-14f];
            for (int i = 0; i < sizes.Length; i++)
            {
                foreach (ref float value in rows.Values.Slice((20 + i) * d, d))
                    value *= sizes[i];
                if (i < entries / 2)
                    foreach (ref float value in book.AsSpan((entries - 1 - i) * d, d))
                        value *= sizes[i];
                rows.Values[i * d + i % d] = sizes[i];
            }

            (host, device) = memory.Weight(new WeightSpec("check", [entries, d], WeightRole.Embedding), format, book);
            for (int e = 0; e < Math.Min(entries, 12); e++)
                book.AsSpan((entries - 1 - e) * d, d).CopyTo(rows.Values[((40 + e) * d)..]);
            CheckCodes("nearest_code, unusual ", memory, rows.Values, host, device, entries, d);

            for (int i = 0; i < book.Length; i++)
                book[i] = i < d ? 0 : 1 + memory.Random.NextSingle() / 4;
            for (int i = 0; i < Rows * d; i++)
                rows.Values[i] = memory.Random.NextSingle() * 2 - 1.3f;
            (host, device) = memory.Weight(new WeightSpec("check", [entries, d], WeightRole.Embedding), format, book);
            CheckCodes("nearest_code, behind ", memory, rows.Values, host, device, entries, d);
        }
    }

    private void CheckCodes(string name, CheckMemory<TBackend> memory, ReadOnlySpan<float> values, in Weight host, in Weight device, int entries, int d)
    {
        int count = values.Length / d;
        Mirrored<float> rows = memory.Place(values);
        Mirrored<int> codes = memory.Integers(count, 1);
        _scalar.NearestCode(codes.OnHost, 1, rows.OnHost, host, count, entries, d);
        _backend.NearestCode(codes.OnDevice, 1, rows.OnDevice, device, count, entries, d);
        CompareInts(name + host.Format, $"[{count}, {entries}, {d}]", memory.Download(codes), codes.Values);
    }

    /// <summary>Makes a row that is as far from an entry as from its nearest other one, but for a little.</summary>
    private static void Halfway(Span<float> row, ReadOnlySpan<float> book, int entry, double more)
    {
        int d = row.Length, nearest = entry;
        double best = double.NegativeInfinity;
        for (int e = 0; e < book.Length / d; e++)
        {
            double cosine = e == entry ? double.NegativeInfinity : Dot(book, entry, e, d) / Math.Sqrt(Dot(book, entry, entry, d) * Dot(book, e, e, d));
            if (cosine > best)
                (best, nearest) = (cosine, e);
        }

        double one = (1 + more) / Math.Sqrt(Dot(book, entry, entry, d)), other = (1 - more) / Math.Sqrt(Dot(book, nearest, nearest, d));
        for (int i = 0; i < d; i++)
            row[i] = (float)(book[entry * d + i] * one + book[nearest * d + i] * other);
    }

    private static double Dot(ReadOnlySpan<float> book, int a, int b, int d)
    {
        double sum = 0;
        for (int i = 0; i < d; i++)
            sum += (double)book[a * d + i] * book[b * d + i];
        return sum;
    }

    /// <summary>An operation that works row by row, of given values or of random ones. A NaN stays in its row.</summary>
    internal void Rows(OperationInfo o, int rows, float[]? given = null)
    {
        bool hasWeight = o.Kind != OperationKind.GatedActivation;
        (float range, double tolerance) = OperationRunner.RowCheck(o) ?? throw new InvalidOperationException($"{o.Kind} is not checked by its rows.");
        foreach (WeightFormat format in hasWeight ? Formats : Formats[..1])
        {
            using CheckMemory<TBackend> memory = Memory(3);
            (Weight host, Weight device) = memory.Weight(WeightRole.Vector, format, [o.N], 0.9f, 1.2f);
            (Weight hostBias, Weight deviceBias) = memory.Weight(WeightRole.Vector, format, [o.N]);
            float[] values = given ?? memory.Floats((int)OperationRunner.InputValues(o, rows), range).Values.ToArray();
            values[^1] = float.NaN;
            Mirrored<float> x = memory.Place<float>(values), y = memory.Unaligned(rows * o.N);
            OperationRunner.Run(_scalar, o, new Operands { Y = y.OnHost, X = x.OnHost, Weight = host, Bias = hostBias, Rows = rows });
            OperationRunner.Run(_backend, o, new Operands { Y = y.OnDevice, X = x.OnDevice, Weight = device, Bias = deviceBias, Rows = rows });

            // A row alone gives the same bits: a result that is another counts as none.
            float[] whole = memory.Download(y);
            Mirrored<float> alone = memory.Floats(o.N);
            OperationRunner.Run(_backend, o, new Operands { Y = alone.OnDevice, X = x.OnDevice, Weight = device, Bias = deviceBias, Rows = 1 });
            bool alike = MemoryMarshal.AsBytes<float>(memory.Download(alone)).SequenceEqual(MemoryMarshal.AsBytes(whole.AsSpan(0, o.N)));
            Compare($"{OperationRunner.Name(o.Kind, default)} {(hasWeight ? format : o.Activation)}", $"[{rows}, {o.N}]", alike ? whole : [], y.Values,
                tolerance * U);
        }
    }

    /// <summary>Operations on single values.</summary>
    internal void Values(int height = 13, int width = 29)
    {
        using CheckMemory<TBackend> memory = Memory(4);
        int count = height * width;
        float[] special = memory.Floats(2 * count, 12).Values.ToArray();
        ReadOnlySpan<float> unusual = [0, -0f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1e-30f, -1e-30f, 1e-42f, 100, -100, 0.5f, -0.5f,
            1e10f];
        unusual.CopyTo(special);
        unusual.CopyTo(special.AsSpan(2 * width)); // the second row's gates
        Mirrored<float> x = memory.Place<float>(special), y = memory.Floats(count), more = memory.Floats(count, 12), row = memory.Floats(width);
        foreach (HiddenActivation activation in (ReadOnlySpan<HiddenActivation>)[HiddenActivation.Silu, HiddenActivation.Gelu, HiddenActivation.GeluNew,
            HiddenActivation.Relu])
            Rows(new OperationInfo(default, "", OperationKind.GatedActivation) { N = width, Activation = activation }, height, [.. special]);
        Rows(new OperationInfo(default, "", OperationKind.Snake) { N = width }, height, special[..count]);
        _scalar.Tanh(y.OnHost, x.OnHost, count);
        _backend.Tanh(y.OnDevice, x.OnDevice, count);
        Compare("tanh", $"[{count}]", memory.Download(y), y.Values, 6 * U, 1e-37);
        y = memory.Floats(count);
        _scalar.AddRow(y.OnHost, row.OnHost, height, width);
        _backend.AddRow(y.OnDevice, row.OnDevice, height, width);
        Compare("add_row", $"[{height}, {width}]", memory.Download(y), y.Values, 0);
        _scalar.Subtract(y.OnHost, more.OnHost, count - 3);
        _backend.Subtract(y.OnDevice, more.OnDevice, count - 3);
        Compare("subtract", $"[{count - 3}]", memory.Download(y), y.Values, 0);

        foreach (WeightFormat format in Formats)
        {
            (Weight host, Weight device) = memory.Weight(WeightRole.Vector, format, [width], 0.9f, 1.2f);
            x = memory.Place<float>(special.AsSpan(0, count));
            _scalar.Snake(y.OnHost, x.OnHost, host, height, width);

            // Many turns of the sine, whose error the great α makes small again: what is left is float32's rounding.
            (Weight hostFast, Weight deviceFast) = memory.Weight(WeightRole.Vector, format, [width], 10, 30);
            Mirrored<float> fast = memory.Floats(count);
            _scalar.Snake(fast.OnHost, more.OnHost, hostFast, height, width);
            _backend.Snake(fast.OnDevice, more.OnDevice, deviceFast, height, width);
            Compare("snake, great alpha " + format, $"[{height}, {width}]", memory.Download(fast), fast.Values, 3 * U);
            _backend.Snake(x.OnDevice, x.OnDevice, device, height, width);
            Compare("snake in place " + format, $"[{height}, {width}]", memory.Download(x), y.Values, 4e-6);
        }
    }
}
