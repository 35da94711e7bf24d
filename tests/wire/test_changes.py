# SPDX-License-Identifier: BSD-3-Clause
"""A new configuration while packets flow: all of it, or nothing, and no packet is lost to it."""
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
from scapy.layers.inet import IP, UDP

from support import lab

ROUTE = {"prefix": "203.0.113.0/24", "via": "198.18.1.1"}
CHANGES = [
    {},
    {"routes": [{"prefix": f"100.{n}.0.0/16", "via": "198.18.1.1"} for n in range(64, 128)]},
    {"services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"}}},
    {"ports": {"lan": {"vlans": {10: {"addresses": ["198.18.10.254/24"]},
                                 20: {"addresses": ["198.18.20.254/24"], "mtu": 1280}}}}},
    {"ports": {"wan": {"addresses": ["198.18.1.254/24", "198.18.4.254/24"]}}},
    {"ports": {"wan": {"mss_clamp": "auto", "urpf": "strict"}}},
    {"system": {"log_level": "detail", "loopback": ["198.18.255.1"]},
     "icmp": {"error_rate": 10}, "neighbours": {"age": "5m"}, "reassembly": {"timeout": "1s"}},
    {"neighbours": {"static": [
        {"port": "lan", "address": "198.18.0.9", "mac": "02:00:00:00:00:09"}]}},
]


def diff(router, path):
    return router.ctl("config", "diff", str(path))["diff"]


def prefixes(router):
    return {route["prefix"] for route in router.ctl("show", "routes")["routes"]}


def links(router):
    return {port["name"]: port["link"] for port in router.ctl("show", "ports")}


def is_test_packet(frame):
    return frame[12:14] == b"\x08\x00" and frame[23] == 17


@pytest.mark.parametrize("workers", [1, 2])
def test_no_packet_is_lost(make_router, workers):
    """Some thousand packets a second in each direction, and a change every tenth of a second."""
    router = make_router({"system": {"workers": workers}})
    before, failures, ended = router.drops(), [], threading.Event()

    def change():
        try:
            for turn in range(4 * len(CHANGES)):
                router.apply(CHANGES[turn % len(CHANGES)])
                ended.wait(0.1)
        except lab.CtlError as failure:
            failures.append(failure)
        ended.set()

    ways = [(a, b, bytes(a.to(b.ip) / UDP(sport=4000, dport=9)))
            for a, b in ((router.lan, router.wan), (router.wan, router.lan))]
    sent, received = 0, {"lan": 0, "wan": 0}
    changer = threading.Thread(target=change)
    changer.start()
    while not ended.is_set():
        for a, b, frame in ways:
            a.socket.send(frame)
            while (seen := b.recv_bytes()) is not None:
                received[b.name] += is_test_packet(seen)
        sent += 1
        ended.wait(0.0004)
    for _, b, _ in ways:
        while (seen := b.recv_bytes(0.5)) is not None:
            received[b.name] += is_test_packet(seen)
    changer.join()
    assert not failures and sent > 1000
    assert received == {"lan": sent, "wan": sent}
    assert lab.moved(before, router.drops()) == {}


BAD = """system:
  workers: 0
ports:
  lan: {vdev: net_null0, addresses: [198.18.0.256/24]}
  wan: {vdev: net_null1, mtu: 10}
routes:
  - {prefix: 0.0.0.0/0, via: 10.0.0.1}
nonsense: 1
"""


def test_errors_change_nothing(make_router):
    router = make_router()
    bad = router.path / "bad.yaml"
    bad.write_text(BAD)
    done = subprocess.run([lab.BUILD / "app/millctl", "--socket", router.control, "config", "apply",
                           bad], capture_output=True, text=True, timeout=20)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and done.stdout == ""
    assert len(lines) >= 4 and all(re.match(rf"{bad}:\d+:\d+: [\w.\[\]]+: .+", x) for x in lines)
    assert diff(router, router.file) == ""
    router.echo(router.lan)


@pytest.mark.parametrize("changes, sentence", [
    ({"system": {"workers": 2}}, "only with a restart"),
    ({"system": {"limits": {"routes": 99}}}, "only with a restart"),
    ({"ports": {"wan": {"queues": 2}}}, "need a restart, or another name"),
    ({"ports": {"wan": {"tap": None, "pci": None, "vdev": "net_null0"}}},
     "need a restart, or another name"),
    ({"ports": {"dmz": {"tap": {"netns": "mrt-none", "iface": "dmz0"}}}}, "cannot be entered"),
], ids=["workers", "limits", "queues", "device", "namespace"])
def test_refused_with_a_sentence(router, changes, sentence):
    with pytest.raises(lab.CtlError, match=sentence):
        router.apply(changes)
    assert diff(router, router.file) == ""
    router.settle()


def test_rollback(make_router):
    router = make_router()
    before = prefixes(router)
    with pytest.raises(lab.CtlError, match="nothing was applied"):
        router.ctl("config", "rollback")
    assert "203.0.113.0/24" in router.apply({"routes": [ROUTE]})["diff"]
    assert prefixes(router) == before | {"203.0.113.0/24"}
    router.ctl("config", "rollback")
    assert prefixes(router) == before and diff(router, router.file) == ""
    router.ctl("config", "rollback")  # undoes the rollback
    assert prefixes(router) == before | {"203.0.113.0/24"}


def test_saved_and_started_from(make_router):
    router = make_router({"services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"}}})
    router.apply({"routes": [ROUTE]})
    router.ctl("route", "add", "100.64.0.0/10", "blackhole")
    router.ctl("neighbour", "add", "198.18.0.77", "02:00:00:00:00:77", "lan")
    before, saved = prefixes(router), router.path / "saved.yaml"
    router.ctl("config", "save", str(saved))
    assert lab.sh(lab.BUILD / "app/millrace", "--check", saved).endswith("good\n")

    router.daemon.send_signal(signal.SIGTERM)
    assert router.daemon.wait(10 * lab.SLOW) == 0
    router.file = saved
    router.start()
    router.await_ready()
    router.introduce()
    assert prefixes(router) == before and diff(router, saved) == ""
    assert "198.18.0.77" in {row["address"] for row in router.ctl("show", "neighbours")}


def test_words_on_backends_are_saved(make_router):
    """What was drained, taken out or weighed is so after a restart, and can be taken back."""
    hosts = [{"address": f"198.18.1.{n}"} for n in range(11, 15)]
    hosts[3]["state"] = "drain"
    router = make_router({"balancers": {"services": {
        "web": {"address": "198.18.0.100", "port": 80, "backends": hosts},
        "dns": {"address": "198.18.0.100", "port": 53, "protocol": "udp", "backends": hosts}}}})

    def words():
        return {(row["service"], row["address"]): (row["admin"], row["weight"])
                for row in router.ctl("show", "backends")}

    router.ctl("backend", "drain", "web", "198.18.1.11")
    router.ctl("backend", "weight", "web", "198.18.1.12", "50")
    router.ctl("backend", "enable", "web", "198.18.1.14")
    router.ctl("service", "maintain", "dns")
    said, saved = words(), router.path / "saved.yaml"
    assert said["web", "198.18.1.11"] == ("drain", 1) and said["web", "198.18.1.12"][1] == 50
    router.ctl("config", "save", str(saved))
    assert "backends" in diff(router, saved)

    router.daemon.send_signal(signal.SIGTERM)
    assert router.daemon.wait(10 * lab.SLOW) == 0
    router.file = saved
    router.start()
    router.await_ready()
    assert words() == said and diff(router, saved) == ""
    router.ctl("backend", "enable", "web", "198.18.1.11")
    router.ctl("config", "save")
    router.ctl("config", "apply", str(saved))
    assert words() == {**said, ("web", "198.18.1.11"): ("enabled", 1)}
    for n in range(11, 15):
        router.ctl("backend", "weight", "web", f"198.18.1.{n}", "0")
    with pytest.raises(lab.CtlError, match="all have weight 0"):
        router.ctl("config", "save")


def test_many_tables_in_several_turns(make_router):
    """An apply, a rollback and SIGHUP of more tables than control makes in one turn of its loop."""
    many = {f"s{n}": {"address": "198.18.0.100", "port": 1000 + n,
                      "backends": [{"address": f"198.18.1.{n}"}, {"address": "198.18.1.100",
                                                                  "port": 1000 + n}]}
            for n in range(11, 35)}
    router = make_router()

    def names():
        return {row["name"] for row in router.ctl("show", "services")}

    for _ in range(2):
        router.apply({"balancers": {"services": many}})
        assert names() == set(many)
        router.ctl("config", "rollback")
        assert names() == set()
        router.ctl("config", "rollback")
        assert names() == set(many)
        router.file.write_text(json.dumps(router.conf))
        router.daemon.send_signal(signal.SIGHUP)
        router.wait_until(lambda: names() == set(), 10, "the file of the start")
    changed = lab.merged(router.conf, {"balancers": {"services": many}})
    router.file.write_text(json.dumps(changed))
    for _ in range(3):  # the last one counts
        router.daemon.send_signal(signal.SIGHUP)
    router.wait_until(lambda: names() == set(many), 10, "all of them")
    router.wait_until(lambda: diff(router, router.file) == "", 10, "the file")


def test_hangup_reads_the_file_again(make_router):
    router = make_router()
    before = prefixes(router)
    router.file.write_text(json.dumps(lab.merged(router.conf, {"routes": [ROUTE]})))
    router.daemon.send_signal(signal.SIGHUP)
    router.wait_until(lambda: prefixes(router) == before | {"203.0.113.0/24"}, 5, "the route")
    router.file.write_text(BAD)
    router.daemon.send_signal(signal.SIGHUP)
    router.wait_until(lambda: "stays as it was" in router.words(), 5, "its refusal in the log")
    assert f"{router.file}:2:" in router.words()
    router.file.unlink()
    router.daemon.send_signal(signal.SIGHUP)
    missing = f"{router.file}: file: cannot be read: No such file"
    router.wait_until(lambda: missing in router.words(), 5, "what is wrong with it")
    assert prefixes(router) == before | {"203.0.113.0/24"}


def test_the_file_of_the_start_stays_the_one(make_router):
    """SIGHUP reads it, and a save writes it, whatever file was applied meanwhile."""
    router = make_router()
    before, other = prefixes(router), router.path / "next.yaml"
    router.apply({"routes": [ROUTE]})
    router.daemon.send_signal(signal.SIGHUP)
    router.wait_until(lambda: prefixes(router) == before, 5, "the route is gone again")
    router.apply({"routes": [ROUTE]})
    router.ctl("route", "add", "100.64.0.0/10", "blackhole")
    applied = other.read_text()
    assert router.ctl("config", "save") == {"file": str(router.file)}
    assert other.read_text() == applied and "100.64.0.0/10" in router.file.read_text()


def test_a_file_that_may_never_end_is_refused(router):
    """The daemon reads what is too long for a request: it must not wait for a pipe's writer."""
    os.mkfifo(router.path / "pipe")
    for name in router.path / "pipe", "/dev/zero", router.path:
        call = {"jsonrpc": "2.0", "id": 1, "method": "config.apply", "params": {"file": str(name)}}
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(5 * lab.SLOW)
            peer.connect(str(router.control))
            peer.sendall(json.dumps(call).encode() + b"\n")
            answer = json.loads(peer.makefile().readline())
        assert "not a regular file" in answer["error"]["data"][0]["text"]
    router.settle()


def test_port_comes_and_goes(make_router):
    router = make_router()
    conf = {"addresses": ["198.18.7.254/24"]}
    dmz = router.ports["dmz"] = lab.Port("dmz", conf, 7)
    for _ in range(2):
        router.apply({"ports": {"dmz": conf}})
        router.wait_until(lambda: links(router).get("dmz") == "up", 5, "the new port is up")
        dmz.open()
        dmz.introduce()
        router.lan.send(router.lan.to(dmz.ip) / UDP(dport=9))
        dmz.expect(lambda f: UDP in f and f[IP].src == router.lan.ip)
        router.apply({})
        assert links(router).keys() == {"lan", "wan"}
        if not dmz.card:
            router.wait_until(lambda: "dmz0" not in dmz.namespace.run("ip", "link").stdout, 5,
                              "its device is gone")
    del router.ports["dmz"]
    dmz.close()
    router.settle()
