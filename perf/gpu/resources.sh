#!/usr/bin/env bash
# Registers, stack, shared memory and instruction counts of every kernel of a built library, as ptxas made them.
#
#   perf/gpu/resources.sh [LIBRARY [CSV]]      default: artifacts/native/lib/libmm1_kernels.so perf/results/resources.csv
#
# One row per architecture and kernel. Exit code: 0 written, 1 a kernel uses the stack (spills or local arrays) without a reason in resources_stack.txt,
# 3 there is no cuobjdump or no library.
set -uo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repository="$(cd "$here/../.." && pwd)"
library="${1:-$repository/artifacts/native/lib/libmm1_kernels.so}"
csv="${2:-$repository/perf/results/resources.csv}"

tool="$(command -v cuobjdump || true)"
for home in "${CUDA_HOME:-}" /usr/local/cuda; do
  [ -z "$tool" ] && [ -n "$home" ] && [ -x "$home/bin/cuobjdump" ] && tool="$home/bin/cuobjdump"
done
[ -n "$tool" ] || { echo "resources.sh: no CUDA toolkit found (cuobjdump is neither in PATH nor in CUDA_HOME/bin)" >&2; exit 3; }
[ -f "$library" ] || { echo "resources.sh: no library $library; build it with a CUDA toolkit first" >&2; exit 3; }

mkdir -p "$(dirname "$csv")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$tool" --dump-resource-usage "$library" > "$work/usage.txt" 2>&1 || { cat "$work/usage.txt" >&2; exit 1; }
"$tool" --dump-sass "$library" > "$work/sass.txt" 2>&1 || { tail -5 "$work/sass.txt" >&2; exit 1; }

python3 - "$work/usage.txt" "$work/sass.txt" "$csv" "$here/resources_stack.txt" << 'PYTHON'
import csv, re, subprocess, sys

usage_path, sass_path, csv_path, reasons_path = sys.argv[1:5]
PATTERNS = {"HGMMA": r"\bHGMMA", "HMMA": r"\bHMMA", "FFMA": r"\bFFMA", "LDSM": r"\bLDSM", "STSM": r"\bSTSM", "UTMALDG": r"\bUTMALDG",
            "UTMASTG": r"\bUTMASTG", "LDGSTS": r"\bLDGSTS", "SYNCS": r"\bSYNCS", "MUFU": r"\bMUFU", "ATOM": r"\b(ATOMG?|RED)\b", "USETMAXREG": r"\bUSETMAXREG", "LDL": r"\bLDL", "STL": r"\bSTL"}

architecture, function, rows = "", "", {}
for line in open(usage_path, encoding="utf-8", errors="replace"):
    if match := re.search(r"arch = (sm_\w+)", line):
        architecture = match.group(1)
    elif match := re.search(r"Function (\S+?):", line):
        function = match.group(1)
    elif "REG:" in line and function:
        values = dict(re.findall(r"(\w+(?:\[\d+\])?):(\d+)", line))
        rows[architecture, function] = {"registers": values.get("REG", ""), "stack": values.get("STACK", ""), "shared": values.get("SHARED", ""),
                                        "local": values.get("LOCAL", ""), **{name: 0 for name in PATTERNS}, "instructions": 0}
architecture, function = "", ""
for line in open(sass_path, encoding="utf-8", errors="replace"):
    if match := re.search(r"arch = (sm_\w+)", line):
        architecture = match.group(1)
    elif match := re.search(r"Function : (\S+)", line):
        function = match.group(1)
    elif re.match(r"\s*/\*[0-9a-f]{4,}\*/", line) and (architecture, function) in rows:
        row = rows[architecture, function]
        row["instructions"] += 1
        for name, pattern in PATTERNS.items():
            row[name] += bool(re.search(pattern, line))

def readable(name):
    try:
        return subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return name

# Lines "part of a kernel's name: why its stack is no mistake".
reasons = [line.split(":", 1)[0].strip() for line in open(reasons_path, encoding="utf-8") if ":" in line and not line.startswith("#")]
on_stack = []
with open(csv_path, "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    columns = ["registers", "stack", "shared", "local", "instructions", *PATTERNS]
    writer.writerow(["architecture", "kernel", *columns])
    for (arch, name), row in sorted(rows.items()):
        text = readable(name)
        writer.writerow([arch, text, *(row[column] for column in columns)])
        file.flush()
        spilled = row["LDL"] + row["STL"] > 0 or int(row["stack"] or 0) > 0
        if spilled and not any(reason in text for reason in reasons):
            on_stack.append(f"{arch} {text}: stack {row['stack']}, {row['LDL']} LDL, {row['STL']} STL")
print(f"{len(rows)} kernels; {csv_path}")
for line in on_stack:
    print("on the stack without a reason:", line)
sys.exit(1 if on_stack or not rows else 0)
PYTHON
