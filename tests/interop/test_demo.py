# SPDX-License-Identifier: BSD-3-Clause
"""app/run: what a stranger types first. It leaves nothing, whatever becomes of it."""
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
RUN = str(TOP / "app/run")
TITLE = re.compile(r"to try|Ctrl-C", re.I)


def demo(*command, **options):
    return subprocess.run([RUN, "--", *command], capture_output=True, text=True, timeout=120,
                          **options)


def left_over():
    """What a demo must not leave: its namespaces, its processes, its socket."""
    names = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout
    found = [name for name in ("mr-client", "mr-server") if name in names.split()]
    if Path("/run/millrace/quickstart.sock").exists():
        found.append("the control socket")
    return found


@pytest.fixture(autouse=True)
def clean():
    if left_over():
        pytest.skip("a demo runs on this machine")
    yield
    assert left_over() == []


def started():
    """A demo that runs till it is told to end, once it has said what to try."""
    run = subprocess.Popen([RUN], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    for line in run.stdout:
        if TITLE.search(line):
            return run
        assert time.monotonic() < deadline
    pytest.fail(f"the demo ended with {run.wait()}")


def test_ping():
    done = demo("ping", "-c", "1", "198.18.1.1")
    assert done.returncode == 0 and "1 received" in done.stdout


def test_output_and_status_are_the_commands():
    done = demo("sh", "-c", "cat; echo two; echo three >&2; exit 7", input="one\n")
    assert (done.returncode, done.stdout) == (7, "one\ntwo\n")
    assert "three" in done.stderr


def test_refused_without_root():
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", RUN],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "root" in done.stderr and len(done.stderr.splitlines()) == 1


def test_second_is_refused_beside_the_first():
    first = started()
    try:
        second = demo("true")
        assert second.returncode != 0 and second.stderr.strip() != ""
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)


def test_killed_and_run_again():
    first = started()
    first.kill()
    first.communicate(timeout=10)
    assert left_over() != []
    assert demo("ping", "-c", "1", "198.18.0.254").returncode == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_ends_when_told(how):
    run = started()
    os.kill(run.pid, how)
    run.communicate(timeout=30)
