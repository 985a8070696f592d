using System.Globalization;
using Dia;
using Dia.FullSize;

// Called by the scripts `run` and `convert`, which say what this is.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is ["shards", var from, var to, var parts])
{
    Checkpoints.Split(from, to, int.Parse(parts, CultureInfo.InvariantCulture));
    return 0;
}

if (args is not [var folder, var number] || !int.TryParse(number, out int threads) || threads < 1)
{
    Console.Error.WriteLine("usage: Dia.FullSize FOLDER THREADS, or Dia.FullSize shards FROM TO COUNT");
    return 2;
}

try
{
    Checkpoints.Prepare(folder, threads);
    var report = new Report();
    new CodecParity(report).Run(folder, threads);
    new ModelParity(report).Run(folder, threads);
    return report.Failed ? 1 : 0;
}
catch (DiaException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
