namespace Dia.Configuration;

/// <summary>
/// What a configuration states its fields to, each once: its constructor takes every value from here, and gives the one it has. A reader
/// (<see cref="ObjectReader"/>) answers what a file says in its place; a list (<see cref="FieldList"/>) keeps what is there, to be written or compared.
/// </summary>
internal abstract class Fields
{
    /// <summary>The file, where one is read: for checks, and for keys that have more than one spelling. Null: there is none.</summary>
    public virtual ObjectReader? File => null;

    /// <summary>What the file says it is.</summary>
    public abstract void ModelType(string name);

    /// <summary>The reference's name of the model's class, which is written.</summary>
    public virtual void Architecture(string name)
    {
    }

    /// <param name="key">Its key in JSON.</param>
    /// <param name="value">Its value.</param>
    /// <param name="type">What it may be.</param>
    /// <param name="isComputed">Whether it changes what is computed: two configurations that differ in others alone have one compiled class.</param>
    public abstract T Value<T>(string key, T value, FieldType<T> type, bool isComputed = true)
        where T : struct;

    /// <summary>The same where a file may say null.</summary>
    public abstract T? Optional<T>(string key, T? value, FieldType<T> type)
        where T : struct;

    public abstract EquatableArray<T> List<T>(string key, EquatableArray<T> value, FieldType<T> type)
        where T : struct, IEquatable<T>;

    /// <summary>One of several names; of those that mean the same the first is written.</summary>
    public abstract T Name<T>(string key, T value, (string Name, T Value)[] names)
        where T : struct, Enum;

    /// <summary>Any text.</summary>
    public abstract string Text(string key, string value);

    /// <summary>A key that has one value here: it is written, and a file that says otherwise is refused.</summary>
    /// <param name="key">Its key in JSON.</param>
    /// <param name="json">The value as JSON; what is null or an empty list is not written.</param>
    /// <param name="isChecked">False where it means nothing: then a file may hold anything there.</param>
    public abstract void Constant(string key, string json, bool isChecked = true);

    /// <summary>An object with fields of its own; null is one without.</summary>
    public abstract T Part<T>(string key, T? value, Func<Fields, T> fields)
        where T : class;

    /// <summary>What follows from other fields: it is written, and a file that states it is checked.</summary>
    public virtual void Derived(string key, Func<object> value)
    {
    }
}
