# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A Debian of its own in a folder, by debootstrap: for another release's libraries, or to be the root
# of a machine. Sourced after app/setup.sh.

# Where this machine's apt gets Debian itself from.
debian_mirror() {
  # shellcheck disable=SC2016 # $(...) is apt's own
  apt-get indextargets --format '$(SUITE) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 ~ /^[a-z]+$/ { print $3; exit }'
}

# in_chroot DIR CMD...: as root there, on kernel file systems of its own that go with CMD.
in_chroot() {
  # shellcheck disable=SC2016 # the inner shell's
  unshare --mount --propagation private bash -euc '
    root=$1
    shift
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    for dir in ${binds-}; do
      mkdir -p "$root$dir"
      mount --bind "$dir" "$root$dir"
    done
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
      LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"' in_chroot "$@"
}

# What makes a chroot, without a look at whether there is one. What debootstrap mounts goes with it,
# should it be killed.
debootstrap_to() {
  local suite=$1 dir=$2
  shift 2
  silently unshare --mount --propagation private \
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$dir" "$(debian_mirror)" || return
  cp -L /etc/resolv.conf "$dir/etc/resolv.conf"
  cp -r /etc/apt/apt.conf.d/. "$dir/etc/apt/apt.conf.d/" # a proxy, if there is one
  rm -f "$dir"/etc/apt/apt.conf.d/docker-*
  echo force-unsafe-io >"$dir/etc/dpkg/dpkg.cfg.d/unsafe-io" # it is made again, not repaired
  silently in_chroot "$dir" apt-get -q update &&
    silently in_chroot "$dir" apt-get -q -y install --no-install-recommends "$@" &&
    silently in_chroot "$dir" apt-get -q clean
}

# make_chroot SUITE DIR PACKAGE...: made once, and again when the packages are others.
make_chroot() {
  local suite=$1 dir=$2
  [[ ! -e $dir.packages || $(<"$dir.packages") != "${*:3}" ]] || return 0
  (install_packages debootstrap) || return
  say "making a Debian $suite in ${dir#"$top"/}"
  rm -rf --one-file-system "$dir" "$dir.packages"
  mkdir -p "$dir"
  debootstrap_to "$@" || return
  echo "${*:3}" >"$dir.packages"
}

# The machine of the package's tests (tests/support/machine.py): a systemd, and what the package that
# was built depends on, without the package.
make_machine() {
  local root=$top/build-package/root release
  # shellcheck disable=SC1091
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  (install_packages "${machine_packages[@]}") || return
  make_chroot "$release" "$root" dbus iproute2 iputils-ping kmod systemd-sysv udev || return
  silently in_chroot "$root" apt-get -q -y --no-install-recommends satisfy \
    "$(dpkg-deb -f "$top"/build-package/millrace_*.deb Depends)"
}
