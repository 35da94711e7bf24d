# SPDX-License-Identifier: BSD-3-Clause
"""A machine of the package's tests: a booted Debian with systemd, in a container (systemd-nspawn) on
the chroot that `tests/run package` makes. What it writes is gone with it, its network is its own."""
import contextlib
import itertools
import os
import shlex
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from support import lab

WORK = lab.TOP / "build-package"
ROOT = WORK / "root"
BOOT_WITHIN = 120  # seconds; a slow day
serial = itertools.count()


def spawn(*words):
    return ["systemd-nspawn", f"--directory={ROOT}", "--volatile=overlay", "--register=no",
            "--keep-unit", "--private-network", "--quiet",
            f"--machine=mrt-{os.getpid()}-{next(serial)}", *words]


def why_not():
    """Why there can be no machine here; empty when there can."""
    if not ROOT.exists() or not list(WORK.glob("*.deb")):
        return "`tests/run package` has made no chroot or no package"
    try:
        done = subprocess.run(spawn("--pipe", "/bin/true"), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=BOOT_WITHIN)
    except OSError as error:
        return str(error)
    return f"no container here: {done.stderr[-200:]}" if done.returncode else ""


def leader_of(pid):
    """The first process of the machine that nspawn runs; other children of it prepare the way."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for word in (task / "children").read_text().split():
                if Path(f"/proc/{word}/comm").read_text() == "systemd\n":
                    return int(word)
    return None


class Machine:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mrt-machine-")
        self.path = Path(self.folder.name)  # it sees it as /mnt
        self.leader = None  # its first process, as seen from here
        self.log = (self.path / "console").open("wb")
        self.process = subprocess.Popen(
            spawn("--boot", f"--bind={self.path}:/mnt", f"--bind-ro={WORK}:/srv",
                  "--bind=/dev/net/tun", "--bind-ro=/sys/module", "--console=pipe"),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            start_new_session=True)
        try:
            self.await_boot()
        except BaseException:
            self.stop()
            raise

    def words(self):
        return (self.path / "console").read_text(errors="replace")[-3000:]

    def await_boot(self):
        """Until its first process is there, and says that all it starts has started."""
        deadline = time.monotonic() + BOOT_WITHIN
        while not self.leader or \
                self.run("systemctl is-system-running --wait", check=False).stdout.strip() \
                not in ("running", "degraded"):
            assert self.process.poll() is None and time.monotonic() < deadline, self.words()
            time.sleep(0.05)
            self.leader = leader_of(self.process.pid)

    def run(self, command, check=True, seconds=120):
        """A shell command in the machine."""
        done = subprocess.run(
            ["nsenter", f"--target={self.leader}", "--mount", "--pid", "--net", "--uts", "--ipc",
             "--cgroup", "--root", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
             "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "bash", "-c", f"cd / && {command}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def shows(self, what):
        """A property of millrace's unit, as systemd has it."""
        return self.run(f"systemctl show --value -p {what} millrace").stdout.strip()

    def await_shows(self, what, value, seconds=60):
        """Until a property has that value."""
        deadline = time.monotonic() + seconds
        while (now := self.shows(what)) != value:
            assert time.monotonic() < deadline, f"{what} is {now}:\n{self.journal()}"
            time.sleep(0.1)

    def await_journal(self, words, seconds=60):
        """Until millrace, or systemd about it, has said these words."""
        deadline = time.monotonic() + seconds
        while words not in (said := self.journal()):
            assert time.monotonic() < deadline, said
            time.sleep(0.1)

    def journal(self):
        return self.run("journalctl --no-pager -u millrace | tail -n 60").stdout

    def write(self, path, text):
        (self.path / "file").write_text(text)
        self.run(f"mkdir -p $(dirname {path}) && cat /mnt/file >{shlex.quote(path)}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)  # it halts what runs in there
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.log.close()
        self.folder.cleanup()
