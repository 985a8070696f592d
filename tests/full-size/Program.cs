using System.Globalization;
using Dia;
using Dia.FullSize;

// Called by the script `run`, which says what this is.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is not [("parity" or "figures") and var what, var folder, var number] || !int.TryParse(number, out int threads) || threads < 1)
{
    Console.Error.WriteLine("usage: Dia.FullSize parity|figures FOLDER THREADS");
    return 2;
}

try
{
    Checkpoints.Prepare(folder, threads);
    var report = new Report();
    if (what == "parity")
    {
        new CodecParity(report).Run(folder, threads);
        new ModelParity(report).Run(folder, threads);
    }
    else
    {
        new Figures(report, threads).Run(folder);
    }

    return report.Failed ? 1 : 0;
}
catch (DiaException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
