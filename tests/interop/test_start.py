# SPDX-License-Identifier: BSD-3-Clause
"""Starts that cannot succeed: a sentence, exit status 1, and no socket left."""
import json
import os
import subprocess

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


def test_control_leaves_a_workers_cpu_alone(make_router):
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        pytest.skip("one CPU")
    router = make_router({"system": {"workers": [first]}})
    assert os.sched_getaffinity(router.daemon.pid) == {others[0]}


def test_as_many_workers_as_there_may_be(make_router):
    router = make_router({"system": {"workers": 64, "limits": {"mbufs": 32768}}})
    assert len(router.ctl("show", "workers")) == 64
