using MM1.Native.TestSupport;
using Xunit.Sdk;
using Xunit.v3;

// One test at a time: leaks are detected by counters of the process.
[assembly: Parallelization(Mode = ParallelMode.None)]
[assembly: DetectLeaks]
