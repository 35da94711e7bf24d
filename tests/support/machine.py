# SPDX-License-Identifier: BSD-3-Clause
"""A machine of the package's tests: a booted Debian with systemd on the chroot that `tests/run package`
makes, in a container (systemd-nspawn) or, with cards to drive, in a VM. What it writes is gone with
it, its network is its own."""
import contextlib
import gzip
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from support import guest, lab

WORK = lab.TOP / "build-package"
ROOT = WORK / "root"
BOOT_WITHIN = 120  # seconds; a slow day
serial = itertools.count()


def spawn(*words):
    return ["systemd-nspawn", f"--directory={ROOT}", "--volatile=overlay", "--register=no",
            "--keep-unit", "--private-network", "--quiet",
            f"--machine=mrt-{os.getpid()}-{next(serial)}", *words]


def is_made():
    """Whether there are a chroot and packages."""
    return Path(f"{ROOT}.packages").exists() and bool(list(WORK.glob("millrace_*.deb")))


def why_not():
    """Why there can be no container here; empty when there can."""
    if not is_made():
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
    """What a container and a VM have alike: run() is theirs. They see the folder `path` as /mnt."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mrt-machine-")
        self.path = Path(self.folder.name)
        self.log = (self.path / "console").open("wb")

    def words(self):
        return (self.path / "console").read_text(errors="replace")[-3000:]

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
        """Ends what it runs in, which is the first thing that it made."""
        self.process.send_signal(signal.SIGTERM)  # nspawn halts what runs in there
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.log.close()
        self.folder.cleanup()


class Container(Machine):
    def __init__(self):
        super().__init__()
        self.leader = None  # its first process, as seen from here
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM",  # it ends with us, however that is
             *spawn("--boot", f"--bind={self.path}:/mnt", f"--bind-ro={WORK}:/srv",
                    "--bind=/dev/net/tun", "--bind-ro=/sys/module", "--console=pipe")],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            start_new_session=True)
        try:
            self.await_boot()
            # the host's huge pages are somebody else's
            self.run("mount -t tmpfs tmpfs /sys/kernel/mm/hugepages")
        except BaseException:
            self.stop()
            raise

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


class Virtual(Machine):
    """A VM with two network cards behind an IOMMU, on the kernel that app/guest unpacks. Their far
    ends are lan0 and wan0 in its `namespace`."""

    CARDS = {"lan0": "virtio-net-pci,disable-legacy=on,iommu_platform=on", "wan0": "e1000e"}
    IMAGE = lab.TOP / "build-vm/guest"

    def __init__(self):
        super().__init__()
        self.namespace = lab.Namespace("machine")
        shutil.copy(lab.TOP / "app/guest/agent", self.path)
        self.agent = guest.Line(self.path / "wire")
        self.make_initramfs()
        self.process = subprocess.Popen(
            [*self.namespace.entering, "setpriv", "--pdeathsig", "TERM", *self.words_for_qemu()],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        try:
            assert self.hear(4 * BOOT_WITHIN) == "up", self.words()
        except BaseException:
            self.stop()
            raise

    def make_initramfs(self):
        """app/guest's, and over its first process our own: later parts of one win."""
        ours = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=b"init\n", check=True,
                              cwd=lab.TOP / "tests/package", capture_output=True).stdout
        theirs = (self.IMAGE / "initramfs").read_bytes()
        (self.path / "initramfs").write_bytes(theirs + gzip.compress(ours))

    def words_for_qemu(self):
        words = ["qemu-system-x86_64", "-M", "q35,kernel-irqchip=split", "-accel",
                 "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048", "-nodefaults",
                 "-no-reboot", "-display", "none", "-serial", "stdio",
                 "-device", "intel-iommu,intremap=on,caching-mode=on",
                 "-kernel", f"{self.IMAGE}/kernel", "-initrd", f"{self.path}/initramfs",
                 "-append", "console=ttyS0 quiet panic=-1 intel_iommu=on iommu=pt mitigations=off "
                            "tsc=reliable nowatchdog",
                 "-device", "virtio-serial-pci", "-chardev", f"pipe,id=agent,path={self.path}/wire",
                 "-device", "virtserialport,chardev=agent,name=agent"]
        for tag, path, readonly in ("root", ROOT, "on"), ("work", WORK, "on"), \
                ("at", self.path, "off"):
            words += ["-fsdev", f"local,id={tag},path={path},security_model=none,"
                                f"readonly={readonly},multidevs=remap",
                      "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        for number, (iface, card) in enumerate(self.CARDS.items(), 1):
            words += ["-netdev", f"tap,id={iface},ifname={iface},script=no,downscript=no,"
                                 "vnet_hdr=off",
                      "-device", f"pcie-root-port,id=slot{number},chassis={number}",
                      "-device", f"{card},netdev={iface},bus=slot{number},romfile="]
        return words

    def hear(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            if word := self.agent.hear(1):
                return word.decode().strip()
        return None

    def run(self, command, check=True, seconds=600):
        """A shell command in the machine."""
        (self.path / "command").write_text(f"export LANG=C.UTF-8\ncd /\n{command}\n")
        self.agent.say(b"bash /mnt/command >/mnt/out 2>/mnt/err\n")
        status = self.hear(seconds)
        assert status, f"{command}: the guest is silent:\n{self.words()}"
        done = subprocess.CompletedProcess(command, int(status), (self.path / "out").read_text(),
                                           (self.path / "err").read_text())
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def stop(self):
        super().stop()
        self.namespace.delete()
