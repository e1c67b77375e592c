#!/usr/bin/env bash
# Builds everything in Release and runs every test project under tests/, then the native kernels' tests (CMake, CTest). Needs the .NET 10
# SDK only; what needs more is skipped without and says so: a C and a C++ compiler (cc, c++) for the tests of the C header, these and CMake
# for the native library and all tests of it, clang++-19 for the check of the PTX.
#
#   ./test.sh                  the ci tier: everything but tests marked [Trait("Tier", "nightly")]
#   ./test.sh --tier nightly   all tests
#
# MM1_TEST_DATA names the folder of test data outside the repository (default ../shared/data). Skipped tests are listed with their
# reasons. The last line is "N passed, N failed" or "N passed, N failed, N skipped"; the exit code is 0 only if all passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

tier=ci
while [ $# -gt 0 ]; do
  case "$1" in
    --tier) tier="${2:-}"; shift ;;
    --tier=*) tier="${1#--tier=}" ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "test.sh: unknown option '$1'; see ./test.sh --help" >&2; exit 2 ;;
  esac
  [ $# -gt 0 ] && shift
done
case "$tier" in
  ci) filter=(--filter-not-trait Tier=nightly) ;;
  nightly) filter=() ;;
  *) echo "test.sh: --tier is '$tier'; it is ci or nightly" >&2; exit 2 ;;
esac

command -v dotnet > /dev/null || { echo "test.sh: 'dotnet' is missing; install the .NET 10 SDK (https://dot.net)" >&2; exit 1; }
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

passed=0 failed=0 skipped=0
reports="$PWD/artifacts/test-reports"
rm -rf "$reports"
mkdir -p "$reports"

# An attribute of the <assembly> element of an xunit report.
count() { grep -o '<assembly [^>]*>' "$1" | grep -o " $2=\"[0-9]*\"" | grep -o '[0-9]*' | head -1; }

# "name: reason" of every skipped test.
skips() {
  tr -d '\n' < "$1" | sed 's/<test /\n<test /g' | grep 'result="Skip"' \
    | sed -E 's/.* name="([^"]*)".*<reason>(<!\[CDATA\[)?(.*)<\/reason>.*/  \1: \3/; s/\]\]>$//; s/&quot;/"/g; s/\\"/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g'
}

# The native library first, with everything that tests it: what the .NET tests load is then there already.
native="$PWD/artifacts/native" native_missing=""
command -v cmake > /dev/null || native_missing="cmake"
command -v "${CXX:-c++}" > /dev/null || native_missing="${native_missing:+$native_missing and }a C++ compiler"
if [ -z "$native_missing" ]; then
  echo "== native build"
  start=$SECONDS
  log="$reports/native-build.log"
  generator=()
  if [ ! -f "$native/CMakeCache.txt" ] && command -v ninja > /dev/null; then generator=(-G Ninja); fi
  if ! { cmake -S . -B "$native" ${generator[@]+"${generator[@]}"} && cmake --build "$native" --parallel "$(getconf _NPROCESSORS_ONLN)"; } > "$log" 2>&1; then
    tail -n 60 "$log"
    echo "The native build failed ($log); no test was run."
    echo "0 passed, 1 failed"
    exit 1
  fi
  grep -i 'warning' "$log" | sort -u | head -n 20
  echo "built in $((SECONDS - start)) s"
fi

echo "== build"
if ! dotnet build MM1.Native.sln -c Release --nologo -v quiet -clp:NoSummary; then
  echo "The build failed; no test was run."
  echo "0 passed, 1 failed"
  exit 1
fi

echo "== format"
if ! dotnet format MM1.Native.sln --no-restore --verify-no-changes; then
  echo "Run: dotnet format"
  failed=$((failed + 1))
fi

for project in tests/*.Tests/*.Tests.csproj; do
  name="$(basename "$project" .csproj)"
  report="$reports/$name.xml"
  echo "== $name"
  dotnet test --project "$project" -c Release --no-build --results-directory "$reports" \
    --report-xunit-xml --report-xunit-xml-filename "$name.xml" ${filter[@]+"${filter[@]}"}
  code=$?
  if [ ! -f "$report" ]; then
    echo "$name ended with code $code and wrote no report."
    failed=$((failed + 1))
    continue
  fi
  ran_passed=$(count "$report" passed) ran_failed=$(($(count "$report" failed) + $(count "$report" errors))) ran_skipped=$(count "$report" skipped)
  if [ $((ran_passed + ran_failed)) -eq 0 ]; then
    echo "$name ran no test."
    ran_failed=1
  elif [ $code -ne 0 ] && [ "$ran_failed" -eq 0 ]; then
    echo "$name ended with code $code."
    ran_failed=1
  fi
  passed=$((passed + ran_passed)) failed=$((failed + ran_failed)) skipped=$((skipped + ran_skipped))
done

native_skips="$reports/native-skips.txt"
: > "$native_skips"
if [ -n "$native_missing" ]; then
  echo "  all native tests: $native_missing is missing (Debian: apt-get install cmake g++)" >> "$native_skips"
  skipped=$((skipped + 1))
else
  echo "== native tests"
  start=$SECONDS
  log="$reports/native-tests.log"
  # Side by side: most launches are of a few blocks, and keep one core busy. Outputs are told apart by the test's number.
  ctest --test-dir "$native" --verbose --parallel "$(getconf _NPROCESSORS_ONLN)" > "$log" 2>&1
  code=$?
  grep -E '^ *[0-9]+/[0-9]+ Test +#' "$log" | sed 's/^ */  /'
  # A program of ours ends with its counts; what prints none (a script, a crash) counts as one test.
  read -r ran_passed ran_failed ran_skipped < <(awk '
    /^ *[0-9]+: [0-9]+ passed, [0-9]+ failed/ { n = $1 + 0; counted[n] = 1; p[n] += $2; f[n] += $4; k[n] += $6 }
    /^ *[0-9]+\/[0-9]+ Test +#/ {
      n = $0; sub(/^[^#]*#/, "", n); n += 0
      good = / Passed +[0-9.]+ sec/
      if (!counted[n]) { p[n] = good; f[n] = !good }
      else if (!good && f[n] == 0) f[n] = 1
      passed += p[n]; failed += f[n]; skipped += k[n]
    }
    END { print passed + 0, failed + 0, skipped + 0 }' "$log")
  output=$(grep -E '^ *[0-9]+: ' "$log" | sort -s -n -t: -k1,1 | sed -E 's/^ *[0-9]+: //')
  grep -E '^skipped ' <<< "$output" | sed 's/^skipped /  /' | sort -u >> "$native_skips"
  if [ "$code" -ne 0 ]; then
    grep -A 20 -E '^FAILED ' <<< "$output" | head -n 100
    [ "$ran_failed" -gt 0 ] || ran_failed=1
    echo "ctest ended with code $code; all output is in $log"
  elif [ "$ran_passed" -eq 0 ]; then
    echo "ctest ran no test."
    ran_failed=1
  fi
  echo "$ran_passed passed, $ran_failed failed, $ran_skipped skipped in $((SECONDS - start)) s"
  passed=$((passed + ran_passed)) failed=$((failed + ran_failed)) skipped=$((skipped + ran_skipped))
fi

if [ "$skipped" -gt 0 ]; then
  echo "== skipped"
  for report in "$reports"/*.xml; do skips "$report"; done
  cat "$native_skips"
fi
if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ]
