namespace Dia.Audio.Formats;

/// <summary>
/// Encodes blocks of mono samples of 16 bits as FLAC frames: of a constant, plain numbers, fixed predictors and a linear prediction whatever takes the
/// fewest bits, counted exactly.
/// </summary>
/// <param name="samplingRate">Samples a second.</param>
internal sealed class FlacEncoder(int samplingRate)
{
    /// <summary>Most samples of a block.</summary>
    public const int MostInBlock = 4096;

    private const int Bits = 16, SubframeBits = 8, CoefficientBits = 12, MostBitsOfShift = 15;

    // The most that players of little memory take at up to 48 kHz.
    private const int MaxOrder = 12;

    private readonly BitWriter _bits = new();
    private readonly int[] _best = new int[MostInBlock], _tried = new int[MostInBlock];
    private uint _number;

    /// <summary>Samples of a block, but for the last: about 0.1 s, in which speech stays the same.</summary>
    public int BlockSize { get; } = samplingRate >= 32000 ? MostInBlock : samplingRate >= 16000 ? MostInBlock / 2 : MostInBlock / 4;

    /// <summary>The next frame; valid until the next call.</summary>
    /// <param name="block">At most <see cref="BlockSize"/> samples; fewer only in the last one.</param>
    public ReadOnlySpan<byte> Encode(ReadOnlySpan<short> block)
    {
        _bits.Clear();
        WriteHeader(block.Length);
        _bits.Write(Crc.FlacHeader.Of(_bits.Bytes), 8);
        WriteSubframe(block);
        _bits.Align();
        _bits.Write(Crc.FlacFrame.Of(_bits.Bytes), 16);
        _number++;
        return _bits.Bytes;
    }

    private void WriteHeader(int count)
    {
        (int rate, int value, int valueBits) = samplingRate switch
        {
            _ when samplingRate % 1000 == 0 && samplingRate <= 255_000 => (12, samplingRate / 1000, 8),
            <= ushort.MaxValue => (13, samplingRate, 16),
            _ when samplingRate % 10 == 0 && samplingRate <= 10 * ushort.MaxValue => (14, samplingRate / 10, 16),
            _ => (0, 0, 0), // as STREAMINFO says
        };
        _bits.Write(0b111_1111_1111_1100, 15);
        _bits.Write(0, 1); // blocks of one size
        _bits.Write(count != BlockSize ? 7 : System.Numerics.BitOperations.Log2((uint)BlockSize), 4);
        _bits.Write(rate, 4);
        _bits.Write(0, 4); // one channel
        _bits.Write(4, 3); // 16 bits
        _bits.Write(0, 1);
        foreach (byte b in Utf8(_number))
            _bits.Write(b, 8);
        if (count != BlockSize)
            _bits.Write(count - 1, 16);
        _bits.Write(value, valueBits);
    }

    /// <summary>A number as UTF-8 would have it, of up to 31 bits.</summary>
    private static byte[] Utf8(uint number)
    {
        if (number < 0x80)
            return [(byte)number];
        int more = 1;
        while (number >> (5 * more + 6) != 0)
            more++;
        byte[] bytes = new byte[more + 1];
        for (int i = more; i > 0; i--, number >>= 6)
            bytes[i] = (byte)(0x80 | (number & 0x3F));
        bytes[0] = (byte)((0xFF << (7 - more)) | (int)number);
        return bytes;
    }

    private void WriteSubframe(ReadOnlySpan<short> block)
    {
        if (!block.ContainsAnyExcept(block[0]))
        {
            _bits.Write(0, SubframeBits);
            _bits.Write(block[0], Bits);
            return;
        }

        long least = (long)Bits * block.Length;
        int order = -1, shift = 0;
        long[]? coefficients = null;
        RicePartitions partitions = default;
        for (int fixedOrder = 0; fixedOrder <= Math.Min(FlacPrediction.MaxFixedOrder, block.Length - 1); fixedOrder++)
            Try(block, FlacPrediction.Fixed(fixedOrder), 0, null);
        if (LinearPrediction.Of(block, MaxOrder, CoefficientBits, MostBitsOfShift) is { } linear)
            Try(block, linear.Coefficients, linear.Shift, linear.Coefficients);

        if (order < 0)
        {
            _bits.Write(1 << 1, SubframeBits);
            foreach (short sample in block)
                _bits.Write(sample, Bits);
            return;
        }

        _bits.Write((coefficients is null ? 8 + order : 31 + order) << 1, SubframeBits);
        foreach (short sample in block[..order])
            _bits.Write(sample, Bits);
        if (coefficients is not null)
        {
            _bits.Write(CoefficientBits - 1, 4);
            _bits.Write(shift, 5);
            foreach (long coefficient in coefficients)
                _bits.Write(coefficient, CoefficientBits);
        }

        partitions.Write(_bits, _best.AsSpan(0, block.Length), order);

        void Try(ReadOnlySpan<short> samples, ReadOnlySpan<long> prediction, int scale, long[]? stored)
        {
            Span<int> residuals = _tried.AsSpan(0, samples.Length);
            if (!Predict(samples, prediction, scale, residuals))
                return;
            RicePartitions tried = RicePartitions.Best(residuals, prediction.Length);
            long cost = tried.Cost + prediction.Length * Bits + (stored is null ? 0 : 9 + stored.Length * CoefficientBits);
            if (cost >= least)
                return;
            (least, order, shift, coefficients, partitions) = (cost, prediction.Length, scale, stored, tried);
            residuals.CopyTo(_best);
        }
    }

    /// <summary>What a prediction is off by; the first samples stay 0.</summary>
    /// <returns>Whether it fits 32 bits.</returns>
    private static bool Predict(ReadOnlySpan<short> samples, ReadOnlySpan<long> coefficients, int shift, Span<int> residuals)
    {
        residuals[..coefficients.Length].Clear();
        for (int i = coefficients.Length; i < samples.Length; i++)
        {
            long sum = 0;
            for (int k = 0; k < coefficients.Length; k++)
                sum += coefficients[k] * samples[i - 1 - k];
            long residual = samples[i] - (sum >> shift);
            if (residual is <= int.MinValue / 2 or >= int.MaxValue / 2)
                return false;
            residuals[i] = (int)residual;
        }

        return true;
    }
}
