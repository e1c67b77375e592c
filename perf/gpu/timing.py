"""What every comparison with peers shares: what was measured with, alternating runs, the device's state."""
import statistics
import subprocess
import time

from mm1_kernels import REPOSITORY


def run_text(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def device_state(index):
    """SM clock (MHz), power (W) and temperature (C) now; empty texts without nvidia-smi."""
    text = run_text("nvidia-smi", f"--id={index}", "--query-gpu=clocks.sm,power.draw,temperature.gpu", "--format=csv,noheader,nounits")
    parts = [part.strip() for part in text.split(",")]
    return parts if len(parts) == 3 else ["", "", ""]


def write_versions(torch, library, folder):
    properties = torch.cuda.get_device_properties(0)
    lines = [
        f"device: {properties.name}, capability {properties.major}.{properties.minor}, {properties.multi_processor_count} SMs",
        "driver and clocks: " + run_text("nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,clocks.max.mem,power.limit", "--format=csv,noheader"),
        f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        "nvcc: " + (run_text("nvcc", "--version").splitlines() or ["not found"])[-1],
        f"library: {library.path}",
        "commit: " + run_text("git", "-C", str(REPOSITORY), "rev-parse", "HEAD"),
        "date: " + time.strftime("%Y-%m-%d %H:%M:%S %z"),
    ]
    text = "\n".join(lines) + "\n"
    (folder / "versions.txt").write_text(text, encoding="utf-8")
    print(text, end="", flush=True)


def milliseconds(torch, run, calls, copies, stream):
    """Mean time of `calls` calls over the copies in turn."""
    start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record(stream)
    for i in range(calls):
        run(i % copies, stream)
    stop.record(stream)
    stop.synchronize()
    return start.elapsed_time(stop) / calls


def measure(torch, ours, theirs, copies, options, stream):
    """Medians (ours, theirs) in milliseconds of alternating runs, and the device's state under load."""
    runs = (ours, theirs)
    calls = []
    for run in runs:
        once = milliseconds(torch, run, 3, copies, stream)
        calls.append(max(3, int(options.milliseconds / max(once, 1e-3))))
    times = ([], [])
    for _ in range(options.rounds):
        for which, run in enumerate(runs):
            times[which].append(milliseconds(torch, run, calls[which], copies, stream))
    for i in range(calls[0]):
        ours(i % copies, stream)
    state = device_state(torch.cuda.current_device())
    stream.synchronize()
    return statistics.median(times[0]), statistics.median(times[1]), state


def max_keeping_nan(a, b):
    return b if b != b or b > a else a
