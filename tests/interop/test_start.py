# SPDX-License-Identifier: BSD-3-Clause
"""Starts that cannot succeed: a sentence, exit status 1, and no socket left."""
import json
import os
import subprocess
from pathlib import Path

import pytest

from support import lab

SYSTEM = {"workers": 1, "hugepages": "off", "memory": "64M",
          "limits": {"mbufs": 1024}}
PORTS = {"lan": {"vdev": "net_null0", "addresses": ["198.18.0.254/24"]}}

IMPOSSIBLE = {
    "more buffers than memory": (
        {"limits": {"mbufs": 1000000}}, PORTS, "no memory for 1000000 packet buffers"),
    "a CPU that is not there": ({"workers": [1023]}, PORTS, "may not use CPU 1023"),
    "a driver that is not there": (
        {}, {"lan": PORTS["lan"] | {"vdev": "net_nobody0"}}, "could not be made"),
}


def runtime(socket):
    """DPDK's folder for the instance with this control socket, named by FNV-1a of its path."""
    name = 2166136261
    for byte in os.fsencode(socket):
        name = (name ^ byte) * 16777619 % 2**32
    return Path(f"/run/dpdk/millrace-{name:08x}")


@pytest.mark.parametrize("system, ports, sentence", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_a_start_that_fails(tmp_path, system, ports, sentence):
    file, socket = tmp_path / "millrace.yaml", tmp_path / "ctl.sock"
    system = SYSTEM | {"control_socket": str(socket)} | system
    file.write_text(json.dumps({"system": system, "ports": ports}))
    done = subprocess.run([lab.BUILD / "app/millrace", file], capture_output=True, text=True,
                          timeout=30 * lab.SLOW)
    assert done.returncode == 1, done
    assert sentence in done.stderr
    assert not socket.exists()


def test_dpdk_that_does_not_start_leaves_nothing(tmp_path):
    socket = tmp_path / "ctl.sock"
    done = run_bounded(configured(tmp_path, socket, {"memory": "2G"}))
    assert done.returncode == 1 and "DPDK did not start: Cannot allocate" in done.stderr, done
    assert not socket.exists() and not runtime(socket).exists()


def test_a_second_start_when_the_socket_was_deleted(tmp_path):
    """DPDK's lock is what is left to tell it; the first one keeps its files."""
    socket = tmp_path / "ctl.sock"
    file = configured(tmp_path, socket, {})
    with subprocess.Popen([lab.BUILD / "app/millrace", file], stderr=subprocess.PIPE,
                          text=True) as first:
        while "ready" not in first.stderr.readline():
            assert first.poll() is None
        socket.unlink()
        files = sorted(runtime(socket).iterdir())
        second = run_bounded(file)
        assert second.returncode == 1 and "DPDK did not start: another" in second.stderr, second
        assert "no memory" not in second.stderr
        assert files and sorted(runtime(socket).iterdir()) == files
        first.terminate()
        assert first.wait(10 * lab.SLOW) == 0
    assert not runtime(socket).exists()


def configured(folder, socket, system):
    """A configuration's file, with PORTS."""
    file = folder / "millrace.yaml"
    system = SYSTEM | {"control_socket": str(socket)} | system
    file.write_text(json.dumps({"system": system, "ports": PORTS}))
    return file


def run_bounded(file):
    """millrace in an address space that is too small for 2 GiB of packet buffers."""
    if lab.SLOW > 1:
        pytest.skip("a sanitizer needs more room")
    return subprocess.run(["prlimit", "--as=2000000000", lab.BUILD / "app/millrace", file],
                          capture_output=True, text=True, timeout=30)


def test_check_looks_at_one_file(tmp_path):
    """`--check *.yaml` must not pass for the files that it does not look at."""
    good = tmp_path / "good.yaml"
    good.write_text(json.dumps({"ports": PORTS}))
    done = subprocess.run([lab.BUILD / "app/millrace", "--check", good, tmp_path / "bad.yaml"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "usage" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("words", [["--config-reference"], ["--check", "good.yaml"]])
def test_output_that_cannot_be_written(tmp_path, words):
    (tmp_path / "good.yaml").write_text(json.dumps({"ports": PORTS}))
    with open("/dev/full", "w") as full:
        done = subprocess.run([lab.BUILD / "app/millrace", *words], cwd=tmp_path, stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1 and "standard output" in done.stderr


def test_control_leaves_a_workers_cpu_alone(make_router):
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        pytest.skip("one CPU")
    router = make_router({"system": {"workers": [first]}})
    assert os.sched_getaffinity(router.daemon.pid) == {others[0]}


def test_as_many_workers_as_there_may_be(make_router):
    router = make_router({"system": {"workers": 64, "limits": {"mbufs": 32768}}})
    assert len(router.ctl("show", "workers")) == 64
