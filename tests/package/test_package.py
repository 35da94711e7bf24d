# SPDX-License-Identifier: BSD-3-Clause
"""The Debian package in a machine with a real systemd: installed, started, watched, upgraded,
removed. Each case has a machine of its own."""
import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from support import lab, machine

VERSION = re.search(r"\((.*?)\)", (lab.TOP / "debian/changelog").read_text())[1]
PACKAGE = f"millrace_{VERSION}_amd64.deb"
CAPABILITIES = 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000
# Where dpkg, systemd and the machine itself keep their books
BOOKS = r"/(proc|sys|dev|run|tmp|mnt|srv)|/var/(log|cache|tmp)|/var/lib/(dpkg|apt|systemd)|" \
        r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|/etc/\.(pwd\.lock|updated)"


@pytest.fixture(scope="session")
def possible():
    if reason := machine.why_not():
        pytest.skip(reason)


@pytest.fixture
def host(possible):
    box = machine.Container()
    yield box
    box.stop()


def install(host, package=f"/srv/{PACKAGE}"):
    host.run(f"dpkg --install --force-confold {package}")


def files(host):
    """Every file that is not somebody's books."""
    found = host.run("find / -xdev \\( -path /proc -o -path /sys -o -path /srv \\) -prune -o -print")
    return {path for path in found.stdout.splitlines() if not re.match(rf"({BOOKS})(/|$)", path)}


def try_it(host):
    """What /etc/millrace/millrace.yaml suggests, and the operator's command."""
    host.run("ip addr replace 198.18.0.1/24 dev mill0 && ip link set mill0 up")
    host.run("ping -c 1 -w 30 198.18.0.254")
    assert "198.18.0.254/24" in host.run("millctl show ports").stdout


def test_a_first_look(host):
    """Installed it waits for its administrator; started it is ready, works, and is not root."""
    install(host)
    assert host.shows("ActiveState") == "inactive"
    assert host.run("systemctl is-enabled millrace", check=False).stdout == "disabled\n"
    verified = host.run("systemd-analyze verify --man=no millrace.service")
    assert "millrace" not in verified.stderr, verified.stderr
    assert "modprobe@vfio.service" in host.shows("Wants")  # or a card bound later stays shut
    host.run("systemctl start millrace")  # returns when it is ready
    assert host.shows("ActiveState") == "active"
    assert host.shows("StatusText") == "1 of 1 ports up, 1 workers"
    try_it(host)
    status = host.run(f"cat /proc/{host.shows('MainPID')}/status").stdout
    for kind in "Eff", "Prm", "Inh", "Amb", "Bnd":
        assert int(re.search(rf"Cap{kind}:\s+(\w+)", status)[1], 16) == CAPABILITIES
    assert re.search(r"NoNewPrivs:\s+1", status) and re.search(r"Seccomp:\s+2", status)
    user = host.run("id -u millrace").stdout.strip()
    assert re.search(r"Uid:\s+(\d+)", status)[1] == user != "0"
    host.run("systemctl stop millrace")
    assert host.shows("Result") == "success"
    host.run("! ip link show mill0 && ! find /run/millrace ! -type d | grep .")
    assert "packets received and made" in host.journal()


def test_its_file(host):
    """A reload applies it, or refuses it and goes on; what an operator added is saved to it."""
    install(host)
    host.run("systemctl start millrace")
    file = "/etc/millrace/millrace.yaml"
    host.run(f"sed -i s/254/253/ {file} && systemctl reload millrace")
    host.await_shows("StatusText", "1 of 1 ports up, 1 workers")
    assert "198.18.0.253" in host.run("millctl show ports").stdout
    host.run(f"cp {file} /root/good && echo 'nonsense: 1' >>{file} && systemctl reload millrace")
    host.await_shows("StatusText", "1 of 1 ports up, 1 workers; the file was refused and what was "
                                   "in force stays")
    assert "nonsense" in host.journal()
    assert host.shows("ActiveState") == "active"
    host.run(f"cp /root/good {file} && systemctl reload millrace")
    host.await_shows("StatusText", "1 of 1 ports up, 1 workers")
    host.run("millctl route add 198.19.0.0/16 blackhole && millctl config save")
    assert "198.19.0.0/16" in host.run(f"cat {file}").stdout
    assert host.run("ls /etc/millrace").stdout == "millrace.yaml\n"


def test_a_file_that_is_wrong(host):
    """It does not start, and the journal has the line and the column."""
    install(host)
    host.run("sed -i 's/workers: 1/workers: none/' /etc/millrace/millrace.yaml")
    assert host.run("systemctl start millrace", check=False).returncode != 0
    assert re.search(r"millrace.yaml:\d+:\d+: system.workers", host.journal())


def test_a_namespace(host):
    """A TAP there needs more than the unit has; the drop-in that is shipped gives it."""
    install(host)
    host.run("ip netns add lab && sed -i 's/{iface: mill0}/{iface: mill0, netns: lab}/' "
             "/etc/millrace/millrace.yaml")
    assert host.run("systemctl start millrace", check=False).returncode != 0
    assert "needs CAP_SYS_ADMIN" in host.journal()
    host.run("mkdir /etc/systemd/system/millrace.service.d && "
             "cp /usr/share/doc/millrace/examples/netns.conf /etc/systemd/system/millrace.service.d"
             " && systemctl daemon-reload && systemctl reset-failed millrace && "
             "systemctl start millrace")
    host.run("ip netns exec lab ip addr add 198.18.0.1/24 dev mill0 && "
             "ip -n lab link set mill0 up && ip netns exec lab ping -c 1 -w 30 198.18.0.254")


def test_before_each_start(host):
    """What cards.conf runs, runs as root, outside of the unit's confinement; here no card is touched.
    The folder of bind's notes is nobody else's."""
    install(host)
    host.run("mkdir /etc/systemd/system/millrace.service.d && sed 's,millctl nic bind.*,mkdir "
             "/run/millctl,' /usr/share/doc/millrace/examples/cards.conf "
             ">/etc/systemd/system/millrace.service.d/cards.conf && systemctl daemon-reload")
    for _ in range(2):  # the second fails, for it is there, and is no reason not to start
        host.run("systemctl restart millrace")
    assert host.run("stat -c %U /run/millctl").stdout == "root\n"
    assert host.run("setpriv --reuid millrace --regid millrace --clear-groups touch "
                    "/run/millctl/nic.json", check=False).returncode != 0
    assert host.shows("ActiveState") == "active"


@contextlib.contextmanager
def held(thread):
    """A thread stands still, as one does that hangs, and is let go when it has been killed."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in PTRACE_SEIZE, PTRACE_INTERRUPT:
        assert libc.ptrace(request, thread, None, None) == 0, ctypes.get_errno()
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, thread, None, None)
        with contextlib.suppress(ChildProcessError):
            while not os.WIFSIGNALED(os.waitpid(thread, os.WNOHANG | WALL)[1]):
                time.sleep(0.05)


def threads_of(host, name):
    """Of the machine's processes of that name, those threads that EAL calls workers; host's ids."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            inside = Path(status.parent, "ns/pid").readlink() == \
                Path(f"/proc/{host.leader}/ns/pid").readlink()
        except OSError:
            continue
        if inside and text.startswith(f"Name:\t{name}\n"):
            return [int(task.name) for task in (status.parent / "task").iterdir()
                    if re.search("worker", (task / "comm").read_text())]
    return []


def test_a_worker_that_hangs(host):
    """Its watchdog bites, and it is started again. A reload and idleness do not make it bite."""
    install(host)
    host.write("/etc/systemd/system/millrace.service.d/short.conf",
               "[Service]\nWatchdogSec=4\nTimeoutAbortSec=5\nLimitCORE=0\n")
    host.run("systemctl daemon-reload && systemctl start millrace")
    fed = host.shows("WatchdogTimestampMonotonic")
    host.run(f"timeout 60 bash -c 'until [[ $(systemctl show --value -p WatchdogTimestampMonotonic "
             f"millrace) != {fed} ]]; do sleep 0.1; done'")
    assert host.shows("NRestarts") == "0"
    workers = threads_of(host, "millrace")
    assert len(workers) == 1, workers
    with held(workers[0]):
        host.await_journal("Watchdog timeout")
    host.await_shows("NRestarts", "1")
    host.await_shows("ActiveState", "active")
    assert "worker 0 has finished no pass" in host.journal()
    try_it(host)


def newer(folder):
    """The package again: a later version, whose sample file is another one."""
    tree, version = folder / "tree", VERSION + ".1"
    lab.sh("dpkg-deb", "-R", machine.WORK / PACKAGE, tree)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {VERSION}\n", f"Version: {version}\n"))
    with (tree / "etc/millrace/millrace.yaml").open("a") as file:
        file.write("# a later version's\n")
    lab.sh("dpkg-deb", "--root-owner-group", "-b", tree, folder / "newer.deb")
    shutil.rmtree(tree)
    return version


def test_a_life(host):
    """Edited, upgraded while it runs, removed, purged: the file is kept, and then nothing."""
    before = files(host)
    version = newer(host.path)
    install(host)
    host.run("systemctl enable --now millrace")
    host.run("sed -i 's/^# As it comes/# Mine/' /etc/millrace/millrace.yaml && systemctl reload "
             "millrace")
    pid = host.shows("MainPID")
    install(host, "/mnt/newer.deb")
    assert host.run("dpkg-query -W -f '${Version}' millrace").stdout == version
    assert host.shows("ActiveState") == "active" and host.shows("MainPID") != pid
    try_it(host)
    assert "# Mine" in host.run("cat /etc/millrace/millrace.yaml").stdout
    assert "later" in host.run("cat /etc/millrace/millrace.yaml.dpkg-dist").stdout
    host.run("dpkg --remove millrace")
    assert host.shows("ActiveState") in ("inactive", "failed")
    host.run("! ip link show mill0 && ! pgrep -x millrace && test -e /etc/millrace/millrace.yaml")
    host.run("dpkg --purge millrace && ! test -e /run/millrace")
    assert files(host) - before == set()


def test_the_library(tmp_path, possible):
    """A program of somebody else's finds header and library by pkg-config."""
    for package in machine.WORK.glob("libmillrace-sockets*.deb"):
        lab.sh("dpkg-deb", "-x", package, tmp_path)
    (tmp_path / "try.c").write_text("#include <mrs/mrs.h>\n#include <sys/socket.h>\nint main(void) "
                                    "{ return mrs_socket(AF_INET, SOCK_STREAM, 0) < 0; }\n")
    config = next(tmp_path.glob("usr/lib/*/pkgconfig"))
    words = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "millrace_sockets"], capture_output=True, text=True,
        check=True, env={"PATH": "/usr/bin", "PKG_CONFIG_PATH": str(config),
                         "PKG_CONFIG_SYSROOT_DIR": str(tmp_path)}).stdout.split()
    lab.sh("gcc", "-Wall", "-Werror", tmp_path / "try.c", "-o", tmp_path / "try", *words)
    done = subprocess.run([tmp_path / "try"], timeout=30,
                          env={"LD_LIBRARY_PATH": str(config.parent)})
    assert done.returncode == 1  # it ran, and there is no millrace
