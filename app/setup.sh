# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What app/run, tests/run and perf/run share: words to the user, packages, the build. Sourced by
# them with `set -euo pipefail`. Everything is said on stderr; stdout belongs to the caller.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
me=${0#"$PWD"/}

# Debian's names, the same in 12 and 13.
build_packages=(
  gcc g++ libbenchmark-dev libcmocka-dev libdpdk-dev libhttp-parser-dev libjansson-dev libmnl-dev
  libnuma-dev libyaml-dev meson ninja-build pkg-config
)
demo_packages=(
  curl ethtool iproute2 iputils-ping netcat-openbsd traceroute wrk
)
backend_packages=(nginx) # of virtual services; its own daemon is not started
test_packages=(
  apache2-utils clang clang-format dnsmasq-base dnsperf hping3 iperf3 iputils-arping
  libclang-rt-dev mtr-tiny nmap procps python3-pytest python3-scapy socat tcpdump
)
package_packages=(build-essential debhelper dpkg-dev)
machine_packages=(debootstrap systemd-container)
routing_packages=(frr keepalived) # of a suite; its daemons are started by tests alone

say() {
  printf '%s: %s\n' "$me" "$*" >&2
}

die() {
  say "$@"
  exit 1
}

need_root() {
  [[ $EUID == 0 ]] || die "needs root, for packages, namespaces and TAP devices: sudo $me"
}

# silently CMD...: its output appears, on stderr, only if it fails.
silently() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [[ $status == 0 ]] || tail -n 40 "$log" >&2
  rm -f "$log"
  return "$status"
}

# One of ours at a time: an update waits for nobody who has apt's lists, whatever the time-out.
apt_get() {
  DEBIAN_FRONTEND=noninteractive flock --close /var/lib/dpkg apt-get -q -y \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
}

missing_packages() {
  local there name
  # shellcheck disable=SC2016 # ${...} is dpkg-query's own
  there=$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null) || true
  for name; do
    [[ $'\n'$there == *$'\n'"$name ii"* ]] || echo "$name"
  done
}

# install_packages NAME...: touches apt and the network only if one is not there yet.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  command -v apt-get >/dev/null ||
    die "needs Debian's packages ${missing[*]}, and this system has no apt-get to get them with"
  say "installing ${missing[*]}"
  silently apt_get -o APT::Update::Error-Mode=any update &&
    silently apt_get install --no-install-recommends "${missing[@]}" ||
    die "could not install ${missing[*]}: is there a network, and are apt's sources right?"
}

# install_asleep NAME...: the same, of packages with services, none of which begins, now or at boot.
install_asleep() {
  local missing policy=/usr/sbin/policy-rc.d
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  (
    # one of ours may be left over from a run that was killed
    if [[ ! -e $policy ]] || grep -q "by millrace's" "$policy"; then
      # shellcheck disable=SC2064 # the path as it is now
      trap "rm -f $policy" EXIT
      printf "#!/bin/sh\n# for a moment, by millrace's app/setup.sh\nexit 101\n" >"$policy"
      chmod +x "$policy"
    fi
    install_packages "${missing[@]}"
  ) || return
  [[ ! -d /run/systemd/system ]] || systemctl --quiet disable "${missing[@]}"
}

build_options=() # for `meson setup`

# build_in DIR [TARGET...]: what is out of date, in a build directory that is set up at first use.
# One build at a time in one of them.
build_in() {
  local dir=$1
  shift
  (
    mkdir -p "$dir"
    exec {builder}<"$dir"
    flock "$builder"
    if [[ ! -e $dir/build.ninja ]]; then
      say "setting up ${dir#"$top"/}"
      silently meson setup "$dir" "$top" "${build_options[@]}" || exit
    fi
    silently ninja --quiet -C "$dir" "$@" {builder}<&-
  )
}
