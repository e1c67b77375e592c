#!/usr/bin/env bash
# Builds everything in Release and runs every test project under tests/. Needs the .NET 10 SDK only; the tests of the C header also
# need a C and a C++ compiler (cc, c++) and are skipped without.
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
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
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

if [ "$skipped" -gt 0 ]; then
  echo "== skipped"
  for report in "$reports"/*.xml; do skips "$report"; done
fi
if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ]
