using System.Collections;

namespace Dia.Configuration;

/// <summary>
/// An immutable array that compares by its elements, so that a record holding it compares by value
/// (and a generator step fed with it is skipped when nothing changed).
/// </summary>
/// <typeparam name="T">The elements' type.</typeparam>
[System.Runtime.CompilerServices.CollectionBuilder(typeof(EquatableArray), nameof(EquatableArray.Create))]
public readonly struct EquatableArray<T> : IEquatable<EquatableArray<T>>, IReadOnlyList<T>
    where T : IEquatable<T>
{
    private readonly T[]? _items;

    /// <summary>An array of copies of <paramref name="items"/>.</summary>
    public EquatableArray(params T[] items) => _items = (T[])items.Clone();

    /// <summary>Number of elements.</summary>
    public int Length => _items is null ? 0 : _items.Length;

    /// <inheritdoc/>
    public int Count => Length;

    /// <inheritdoc/>
    public T this[int index] => (_items ?? [])[index];

    /// <summary>A copy of the elements.</summary>
    public static implicit operator EquatableArray<T>(T[] items) => new(items);

    /// <summary>Whether both hold equal elements in the same order.</summary>
    public static bool operator ==(EquatableArray<T> left, EquatableArray<T> right) => left.Equals(right);

    /// <summary>Whether the two differ in length or in an element.</summary>
    public static bool operator !=(EquatableArray<T> left, EquatableArray<T> right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(EquatableArray<T> other) => this.SequenceEqual(other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is EquatableArray<T> other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => this.Aggregate(Length, (hash, item) => unchecked(hash * 31 + item.GetHashCode()));

    /// <summary>The elements in a new array.</summary>
    public T[] ToArray() => _items is null ? [] : (T[])_items.Clone();

    /// <inheritdoc/>
    public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)(_items ?? [])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>What collection expressions make arrays with.</summary>
public static class EquatableArray
{
    /// <summary>An array of copies of <paramref name="items"/>.</summary>
    public static EquatableArray<T> Create<T>(ReadOnlySpan<T> items)
        where T : IEquatable<T> => new(items.ToArray());
}
