namespace Dia.Audio.Formats;

/// <summary>Decodes the frames of a FLAC, one after the other (RFC 9639, 9).</summary>
/// <param name="info">What holds for all of them.</param>
internal sealed class FlacFrame(FlacInfo info)
{
    private const int LongestHeader = 16, MaxOrder = 32;

    // In channel assignments above those of plain channels.
    private const int LeftSide = 8, SideRight = 9, MidSide = 10;

    private readonly long[][] _channels = [.. Enumerable.Range(0, info.Channels).Select(_ => new long[Math.Min(info.MaxBlock, FirstBlock)])];

    // What a header claims is believed as frames come.
    private const int FirstBlock = 4096;

    /// <summary>Samples of each channel.</summary>
    public int Count { get; private set; }

    /// <summary>The samples of a channel.</summary>
    public ReadOnlySpan<long> Channel(int number) => _channels[number].AsSpan(0, Count);

    /// <summary>Decodes one.</summary>
    /// <param name="bytes">From its first byte on.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="atEnd">Whether the bytes end inside it.</param>
    /// <returns>What is wrong with it; null: nothing.</returns>
    public string? TryRead(ReadOnlySpan<byte> bytes, out int length, out bool atEnd)
    {
        length = 0;
        var bits = new BitReader(bytes);
        if (ReadHeader(ref bits, bytes, out int assignment) is string wrong)
        {
            atEnd = bits.IsPastEnd || bytes.Length < LongestHeader;
            return wrong;
        }

        for (int i = 0; i < info.Channels; i++)
        {
            bool isSide = assignment is LeftSide or MidSide ? i == 1 : assignment == SideRight && i == 0;
            if (_channels[i].Length < Count)
                _channels[i] = new long[Math.Min(info.MaxBlock, Math.Max(Count, FirstBlock))];
            string? bad = ReadSubframe(ref bits, _channels[i].AsSpan(0, Count), info.Bits + (isSide ? 1 : 0));
            atEnd = bits.IsPastEnd;
            if (atEnd || bad is not null)
                return atEnd ? "a frame without an end" : bad;
        }

        bits.Align();
        length = bits.BytesRead;
        uint check = bits.Read(16);
        atEnd = bits.IsPastEnd;
        if (atEnd || check != Crc.FlacFrame.Of(bytes[..length]))
            return atEnd ? "a frame without an end" : "a frame whose check is wrong";
        length += 2;
        Join(assignment);
        return null;
    }

    private string? ReadHeader(ref BitReader bits, ReadOnlySpan<byte> bytes, out int assignment)
    {
        assignment = 0;
        if (bits.Read(15) != 0b111_1111_1111_1100)
            return "no frame where one must begin";
        bits.Read(1); // whether blocks differ in size
        int block = (int)bits.Read(4), rate = (int)bits.Read(4);
        assignment = (int)bits.Read(4);
        int size = (int)bits.Read(3);
        bits.Read(1);
        uint first = bits.Read(8); // the frame's number, in as many bytes as UTF-8 would take
        int more = Math.Max(0, System.Numerics.BitOperations.LeadingZeroCount(~(first << 24)) - 1);
        for (int i = 0; i < more; i++)
            bits.Read(8);
        Count = block switch
        {
            0 => 0,
            1 => 192,
            <= 5 => 144 << block,
            6 => (int)bits.Read(8) + 1,
            7 => (int)bits.Read(16) + 1,
            _ => 1 << block,
        };
        int otherRate = rate switch { 12 => (int)bits.Read(8) * 1000, 13 => (int)bits.Read(16), 14 => (int)bits.Read(16) * 10, _ => 0 };
        int headerBytes = bits.BytesRead;
        uint check = bits.Read(8);
        if (bits.IsPastEnd)
            return "a frame without an end";
        if (check != Crc.FlacHeader.Of(bytes[..headerBytes]))
            return "a frame whose header's check is wrong";
        int[] rates = [0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000], sizes = [0, 8, 12, 0, 16, 20, 24, 32];
        int said = rate < rates.Length ? rates[rate] : otherRate, channels = assignment < LeftSide ? assignment + 1 : 2;
        if (Count == 0 || Count > info.MaxBlock || rate == 15 || assignment > MidSide || size == 3)
            return "a frame of a reserved kind";
        return (said == 0 || said == info.SamplingRate) && channels == info.Channels && (size == 0 || sizes[size] == info.Bits) ? null
            : $"a frame of {said} Hz, {channels} channels and {sizes[size]} bits among such of {info.SamplingRate} Hz, {info.Channels} channels and {info.Bits} bits";
    }

    private static string? ReadSubframe(ref BitReader bits, Span<long> samples, int width)
    {
        bits.Read(1);
        int kind = (int)bits.Read(6), wasted = bits.Read(1) == 0 ? 0 : (int)Math.Min(bits.ReadUnary() + 1, 64);
        width -= wasted;
        if (width < 1)
            return "a subframe without a bit";
        string? wrong = kind switch
        {
            0 => Constant(bits.ReadSigned(width), samples),
            1 => Verbatim(ref bits, samples, width),
            >= 8 and <= 12 => Predicted(ref bits, samples, width, kind - 8, isFixed: true),
            >= 32 => Predicted(ref bits, samples, width, kind - 31, isFixed: false),
            _ => "a subframe of a reserved kind",
        };
        if (wasted > 0)
            foreach (ref long sample in samples)
                sample <<= wasted;
        return wrong;
    }

    private static string? Constant(long value, Span<long> samples)
    {
        samples.Fill(value);
        return null;
    }

    private static string? Verbatim(ref BitReader bits, Span<long> samples, int width)
    {
        foreach (ref long sample in samples)
            sample = bits.ReadSigned(width);
        return null;
    }

    private static string? Predicted(ref BitReader bits, Span<long> samples, int width, int order, bool isFixed)
    {
        if (order > samples.Length)
            return "a subframe that is shorter than what it begins with";
        Verbatim(ref bits, samples[..order], width);
        Span<long> coefficients = stackalloc long[MaxOrder];
        coefficients = coefficients[..order];
        int shift = 0;
        if (isFixed)
        {
            FlacPrediction.Fixed(order).CopyTo(coefficients);
        }
        else
        {
            int precision = (int)bits.Read(4) + 1;
            shift = (int)bits.ReadSigned(5);
            if (precision == 16 || shift < 0)
                return "a prediction of a reserved kind";
            foreach (ref long coefficient in coefficients)
                coefficient = bits.ReadSigned(precision);
        }

        if (ReadResidual(ref bits, samples, order) is string wrong)
            return wrong;
        for (int i = order; i < samples.Length; i++)
        {
            long sum = 0;
            for (int k = 0; k < order; k++)
                sum += coefficients[k] * samples[i - 1 - k];
            samples[i] += sum >> shift;
        }

        return null;
    }

    /// <summary>Rice codes with a parameter for each partition, or plain numbers where it is all ones.</summary>
    private static string? ReadResidual(ref BitReader bits, Span<long> samples, int order)
    {
        int method = (int)bits.Read(2), partitions = 1 << (int)bits.Read(4), parameterBits = 4 + method, size = samples.Length / partitions;
        if (method > 1 || samples.Length % partitions != 0 || size < order)
            return "residuals of a reserved kind";
        for (int p = 0, i = order; p < partitions && !bits.IsPastEnd; p++)
        {
            int parameter = (int)bits.Read(parameterBits), end = (p + 1) * size;
            bool isPlain = parameter == (1 << parameterBits) - 1;
            if (isPlain)
                parameter = (int)bits.Read(5);
            for (; i < end; i++)
            {
                if (isPlain)
                {
                    samples[i] = bits.ReadSigned(parameter);
                    continue;
                }

                ulong folded = (ulong)bits.ReadUnary() << parameter | bits.Read(parameter);
                samples[i] = (long)(folded >> 1) ^ -(long)(folded & 1);
            }
        }

        return null;
    }

    /// <summary>Left and right of what was stored in their place.</summary>
    private void Join(int assignment)
    {
        if (assignment < LeftSide)
            return;
        Span<long> a = _channels[0].AsSpan(0, Count), b = _channels[1].AsSpan(0, Count);
        for (int i = 0; i < Count; i++)
        {
            if (assignment == LeftSide)
                b[i] = a[i] - b[i];
            else if (assignment == SideRight)
                a[i] += b[i];
            else
            {
                long twice = a[i] << 1 | (b[i] & 1);
                (a[i], b[i]) = (twice + b[i] >> 1, twice - b[i] >> 1);
            }
        }
    }
}
