namespace Dia.Cli;

/// <summary>What the program tells its caller.</summary>
internal static class ExitCodes
{
    public const int Done = 0;
    public const int Incomplete = 1;
    public const int Usage = 2;
    public const int Model = 3;
    public const int Input = 4;
    public const int Device = 5;
    public const int Output = 6;
    public const int Internal = 70;
    public const int HungUp = 129;
    public const int Interrupted = 130;
    public const int Quit = 131;
    public const int Terminated = 143;

    /// <summary>What each code means, for the manual.</summary>
    public static IReadOnlyList<(int Code, string Meaning)> Meanings { get; } =
    [
        (Done, "Done, or the reader of a pipe wanted no more."),
        (Incomplete, "Some of the lines failed; each answer says why. With --strict also: a result is suspicious; a warning says why."),
        (Usage, "The command was called in a wrong way."),
        (Model, "The model or its weights: missing, damaged, or not of this executable."),
        (Input, "The text or the audio that went in."),
        (Device, "The device: no such device, or out of memory."),
        (Output, "The output could not be written."),
        (Internal, "A bug: the message says where to report it."),
        (HungUp, "Ended by SIGHUP: the terminal was closed."),
        (Interrupted, "Ended by SIGINT (Ctrl-C). No unfinished file is left."),
        (Quit, "Ended by SIGQUIT (Ctrl-\\). No unfinished file is left."),
        (Terminated, "Ended by SIGTERM. No unfinished file is left."),
    ];

    /// <summary>The code of an error.</summary>
    public static int Of(DiaErrorKind kind) => kind switch
    {
        DiaErrorKind.Usage => Usage,
        DiaErrorKind.Model => Model,
        DiaErrorKind.Input => Input,
        DiaErrorKind.Device => Device,
        DiaErrorKind.Output => Output,
        _ => Internal,
    };
}
