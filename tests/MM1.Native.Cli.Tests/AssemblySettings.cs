using Xunit.Sdk;
using Xunit.v3;

// One test at a time: they start processes, and the machine may have two cores.
[assembly: Parallelization(Mode = ParallelMode.None)]
