namespace Dia.Cli;

/// <summary>What this build is.</summary>
internal static class BuildInfo
{
    /// <summary>The program's version.</summary>
    public static string Version => typeof(BuildInfo).Assembly.GetName().Version!.ToString(3);
}
