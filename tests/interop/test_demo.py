# SPDX-License-Identifier: BSD-3-Clause
"""app/run: what a stranger types first. It leaves nothing, whatever becomes of it."""
import json
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
    nginx = subprocess.run(["pgrep", "-f", "nginx.*/run/millrace-demo"], capture_output=True,
                           text=True).stdout.split()
    found += [f"nginx, pid {pid}" for pid in nginx]
    if Path("/run/millrace/quickstart.sock").exists():
        found.append("the control socket")
    return found


@pytest.fixture(autouse=True)
def clean():
    if left_over():
        pytest.skip("a demo runs on this machine")
    yield
    assert left_over() == []


def ctl(*words):
    """What millctl prints."""
    done = subprocess.run([TOP / "build/app/millctl", "--socket",
                           "/run/millrace/quickstart.sock", *words], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def test_three_backends_in_turn():
    """They are started and found healthy before the command runs."""
    done = demo("sh", "-c", "for i in $(seq 9); do curl -s -m 10 http://198.18.0.100/; done")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(
        3 * ["backend one", "backend two", "backend three"])


def test_what_an_operator_sees_and_changes():
    """The commands about services, backends and flows, beside a demo that runs."""
    run = started()
    try:
        curl = ["ip", "netns", "exec", "mr-client", "curl", "-s", "-m", "10", "http://198.18.0.100"]
        seen = {subprocess.run(curl, capture_output=True, text=True).stdout for _ in range(3)}
        assert seen == {"backend one\n", "backend two\n", "backend three\n"}
        rows = json.loads(ctl("--json", "show", "backends", "shop"))
        assert [(row["address"], row["port"], row["opened"]) for row in rows] == \
            [("198.18.1.1", port, 1) for port in (8001, 8002, 8003)]
        assert all(row["state"] == "up" and row["checks"] >= 1 for row in rows)
        assert all(row["packets_in"] >= 5 and row["bytes_out"] > 300 for row in rows)
        flows = json.loads(ctl("--json", "show", "flows", "shop", "backend", "198.18.1.1:8002"))
        assert [flow["virtual"] for flow in flows["flows"]] == ["198.18.0.100:80"]
        service = [row for row in json.loads(ctl("--json", "show", "services"))
                   if row["name"] == "shop"]
        assert [(row["open"], row["opened"], row["scheduler"]) for row in service] == \
            [(3, 3, "round-robin")]
        ctl("backend", "drain", "shop", "198.18.1.1:8001")
        ctl("backend", "weight", "shop", "198.18.1.1:8002", "3")
        got = [subprocess.run(curl, capture_output=True, text=True).stdout for _ in range(8)]
        assert (got.count("backend two\n"), got.count("backend three\n")) == (6, 2)
        assert "drain" in ctl("show", "backends") and "CLIENT" in ctl("show", "flows")
        assert "round-robin" in ctl("show", "services") and "mode" in ctl("service", "show", "shop")
        ctl("service", "drain", "shop")
        assert subprocess.run(curl, capture_output=True).returncode == 7  # refused
        ctl("service", "enable", "shop")
        assert subprocess.run(curl, capture_output=True).returncode == 0
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=30)


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
