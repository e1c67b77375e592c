#!/usr/bin/env bash
# The C# programs that run.sh needs, with their runtime, for a GPU machine without a .NET SDK.
#
#   perf/gpu/publish.sh FOLDER [RUNTIME]         RUNTIME: linux-x64 (default), linux-arm64
set -euo pipefail

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
[ $# -ge 1 ] || { echo "publish.sh: name the folder to publish into" >&2; exit 2; }
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
for project in tests/MM1.Native.Kernels.Tests perf/MM1.Native.Benchmarks perf/MM1.Native.IlgpuBaseline; do
  dotnet publish "$repository/$project" -c Release -r "${2:-linux-x64}" --self-contained -nodeReuse:false -o "$folder/$(basename "$project")"
done
