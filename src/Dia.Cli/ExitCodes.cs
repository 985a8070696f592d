namespace Dia.Cli;

/// <summary>What the program tells its caller.</summary>
internal static class ExitCodes
{
    public const int Done = 0;
    public const int SomeLinesFailed = 1;
    public const int Usage = 2;
    public const int Model = 3;
    public const int Input = 4;
    public const int Device = 5;
    public const int Output = 6;
    public const int Internal = 70;
    public const int Interrupted = 130;
    public const int Terminated = 143;

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
