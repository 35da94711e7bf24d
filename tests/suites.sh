# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What tests/run and tests/soak share: counting, the suites by their names, the closing line. Sourced
# by them after app/setup.sh. A suite is a function suite_NAME that says `check`, `skip` or `add`.

python=(/usr/bin/python3 -B) # the one that Debian's scapy and pytest belong to
pytest_seconds=900           # the most for one call of pytests
meson_options=()             # of `meson test`: which units, for one
passed=0 failed=0 skipped=0
ahead= # the process, and its group, that builds for later suites

# add PASSED FAILED SKIPPED
add() {
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# check NAME CMD...: one test; its output is shown if it fails.
check() {
  local name=$1
  shift
  if silently "$@"; then
    add 1 0 0
  else
    add 0 1 0
    say "FAILED: $name"
  fi
}

# skip NAME REASON
skip() {
  add 0 0 1
  say "skipped: $1: $2"
}

suite_gcc() {
  check "gcc compiles the tree without a warning" build_in "$top/build"
}

# meson_tests DIR [CMD...]: its unit tests, each case of each program counted; run by CMD.
meson_tests() {
  local counts status=0
  rm -f "$1/meson-logs/testlog.json" # an old one must not count for a run that does not begin
  silently "${@:2}" timeout 900 meson test -C "$1" --no-rebuild --suite unit "${meson_options[@]}" \
    --print-errorlogs || status=$?
  [[ $status != 124 ]] || check "the units come to their end" false
  counts=$("${python[@]}" "$top/tests/support/cmocka_counts.py" "$1/meson-logs/testlog.json") ||
    counts='0 1 0'
  # shellcheck disable=SC2086 # three numbers
  add $counts
}

# pytest_to LOG DIR [OPTION...]: pytest's status and words.
pytest_to() {
  (cd "$top/tests" &&
    timeout "$pytest_seconds" "${python[@]}" -m pytest -q -rfEs --tb=short -p no:cacheprovider "${@:2}") \
    >"$1" 2>&1 </dev/null
}

# pytests_came LOG STATUS: what that found is counted, with the reasons of those that it skipped.
pytests_came() {
  local log=$1 status=$2
  [[ $status == 0 ]] || sed -n '/^=\+ \(FAILURES\|ERRORS\)/,$p' "$log" | tail -n 200 >&2
  [[ $status -le 1 ]] || check "pytest comes to its end" false
  grep -E '^(SKIPPED|figure:)' "$log" >&2 || true
  add "$(outcomes "$log" passed)" "$(outcomes "$log" '(failed|error)')" "$(outcomes "$log" skipped)"
  rm -f "$log"
}

# pytests DIR [OPTION...]: what pytest finds there.
pytests() {
  local log status=0
  log=$(mktemp)
  pytest_to "$log" "$@" || status=$?
  pytests_came "$log" "$status"
}

# Routing daemons in network namespaces; as packages they are asleep. What has two instances of millrace
# runs beside all else: both wait for the protocols' timers.
routing() {
  local two=(routing/test_{failover,vrrp}.py) log beside status=0
  if (install_asleep "${routing_packages[@]}" "${backend_packages[@]}"); then
    log=$(mktemp)
    pytest_to "$log" "${two[@]}" &
    beside=$!
    pytests routing "${two[@]/#/--ignore=}"
    wait "$beside" || status=$?
    pytests_came "$log" "$status"
  else
    skip routing "FRR, keepalived and nginx cannot be installed"
  fi
}

# on_card NIC EXPRESSION [FILE...]: what only cards have, and what it selects of the wire tests, or of
# those in these files, in the VM on such cards.
on_card() {
  local status=0 files=("${@:3}")
  [[ $# -gt 2 ]] || files=(wire)
  "$top/app/guest/boot" prepare "$1" || status=$?
  case $status in
    0) MILLRACE_NIC=$1 pytests vm "${files[@]}" -m "$2" ;;
    3) skip "wire tests on $1" "a QEMU with it, or a kernel, cannot be had here" ;;
    *) check "the VM with $1 is made" false ;;
  esac
}

# fuzz SECONDS: each of the fuzzers for so long.
fuzz() {
  local log
  log=$(mktemp)
  "$top/tests/fuzz/run" "$1" >"$log" 2>&1 || grep -v '^ok' "$log" >&2
  add "$(outcomes "$log" passed)" "$(outcomes "$log" failed)" 0
  rm -f "$log"
}

# What a log's last line counts: outcomes LOG PATTERN
outcomes() {
  tail -n 1 "$1" | grep -oP "[0-9]+(?= $2)" | awk '{ n += $1 } END { print n + 0 }'
}

# build_ahead NAME...: what all but the first of those suites build (build_NAME) is built beside those
# before them, which mostly wait, in CPU time that nobody else wants. What came of it they find out, and
# say, themselves.
build_ahead() {
  local name
  set -m # a process group of its own
  (
    chrt --idle --pid 0 "$BASHPID"
    for name in "${@:2}"; do
      ! declare -F "build_$name" || "build_$name" || true
    done
  ) >/dev/null 2>&1 </dev/null &
  set +m
  ahead=$!
  trap '[[ -z $ahead ]] || kill -- "-$ahead" 2>/dev/null || true' EXIT
}

# Until what was begun ahead is done: now it is wanted, and takes its share of the CPUs. Twice, for who
# was born meanwhile.
await_ahead() {
  local turn
  for turn in 1 2; do
    pgrep -g "$ahead" | xargs -rn1 chrt --other --pid 0 2>/dev/null || true
  done
  wait "$ahead" || true
  ahead=
}

run_suite() {
  local all=("$passed" "$failed" "$skipped") begun=${EPOCHREALTIME/./} tenths
  passed=0 failed=0 skipped=0
  [[ -z $ahead ]] || ! declare -F "build_$1" >/dev/null || await_ahead
  "suite_$1"
  [[ $((passed + failed + skipped)) -gt 0 ]] || check "the suite has tests" false
  tenths=$(((${EPOCHREALTIME/./} - begun) / 100000))
  printf '%s: %d passed, %d failed, %d skipped (%d.%d s)\n' "$1" "$passed" "$failed" "$skipped" \
    $((tenths / 10)) $((tenths % 10))
  add "${all[@]}"
}

# run_suites [NAME...]: gcc, then those named, or all in `suites`; the closing line and status.
run_suites() {
  local name
  for name; do
    declare -F "suite_$name" >/dev/null || die "no suite $name; there are: ${suites[*]}"
  done
  need_root
  install_packages "${build_packages[@]}" "${demo_packages[@]}" "${test_packages[@]}"
  install_asleep "${backend_packages[@]}"
  run_suite gcc
  if [[ $failed == 0 ]]; then
    build_ahead "${@:-${suites[@]}}"
    for name in "${@:-${suites[@]}}"; do
      run_suite "$name"
    done
  fi
  echo "$passed passed, $failed failed, $skipped skipped"
  [[ $failed == 0 && $passed -gt 0 ]]
}
