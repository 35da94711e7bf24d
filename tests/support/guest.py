# SPDX-License-Identifier: BSD-3-Clause
"""The lab's router in the development VM: the same tests against a network card's driver.

MILLRACE_NIC=virtio, e1000e or igb turns it on (lab.py asks). One guest serves a whole run of pytest:
each Router starts the daemon in it anew, and its ports are the guest's cards, whose far ends are
TAPs that go from QEMU's namespace into the port's and back.
"""
import atexit
import contextlib
import itertools
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CARDS = 6  # two routers of three ports at a time
BOOT_WITHIN = 120  # seconds; 15 on a quiet machine
serial = itertools.count()
BOOT = Path(__file__).resolve().parents[2] / "app/guest/boot"


class Card:
    """A card of the guest's: its address there, and the name of its far end while nobody has it."""

    def __init__(self, number, half=False):
        self.pci, self.end = f"0000:{number:02x}:00.0", f"card{number}"
        self.half = half  # its TAP hands over checksums half done
        self.word = f"half:{self.end}" if half else self.end


# In the guest: runs the words after the first four as a process whose control socket is $4, its log $2,
# its number and at last its exit status in $1; the serial port $3 is joined to the socket meanwhile.
RUN = """
"${@:5}" >$2 2>&1 &
process=$!
echo $process >$1.pid
port=$(grep -lx $3 /sys/class/virtio-ports/*/name) && port=${port%/name}
socat /dev/${port##*/} UNIX-CONNECT:$4,forever,interval=0.05 &
wait $process
status=$?
kill $!
wait $!
echo $status >$1
"""


class Line:
    """A pair of FIFOs to a serial port of the guest's: lines go there and come back."""

    def __init__(self, path):
        self.name, self.ends = path.name, []
        for end in f"{path}.in", f"{path}.out":
            os.mkfifo(end)
            self.ends.append(os.open(end, os.O_RDWR))
        self.rest = b""

    def say(self, line):
        while line:
            line = line[os.write(self.ends[0], line):]

    def hear(self, seconds):
        """The next line, or nothing if none is whole after so long."""
        while b"\n" not in self.rest:
            if not select.select([self.ends[1]], [], [], seconds)[0]:
                return b""
            self.rest += os.read(self.ends[1], 1 << 16)
        line, _, self.rest = self.rest.partition(b"\n")
        return line + b"\n"


class Door(threading.Thread):
    """A Unix socket here whose every client speaks over a line, a question and an answer at a time."""

    def __init__(self, path, line):
        super().__init__(daemon=True)
        self.line, self.socket, self.open = line, socket.socket(socket.AF_UNIX), True
        self.socket.bind(str(path))
        self.socket.listen()
        self.start()

    def run(self):
        with contextlib.suppress(OSError):  # the socket is closed: the end
            while True:
                client = self.socket.accept()[0]
                with client, client.makefile("rb") as asked, contextlib.suppress(OSError):
                    for question in asked:
                        self.line.say(question)
                        client.sendall(self.answer())

    def answer(self):
        deadline = time.monotonic() + 60
        while self.open and time.monotonic() < deadline:
            if line := self.line.hear(0.2):
                return line
        return b""

    def close(self):
        """Nobody else takes what the line says from now on."""
        path, self.open = self.socket.getsockname(), False
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        os.unlink(path)
        self.join(10)


class Guest:
    """A running VM. Its folder `path` is seen by both sides under the same name."""

    def __init__(self, nic, namespace, sh):
        self.folder = tempfile.TemporaryDirectory(prefix="mrt-guest-")
        self.path, self.namespace, self.sh = Path(self.folder.name), namespace, sh
        self.lock = threading.Lock()
        self.cards = [Card(number) for number in range(1, CARDS + 1)]
        if nic == "virtio":
            self.cards += [Card(CARDS + 1, half=True), Card(CARDS + 2, half=True)]
        self.ports = [Line(self.path / f"port{number}") for number in range(1, len(self.cards) + 1)]
        (self.path / "run").write_text(RUN)
        self.agent = Line(self.path / "agent")
        self.log = (self.path / "console").open("wb")
        self.qemu = None
        atexit.register(self.stop)
        if not self.boot(nic):
            print(f"booting the guest once more; it said:\n{self.words()}", file=sys.stderr)
            assert self.boot(nic), f"the guest does not boot:\n{self.words()}"
        self.run("mkdir -p /run/millrace")

    def boot(self, nic):
        """Whether it came up. On a busy machine a kernel has hung, waiting for a timer."""
        self.end()
        self.agent.hear(0)
        self.qemu = subprocess.Popen(
            [*self.namespace.entering, "setpriv", "--pdeathsig", "TERM", BOOT, nic, self.path,
             *(card.word for card in self.cards)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        return self.hear(BOOT_WITHIN) == "up"

    def end(self):
        if self.qemu and self.qemu.poll() is None:
            self.qemu.kill()
            self.qemu.wait()

    def words(self):
        return (self.path / "console").read_text(errors="replace")[-4000:]

    def hear(self, seconds):
        """The agent's next word; None if it says none."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.qemu.poll() is None:
            if word := self.agent.hear(1):
                return word.decode().strip()
        return None

    def run(self, command, seconds=60):
        """The exit status of a shell command in the guest."""
        with self.lock:
            self.agent.say(command.encode() + b"\n")
            status = self.hear(seconds)
            assert status, f"the guest is silent:\n{self.words()}"
            return int(status)

    def monitor(self, command, **arguments):
        """A command to QEMU itself (QMP)."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.path / "qmp"))
            with link.makefile("rw") as words:
                words.readline()  # its greeting
                for one in {"execute": "qmp_capabilities"}, \
                        {"execute": command, "arguments": arguments}:
                    words.write(json.dumps(one) + "\n")
                    words.flush()
                    while "return" not in (answer := json.loads(words.readline())):
                        assert "error" not in answer, answer

    def set_link(self, card, up):
        self.monitor("set_link", name=f"nic-{card.end}", up=up)

    def take_card(self, namespace, iface, mtu, half=False):
        """A card that is free; its far end is now `iface` of a namespace, with this MTU."""
        card = next(card for card in self.cards if card.half == half)
        self.cards.remove(card)
        self.sh("ip", "-n", self.namespace.name, "link", "set", card.end, "netns", namespace.name)
        self.sh("ip", "-n", namespace.name, "link", "set", card.end, "name", iface)
        self.sh("ip", "-n", namespace.name, "link", "set", iface, "mtu", str(mtu), "up")
        return card

    def give_back(self, card, namespace, iface):
        self.sh("ip", "-n", namespace.name, "addr", "flush", "dev", iface)
        self.sh("ip", "-n", namespace.name, "link", "set", iface, "down", "mtu", "1500", "name",
                card.end, "netns", self.namespace.name)
        self.cards.append(card)

    def stop(self):
        self.end()
        self.namespace.delete()
        self.folder.cleanup()


class Process:
    """millrace in the guest, as far as a Popen of it is asked for.

    `inside` is its control socket there; `control` is where we reach it.
    """

    def __init__(self, guest, words, log, inside):
        self.guest, self.returncode = guest, None
        self.port = guest.ports.pop()
        self.control = log.parent / "door"
        self.door = Door(self.control, self.port)
        self.status = guest.path / f"process{next(serial)}.status"
        words = shlex.join(map(str, [self.status, log, self.port.name, inside, *words]))
        guest.run(f"setsid bash {guest.path}/run {words} &")

    def poll(self):
        if self.returncode is None and self.status.exists() and (text := self.status.read_text()):
            status = int(text)
            self.returncode = status if status < 128 else 128 - status
        return self.returncode

    def wait(self, timeout=30):
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("millrace", timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        self.guest.run(f"until [ -s {self.status}.pid ]; do sleep 0.05; done; "
                       f"kill -{int(number)} $(cat {self.status}.pid)")

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def forget(self):
        """It has ended: its port is somebody else's."""
        self.door.close()
        self.guest.ports.append(self.port)
