# SPDX-License-Identifier: BSD-3-Clause
"""app/vm as somebody at a terminal meets it: what to try, a prompt, and nothing left afterwards."""
import contextlib
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import lab

STATE = Path("/run/millrace-demo")
VM = lab.TOP / "app/vm"
WITHIN = 300  # seconds, for a boot on a busy machine


def left_over():
    """What a demo must not leave: namespaces, QEMU, the folder that names them."""
    names = lab.sh("ip", "netns").split()
    return [name for name in ("mr-client", "mr-server", "mr-vm") if name in names] + qemus() + \
        [path for path in [STATE] if path.exists()]


def qemus():
    return subprocess.run(["pgrep", "-f", f"^qemu-system.*{STATE}/guest"], capture_output=True,
                          text=True).stdout.split()


@pytest.fixture(autouse=True)
def clean():
    if not lab.NIC:
        pytest.skip("it boots a VM (MILLRACE_NIC)")
    if left_over():
        pytest.skip("a demo runs on this machine")
    yield
    assert left_over() == []


class Terminal:
    """app/vm at a terminal of its own."""

    def __init__(self, *arguments):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(VM, [VM, *arguments])

    def read_to(self, mark):
        """What comes up to the mark; what is left is kept."""
        deadline = time.monotonic() + WITHIN
        while mark not in self.seen:
            assert time.monotonic() < deadline, f"no {mark!r} in: {self.seen}"
            if select.select([self.fd], [], [], 1)[0]:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
        text, _, self.seen = self.seen.partition(mark)
        return text

    def type(self, line):
        """Types a line at the prompt; what it prints up to the next one."""
        os.write(self.fd, line.encode() + b"\n")
        return self.read_to("guest# ")

    def wait(self):
        """Its exit status, once all that it writes is read."""
        with contextlib.suppress(OSError):  # the terminal's last user has gone
            while os.read(self.fd, 65536):
                pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_prompt_that_says_what_to_try():
    vm = Terminal("--nic", lab.NIC)
    said = vm.read_to("guest# ")
    assert f"on two {lab.NIC} cards" in said
    tries = [line.split() for line in said.splitlines() if "ip netns exec" in line]
    assert [words[4] for words in tries] == ["ping", "nc", "curl", "curl"]
    ping = subprocess.run([*tries[0][:4], "ping", "-q", "-c", "1", "-w", "20", tries[0][5]],
                          capture_output=True, text=True)
    assert ping.returncode == 0, ping
    assert "<title>millrace" in lab.sh(*tries[2][:4], "curl", "-s", "-m", "20", tries[2][5])
    assert "backend " in lab.sh(*tries[3][:4], "curl", "-s", "-m", "20", tries[3][5])
    assert "198.18.1.254/24" in vm.type("millctl show ports")
    os.write(vm.fd, b"exit\n")
    assert vm.wait() == 0


def test_what_a_command_prints_is_its_own_alone():
    done = subprocess.run([VM, "--nic", lab.NIC, "--", "sh", "-c", "echo here; exit 5"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN)
    assert (done.stdout, done.returncode) == ("here\n", 5), done


def test_killed_it_leaves_what_the_next_one_clears():
    vm = Terminal("--nic", lab.NIC)
    vm.read_to("guest# ")
    os.kill(vm.pid, signal.SIGKILL)
    assert vm.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while qemus():
        assert time.monotonic() < deadline, "QEMU goes with it"
        time.sleep(0.05)
    second = Terminal("--nic", lab.NIC)
    second.read_to("guest# ")
    os.kill(second.pid, signal.SIGTERM)
    assert second.wait() == 128 + signal.SIGTERM
