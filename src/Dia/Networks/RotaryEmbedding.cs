using Dia.Configuration;

namespace Dia.Networks;

/// <summary>
/// The rotary frequencies in force over the successive calls of one sequence: dynamic and longrope change them with the
/// longest position seen. A request owns one; nothing is allocated after construction.
/// </summary>
public sealed class RotaryEmbedding
{
    private readonly RotaryFrequencies _frequencies;
    private readonly float[] _original;
    private readonly float[] _current;
    private int _length;

    /// <summary>The state before the first call.</summary>
    /// <param name="frequencies">What the configuration says (<see cref="RotaryFrequencies.For(DiaStackConfig)"/>).</param>
    public RotaryEmbedding(RotaryFrequencies frequencies)
        : this(frequencies ?? throw new ArgumentNullException(nameof(frequencies)), frequencies.Compute())
    {
    }

    /// <summary>The same with the original frequencies given: a compiled model has them from its build.</summary>
    internal RotaryEmbedding(RotaryFrequencies frequencies, float[] original)
    {
        _frequencies = frequencies;
        _original = original;
        _current = (float[])_original.Clone();
        _length = frequencies.OriginalLength;
    }

    /// <summary>Inverse frequencies [head_dim/2] now in force; the memory stays the same, <see cref="Update"/> changes its values.</summary>
    public ReadOnlySpan<float> InverseFrequencies => _current;

    /// <summary>
    /// The longest position plus one that set them, their whole state (<see cref="MoveTo"/>). At first the original length.
    /// </summary>
    public int Length => _length;

    /// <summary>What cos and sin are multiplied by.</summary>
    public float Scaling => _frequencies.AttentionScaling;

    /// <summary>
    /// Moves on to a call over positions below <paramref name="longestPositionPlusOne"/>. Keys cached by earlier calls keep the
    /// angles they were given.
    /// </summary>
    /// <param name="longestPositionPlusOne">The call's largest position plus one.</param>
    /// <returns>Whether the frequencies changed.</returns>
    public bool Update(int longestPositionPlusOne) => _frequencies.Type switch
    {
        RopeType.Dynamic => UpdateDynamic(longestPositionPlusOne),
        RopeType.LongRope => UpdateLongRope(longestPositionPlusOne),
        _ => false,
    };

    /// <summary>To the state of an embedding whose <see cref="Length"/> is this.</summary>
    public void MoveTo(int length)
    {
        Reset();
        Update(length);
    }

    /// <summary>Back to the state before the first call.</summary>
    public void Reset()
    {
        _original.CopyTo(_current, 0);
        _length = _frequencies.OriginalLength;
    }

    private bool UpdateDynamic(int length)
    {
        if (length > _length)
        {
            _frequencies.Compute(length, _current);
            _length = length;
            return true;
        }
        // Strictly below: a call of exactly the original length keeps what a longer one set.
        if (length < _frequencies.OriginalLength && _length > _frequencies.OriginalLength)
        {
            Reset();
            return true;
        }
        return false;
    }

    private bool UpdateLongRope(int length)
    {
        bool wasLong = _length > _frequencies.OriginalLength;
        bool isLong = length > _frequencies.OriginalLength;
        _length = length;
        if (isLong == wasLong)
            return false;
        if (isLong)
            _frequencies.Compute(length, _current);
        else
            _original.CopyTo(_current, 0);
        return true;
    }
}
