namespace Dia.Backends;

/// <summary>
/// What a model or codec, and all that is made of it, has of its device: turns, in which nobody else uses the device, until it or the device is
/// disposed. A turn is one operation of the caller's (a prompt, a step, a window), and never has the caller's own code in it.
/// </summary>
/// <param name="device">Where it lives.</param>
/// <param name="type">What it is, to tell the user.</param>
internal sealed class Tenant(Device device, Type type)
{
    private bool _left; // changed in a turn only

    /// <summary>Where it lives.</summary>
    public Device Device => device;

    /// <summary>Waits for a turn; disposing of the result ends it. A thread that has one gets it at once. Allocates nothing.</summary>
    /// <exception cref="ObjectDisposedException">The tenant or the device is disposed.</exception>
    public Lock.Scope Enter()
    {
        Lock.Scope turn = device.Enter();
        if (!_left)
            return turn;
        turn.Dispose();
        throw new ObjectDisposedException(type.FullName);
    }

    /// <summary>A turn to free memory, which is always given.</summary>
    public Lock.Scope EnterToFree() => device.EnterToFree();

    /// <summary>No further turns, but to free memory. Called in a turn.</summary>
    /// <returns>Whether there were any until now.</returns>
    public bool Leave()
    {
        bool first = !_left;
        _left = true;
        return first;
    }
}
