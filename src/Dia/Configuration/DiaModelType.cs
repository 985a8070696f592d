namespace Dia.Configuration;

/// <summary>Which model a configuration is of.</summary>
public enum DiaModelType
{
    /// <summary>Dia as the reference library has it.</summary>
    Dia,

    /// <summary>
    /// The first generation of the model, by its authors' own code: cross-attention turns queries and keys by their positions, and the ids of a row are
    /// chosen otherwise. <c>dia_first</c> is a name of this program's: no library computes such a checkpoint as the other.
    /// </summary>
    DiaFirst,
}
