#!/usr/bin/env bash
# Everything that only a GPU can say about libmm1_kernels, in one run: build, smoke, conformance, speed, sanitizer, resources.
#
#   perf/gpu/run.sh OUT [--set quick|full] [--programs FOLDER] [--skip-speed] [--skip-sanitizer]
#
# Needs an NVIDIA GPU (sm_80 or later), a CUDA toolkit of 12.0 or later (nvcc in PATH, or CUDA_HOME), CMake, a C++17 compiler and Python 3; the speed
# stage also PyTorch. The C# programs (tests, benchmarks, ILGPU baseline) come from FOLDER, published elsewhere with publish.sh, or are published here
# where there is a .NET SDK. OUT gets the build, logs and CSV files, each row written at once, so a run that is cut off keeps what it had:
#   environment.txt  build.csv  {gemm,attention}_{smoke,conformance}.csv  tests.log  {gemm,attention,memory}_peers.csv  step.jsonl  ilgpu.csv
#   sanitizer.csv  resources.csv  summary.txt
# A stage that fails does not stop the next ones. Exit code: 0 all stages well, 1 one was not, 2 wrong usage, 3 this machine lacks a GPU or toolkit.
set -uo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repository="$(cd "$here/../.." && pwd)"

usage() { sed -n '4,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
lacks() { echo "run.sh: $1" >&2; exit 3; }

out="" set=quick programs="" speed=1 sanitizer=1
while [ $# -gt 0 ]; do
  case "$1" in
    --set) set="${2:-}"; shift ;;
    --programs) programs="${2:-}"; shift ;;
    --skip-speed) speed=0 ;;
    --skip-sanitizer) sanitizer=0 ;;
    -h | --help) usage ;;
    -*) echo "run.sh: unknown option $1" >&2; usage ;;
    *) [ -z "$out" ] || usage; out="$1" ;;
  esac
  [ $# -gt 0 ] && shift
done
[ -n "$out" ] || usage
case "$set" in quick | full) ;; *) echo "run.sh: --set is '$set'; it is quick or full" >&2; exit 2 ;; esac

# --- what this machine has ------------------------------------------------------------------------------------------------------------
nvcc="$(command -v nvcc || true)"
for home in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
  [ -n "$nvcc" ] && break
  [ -n "$home" ] && [ -x "$home/bin/nvcc" ] && nvcc="$home/bin/nvcc"
done
gpu="$(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader 2> /dev/null | head -1)"
missing=""
[ -n "$nvcc" ] || missing="CUDA toolkit (nvcc is neither in PATH nor in CUDA_HOME/bin nor in /usr/local/cuda/bin)"
[ -n "$gpu" ] || missing="${missing:+$missing and no }GPU (nvidia-smi names none)"
[ -z "$missing" ] || lacks "no $missing found; run this on a machine with an NVIDIA GPU of capability 8.0 or later and CUDA 12.0 or later"
for tool in cmake c++ python3; do command -v "$tool" > /dev/null || lacks "$tool is missing"; done
export PATH="$(dirname "$nvcc"):$PATH"

mkdir -p "$out" || exit 2
out="$(cd "$out" && pwd)"
failed=()
stage() { printf '\n== %s\n' "$1"; }
fail() { failed+=("$1"); echo "FAILED: $1"; }
seconds() { date +%s.%N; }
elapsed() { awk -v a="$1" -v b="$(seconds)" 'BEGIN { printf "%.1f", b - a }'; }

stage "environment"
{
  date '+%Y-%m-%d %H:%M:%S %z'
  echo "GPU: $gpu"
  nvidia-smi --query-gpu=clocks.max.sm,clocks.max.mem,power.limit,memory.total --format=csv
  "$nvcc" --version | tail -2
  cmake --version | head -1
  c++ --version | head -1
  git -C "$repository" rev-parse HEAD 2> /dev/null
} > "$out/environment.txt" 2>&1
cat "$out/environment.txt"

# --- build: first the code of this GPU's own architecture, then the fat library --------------------------------------------------------
capability="$(echo "$gpu" | cut -d, -f2 | tr -d ' ')"
own="$(echo "$capability" | tr -d .)"
case "$own" in 90) own=90a ;; *) own=80 ;; esac
echo "architectures,seconds,result" > "$out/build.csv"
build() {  # build FOLDER ARCHITECTURES
  local start result=passed
  start="$(seconds)"
  { cmake -S "$repository" -B "$1" -DMM1_BUILD_CUDA=ON -DMM1_BUILD_TESTS=OFF -DMM1_CUDA_ARCHITECTURES="$2" -DCMAKE_CUDA_COMPILER="$nvcc" &&
    cmake --build "$1" --target mm1_kernels -j; } > "$1.log" 2>&1 || result=failed
  echo "\"$2\",$(elapsed "$start"),$result" >> "$out/build.csv"
  echo "$2: $result in $(elapsed "$start") s; log $1.log"
  grep -iE 'serializ|spill|warning' "$1.log" | sort | uniq -c | sort -rn | head -20
  [ "$result" = passed ]
}
stage "records of the scripts beside the header"
python3 "$here/header.py" || fail "records of the scripts"
stage "build for sm_$own"
build "$out/build-own" "$own" || { fail "build sm_$own"; tail -40 "$out/build-own.log"; echo "1 stage failed: nothing to run"; exit 1; }
library="$out/build-own/lib/libmm1_kernels.so"
tests="$repository/tests/kernels"
compile() {  # compile PROGRAM SOURCES...
  local program="$1"
  shift
  c++ -std=c++17 -O2 -DMM1_STATIC_LIBRARY -I"$repository/kernels/include" -I"$repository/kernels" -I"$tests" -I"$tests/attention" "$@" -ldl \
    -o "$out/$program" > "$out/$program.build.log" 2>&1 || { fail "build of $program"; cat "$out/$program.build.log"; exit 1; }
}
compile gemm_conformance "$tests"/gemm/conformance/*.cpp
compile attention_conformance "$tests"/attention/conformance/*.cpp "$tests"/attention/{attention_case,attention_reference,decode_case}.cpp \
  "$tests"/support/{agreement,device_buffer}.cpp

# --- correctness: child processes, so that a lost device or a hang costs one window of cases -------------------------------------------
# windows FAMILY LIST SIZE SECONDS: FAMILY_conformance over LIST, into FAMILY_LIST.csv
windows() {
  local conformance="$out/$1_conformance" csv="$out/$1_${2/all/conformance}.csv" list="$2" size="$3" limit="$4" count first code log="$out/$1_$2.log" bad=0
  [ -s "$csv" ] || echo "case,name,result,seconds,error_ratio,text" > "$csv"
  count="$("$conformance" --list "$list" --names | wc -l)"
  for path in $("$conformance" --list "$list" --paths); do
    for ((first = 0; first < count; first += size)); do
      timeout "$limit" "$conformance" "$library" --list "$list" --path "$path" --first "$first" --count "$size" --csv "$csv" >> "$log" 2>&1
      code=$?
      case $code in
        0 | 4) ;;
        124) bad=1; echo "$first,\"window of $size, path $path\",time-out,$limit,,\"no end after $limit s\"" >> "$csv" ;;
        *) bad=1; [ $code -eq 1 ] || echo "$first,\"window of $size, path $path\",crashed,,,\"exit code $code\"" >> "$csv" ;;
      esac
    done
  done
  echo "$(grep -c ',passed,' "$csv") passed, $(grep -cE ',(failed|time-out|crashed),' "$csv") failed; $csv"
  grep FAILED "$log" | head -10
  return $bad
}
for family in gemm attention; do
  stage "smoke of $family (every path)"
  windows $family smoke 1 60 || fail "smoke of $family"
  stage "conformance of $family"
  windows $family all 25 300 || fail "conformance of $family"
done

# --- the C# programs: conformance of every family through the engine's own tests ------------------------------------------------------------
export MM1_KERNELS_PATH="$library"
stage "C# programs"
if [ -n "$programs" ]; then
  programs="$(cd "$programs" 2> /dev/null && pwd)" || fail "programs: no such folder"
elif command -v dotnet > /dev/null; then
  programs="$out/programs"
  timeout 900 "$here/publish.sh" "$programs" > "$out/publish.log" 2>&1 || { fail "publish (log $out/publish.log)"; tail -5 "$out/publish.log"; }
else
  echo "skipped: neither --programs nor a .NET SDK (publish.sh FOLDER on a machine that has one makes the folder)"
fi
program() { [ -n "$programs" ] && [ -x "$programs/$1/$1" ]; }
if program MM1.Native.Kernels.Tests; then
  stage "conformance of all families (MM1.Native.Kernels.Tests on cuda:0)"
  start="$(seconds)"
  MM1_TEST_DEVICES=cuda:0 timeout 1800 "$programs/MM1.Native.Kernels.Tests/MM1.Native.Kernels.Tests" > "$out/tests.log" 2>&1 || fail "conformance of all families"
  tail -8 "$out/tests.log"
  echo "$(elapsed "$start") s; $out/tests.log"
fi

# --- speed ---------------------------------------------------------------------------------------------------------------------------
if [ "$speed" = 1 ]; then
  torch=0
  python3 -c 'import torch' 2> /dev/null && torch=1
  stage "speed beside PyTorch (cuBLAS, attention's back ends, memory-bound families)"
  if [ "$torch" = 1 ]; then
    for family in gemm attention memory; do
      timeout 3600 python3 "$here/peers.py" --family $family --out "$out" --library "$library" --set "$set" || fail "speed of $family"
    done
    # The kernels for sm_80 on this card, at the sizes that the sm_90a ones are judged by.
    [ "$own" = 90a ] && { mkdir -p "$out/sm80"
      MM1_GEMM_SM80=1 timeout 1800 python3 "$here/peers.py" --family gemm --out "$out/sm80" --library "$library" --set quick || fail "speed of sm_80"; }
  else
    echo "skipped: PyTorch is not installed (pip install torch)"
  fi
  stage "training step (302M and small), beside PyTorch eager and compiled"
  for model in 302m small; do
    for precision in bfloat16 float32; do
      [ "$model $precision" = "302m float32" ] && [ "$set" = quick ] && continue
      if program MM1.Native.Benchmarks; then
        timeout 600 "$programs/MM1.Native.Benchmarks/MM1.Native.Benchmarks" step --device cuda:0 --model $model --precision $precision --json >> "$out/step.jsonl" ||
          fail "step $model $precision"
      fi
      if [ "$torch" = 1 ]; then
        timeout 900 python3 "$here/torch_step.py" --model $model --precision $precision >> "$out/step.jsonl" || fail "torch step $model $precision"
      fi
    done
  done
  [ -f "$out/step.jsonl" ] && python3 -c '
import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    r = json.loads(line)
    print("{engine:16} {mode:9} {precision:9} {parameters:>11} parameters {ms_median:10.3f} ms {tokens_per_s:12.1f} tokens/s  MFU {mfu:.3f} of {peak_tflops} ({peak_source})  {peak_memory_mib} MiB".format(**r))
' "$out/step.jsonl"
  if program MM1.Native.IlgpuBaseline; then
    stage "C# ILGPU baseline"
    timeout 600 "$programs/MM1.Native.IlgpuBaseline/MM1.Native.IlgpuBaseline" > "$out/ilgpu.csv" || fail "ILGPU baseline"
    cat "$out/ilgpu.csv"
  fi
fi

# --- sanitizer -----------------------------------------------------------------------------------------------------------------------
if [ "$sanitizer" = 1 ]; then
  stage "compute-sanitizer on the small list"
  tool="$(command -v compute-sanitizer || true)"
  echo "tool,family,path,result,seconds" > "$out/sanitizer.csv"
  if [ -z "$tool" ]; then
    echo "skipped: compute-sanitizer is not in PATH"
  elif ! timeout 120 "$tool" --tool memcheck "$out/gemm_conformance" "$library" --list small --count 5 > "$out/sanitizer_probe.log" 2>&1; then
    echo "skipped: compute-sanitizer does not work here (see $out/sanitizer_probe.log)"
  else
    for check in memcheck initcheck synccheck; do
      for family in gemm attention; do
        conformance="$out/${family}_conformance"
        for path in $("$conformance" --list small --paths); do
          start="$(seconds)" result=passed
          timeout 900 "$tool" --tool "$check" --error-exitcode 9 "$conformance" "$library" --list small --path "$path" \
            > "$out/sanitizer_${check}_${family}_${path/:/_}.log" 2>&1
          code=$?
          [ $code -eq 0 ] || [ $code -eq 4 ] || { result="exit code $code"; fail "$check of $family, path $path"; }
          echo "$check,$family,$path,$result,$(elapsed "$start")" >> "$out/sanitizer.csv"
          echo "$check of $family, path $path: $result"
        done
      done
    done
  fi
fi

# --- the fat library and what its kernels need ------------------------------------------------------------------------------------------
stage "build for sm_80 and sm_90a"
build "$out/build-all" "80;90a" || fail "build of all architectures"
stage "resources"
if [ -f "$out/build-all/lib/libmm1_kernels.so" ]; then
  "$here/resources.sh" "$out/build-all/lib/libmm1_kernels.so" "$out/resources.csv" || fail resources
fi

stage "summary"
{
  if [ ${#failed[@]} -eq 0 ]; then echo "all stages passed"; else printf 'failed: %s\n' "${failed[@]}"; fi
} | tee "$out/summary.txt"
[ ${#failed[@]} -eq 0 ]
