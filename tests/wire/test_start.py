# SPDX-License-Identifier: BSD-3-Clause
"""Starts that cannot be, and ends at any time."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from scapy.layers.inet import UDP

from support import lab

pytestmark = pytest.mark.not_in_vm

MILLRACE = lab.BUILD / "app/millrace"
NULL = {"lan": {"vdev": "net_null0", "addresses": ["198.18.0.254/24"]}}


@pytest.fixture
def write(tmp_path):
    """write(changes): a configuration of one null device with changes, as a file."""
    def file(changes=None, name="millrace.yaml"):
        conf = {"system": {"hugepages": "off", "control_socket": str(tmp_path / "ctl.sock"),
                           "limits": {"routes": 65536, "mbufs": 4096}}, "ports": NULL}
        path = tmp_path / name
        path.write_text(json.dumps(lab.merged(conf, changes or {})))
        return path
    return file


def run(*words, **options):
    return subprocess.run([*map(str, words)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=30, **options)


def refused(done, sentence):
    """It ended by itself with status 1 and this sentence, and nothing of it is left."""
    assert done.returncode == 1 and re.search(sentence, done.stderr), done
    return done


# --- what cannot start ---

def test_every_error_at_once(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("system: {workers: 0, control_socket: here}\n"
                    "ports:\n  lan: {vdev: net_null0, mtu: 10, addresses: [198.18.0.300/24]}\n"
                    "  wan: {tap: {}}\nroutes:\n  - {prefix: 0.0.0.0/0}\nnonsense: 1\n")
    for words in [MILLRACE, file], [MILLRACE, "--check", file]:
        lines = refused(run(*words), "nonsense").stderr.splitlines()
        assert len(lines) >= 6, lines
        assert all(re.match(rf"{file}:\d+:\d+: [\w.\[\]]+: .+", line) for line in lines), lines


@pytest.mark.parametrize("changes, sentence", [
    ({"ports": {"lan": {"vdev": None, "pci": "0000:7f:00.0"}}},
     r"yaml:\d+:\d+: ports.lan.pci: there is no PCI device 0000:7f:00.0; `millctl nic list`"),
    ({"ports": {"lan": {"vdev": None, "tap": {"netns": "mrt-none", "iface": "x"}}}},
     "its network namespace cannot be entered: No such file"),
    ({"ports": {"lan": {"vdev": "net_nonsense0"}}}, "the device could not be made"),
    ({"system": {"workers": [900]}}, r"yaml:\d+:\d+: system.workers: .* not use CPU 900"),
    ({"system": {"control": 900}}, r"yaml:\d+:\d+: system.control: .* not use CPU 900"),
    ({"system": {"memory": "16M", "limits": {"mbufs": 65536}}}, "no memory for 65536 packet buffers"),
], ids=["pci", "namespace", "driver", "worker", "control", "memory"])
def test_refused_with_a_sentence(write, tmp_path, changes, sentence):
    refused(run(MILLRACE, write(changes)), sentence)
    assert not (tmp_path / "ctl.sock").exists()


def test_without_root(write, tmp_path):
    """It says which capability a port lacks; and a socket where it may make none is a sentence."""
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:-2]:
        folder.chmod(folder.stat().st_mode | 0o111)
    for port, sentence in [({"vdev": None, "tap": {"iface": "mrt-none"}},
                            r"yaml:\d+:\d+: ports.lan: .* needs CAP_NET_ADMIN"),
                           ({}, "ctl.sock: Permission denied")]:
        file = write({"ports": {"lan": port}})
        file.chmod(0o644)
        refused(run("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups",
                    MILLRACE, file), sentence)


@pytest.mark.parametrize("words", [[], ["a", "b"], ["--nonsense"]])
def test_usage(words):
    done = run(MILLRACE, *words)
    assert done.returncode == 2 and "usage:" in done.stderr


def test_second_start(make_router, write):
    router = make_router()
    refused(run(MILLRACE, router.file), "another millrace listens on")
    taps = {"lan": {"vdev": None, "tap": router.conf["ports"]["lan"]["tap"]}}
    refused(run(MILLRACE, write({"ports": taps})), "the TAP could not be made: File exists")
    router.settle()


# --- what does ---

@contextlib.contextmanager
def running(tmp_path, file):
    """millrace on a file of write()'s: millctl's answer to some words, and what it logged at last."""
    sock, log = tmp_path / "ctl.sock", tmp_path / "log"
    with log.open("w") as out:
        daemon = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", MILLRACE, file],
                                  stdin=subprocess.DEVNULL, stderr=out)
    try:
        wait_for_answer(sock)
        yield (lambda *words: run(lab.BUILD / "app/millctl", "--socket", sock, *words)), log
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(10) == 0, log.read_text()
    finally:
        daemon.kill()
        daemon.wait()


def test_the_ports_that_can_work_do(write, tmp_path):
    """One whose card is not there is named, with the reason, and tried again by each apply."""
    missing = {"wan": {"pci": "0000:7f:00.0", "addresses": ["198.18.1.254/24"]}}
    file, more = write({"ports": missing}), {"services": {
        "echo": {"kind": "udp-echo", "listen": "198.18.1.254:7"}}}
    with running(tmp_path, file) as (ctl, log):
        assert re.search(rf"error: {file}:\d+:\d+: ports.wan.pci: there is no PCI device "
                         r"0000:7f:00.0; .* the others go on", log.read_text())
        ports = {port["name"]: port for port in json.loads(ctl("--json", "show", "ports").stdout)}
        assert [ports[name]["state"] for name in ("lan", "wan")] == ["open", "failed"]
        assert "there is no PCI device" in ports["wan"]["error"]
        applied = ctl("config", "apply", write({"ports": missing, **more}, "more.yaml"))
        assert applied.returncode == 0, applied
        assert "port wan still fails: there is no PCI device 0000:7f:00.0" in applied.stdout
        new = {"dmz": {"pci": "0000:7e:00.0", "addresses": ["198.18.2.254/24"]}}
        refused(ctl("config", "apply", write({"ports": missing | new}, "new.yaml")),
                r"yaml:\d+:\d+: ports.dmz.pci: there is no PCI device 0000:7e:00.0")
        there = write({"ports": {"wan": {"vdev": "net_null1", "addresses": ["198.18.1.254/24"]}}},
                      "there.yaml")
        assert ctl("config", "apply", there).returncode == 0
        ports = json.loads(ctl("--json", "show", "ports").stdout)
        assert [port["state"] for port in ports] == ["open", "open"]


def test_a_port_that_is_required(write):
    changes = {"ports": {"wan": {"pci": "0000:7f:00.0", "required": True}}}
    refused(run(MILLRACE, write(changes)), "ports.wan.pci: there is no PCI device 0000:7f:00.0")


def test_more_than_there_is(write, tmp_path):
    """Workers share CPUs, and queues are as many as workers take; each is said in a sentence."""
    cpus = len(os.sched_getaffinity(0))
    if cpus > 63:
        pytest.skip("there are not more workers than CPUs")
    file = write({"system": {"workers": cpus + 1}, "ports": {"lan": {"queues": 64}}})
    with running(tmp_path, file) as (ctl, log):
        assert f"{file}:1:" in log.read_text()
        assert f"system.workers: {cpus + 1} workers and {cpus} CPUs" in log.read_text()
        assert f"ports.lan.queues: 64; {cpus + 1} is what there can be" in log.read_text()
        assert json.loads(ctl("--json", "show", "ports").stdout)[0]["rx_queues"] == cpus + 1


def test_a_link_that_flaps_under_traffic(make_router):
    """Down at the start, then to and fro: counted, told in a few lines, and it works afterwards."""
    router = make_router()
    frame = bytes(router.lan.to(router.wan.ip) / UDP(dport=9))

    def link(up):
        lab.sh("ip", "-n", router.wan.namespace.name, "link", "set", router.wan.iface,
               "up" if up else "down")
        for _ in range(20):
            router.lan.socket.send(frame)
        router.wait_until(lambda: (row()["link"] == "up") == up, 5, f"the link is {up}")

    def row():
        return next(port for port in router.ctl("show", "ports") if port["name"] == "wan")

    before = row()["link_changes"]
    for _ in range(5):
        link(False)
        link(True)
    assert row()["link_changes"] == before + 10
    said = [line for line in router.log.read_text().splitlines() if "port wan: link " in line]
    assert len([line for line in said if "flaps" in line]) == 1 and len(said) <= 6, said
    router.await_ready()
    router.introduce()
    router.lan.send(router.lan.to(router.wan.ip) / UDP(dport=9, sport=4))
    router.wan.expect(lambda f: UDP in f and f[UDP].sport == 4)
    router.settle()


def test_reference_loads(tmp_path):
    file = tmp_path / "reference.yaml"
    file.write_text(lab.sh(MILLRACE, "--config-reference"))
    assert run(MILLRACE, "--check", file).returncode == 0


def boots(tmp_path, text):
    file, sock = tmp_path / "boot.yaml", tmp_path / "ctl.sock"
    file.write_text(text)
    daemon = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", MILLRACE, file],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_answer(sock)
        daemon.send_signal(signal.SIGTERM)
        said = daemon.communicate(timeout=10)[1]
        assert daemon.returncode == 0 and not sock.exists(), said
    finally:
        daemon.kill()
        daemon.communicate()


def wait_for_answer(sock):
    deadline = time.monotonic() + 15
    while (done := run(lab.BUILD / "app/millctl", "--socket", sock, "show", "ports")).returncode:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.02)


def test_doctor(make_router, tmp_path):
    """Of the router that runs, of a file, and of one that is none."""
    router, ctl = make_router(), lab.BUILD / "app/millctl"

    def doctor(*words):
        done = run(ctl, "--socket", router.socket, "--json", "doctor", *words)
        assert done.returncode in (0, 1) and not done.stderr, done
        result = json.loads(done.stdout)
        assert done.returncode == (result["verdict"] == "bad"), result
        return {check["check"]: check for check in result["checks"]}

    assert doctor()["plan"]["found"] == "of the millrace that runs"
    assert doctor()["rss"]["verdict"] == "ok"
    card = tmp_path / "card.yaml"
    card.write_text(json.dumps({"ports": {"lan": {"pci": "0000:7f:00.0"}}}))
    assert "there is no PCI device 0000:7f:00.0" in doctor(card)["card"]["found"]
    assert doctor(card)["card"]["verdict"] == "bad"
    card.write_text(json.dumps({"ports": {"lan": {"pci": "7f:00.0"}}}))
    refused(run(ctl, "doctor", card), rf"{card}:1:\d+: ports.lan.pci: .*\n.*not a configuration")


def test_log_to_syslog(write, tmp_path):
    boots(tmp_path, write({"system": {"log": "syslog"}}).read_text())


# --- ends ---

@pytest.mark.parametrize("after", [0, 0.01, 0.05, 0.1, 0.3, 0.8])
def test_terminated_during_its_start(write, tmp_path, after):
    daemon = subprocess.Popen([MILLRACE, write()], stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(after)
        daemon.send_signal(signal.SIGTERM)
        said = daemon.communicate(timeout=10)[1]
    finally:
        daemon.kill()
        daemon.wait()
    assert daemon.returncode in (0, -signal.SIGTERM), said
    assert not (tmp_path / "ctl.sock").exists()


def test_killed_and_started_again(make_router):
    router = make_router()
    router.daemon.kill()
    router.daemon.wait()
    assert router.socket.exists()
    router.start()
    router.await_ready()
    router.introduce()
    router.settle()


def test_ends_under_traffic(make_router):
    """What waits for a neighbour is waited for; the end comes within the drain's time."""
    router = make_router({"system": {"drain": "1s"}})
    router.lan.send(router.lan.to("198.18.1.99") / UDP(dport=9))
    router.daemon.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    frame = bytes(router.lan.to(router.wan.ip) / UDP(dport=9))
    while router.daemon.poll() is None and time.monotonic() < begun + 5:
        try:
            router.lan.socket.send(frame)
        except OSError:  # the TAP is gone
            break
    assert router.daemon.wait(5) == 0, router.words()
    assert time.monotonic() - begun < 3 * lab.SLOW
    router.abandon()


# --- beside it ---

def test_control_socket_bears_anything(make_router):
    router = make_router()
    crowd = []
    try:
        for number in range(1000):
            one = socket.socket(socket.AF_UNIX)
            one.settimeout(5)
            try:
                one.connect(str(router.socket))
            except (BlockingIOError, TimeoutError):
                one.close()
                break
            crowd.append(one)
            try:
                one.sendall(bytes([number % 256]) * number + b"\n{\"jsonrpc\"")
            except (BrokenPipeError, ConnectionResetError):
                pass  # turned away
        router.echo(router.lan)
    finally:
        for one in crowd:
            one.close()
    router.wait_until(router.ready, 5, "it answers again")


def test_dpdk_telemetry_answers(make_router):
    router = make_router()
    path = next(iter(router.runtime())) / "dpdk_telemetry.v2"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(5)
        client.connect(str(path))
        assert json.loads(client.recv(16384))["pid"] == router.daemon.pid
        client.send(b"/ethdev/list")
        assert json.loads(client.recv(16384)) == {"/ethdev/list": [0, 1]}


def test_quickstart_in_256_mib(make_router):
    limits = {"routes": 65536, "tbl8": 1024, "mbufs": 8192}
    assert ", ".join(f"{k}: {v}" for k, v in limits.items()) in \
        (lab.TOP / "config/quickstart.yaml").read_text()
    router = make_router({"system": {"limits": limits}})
    router.settle()
    status = Path(f"/proc/{router.daemon.pid}/status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) < 256 * 1024
