# SPDX-License-Identifier: BSD-3-Clause
"""The programs that people use, between two kernel hosts with millrace as the router."""
import hashlib
import json
import re

import pytest

from support import lab

CONFIG = {"services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"}}}
ROUTER, FAR_SIDE, SERVER = "198.18.0.254", "198.18.1.254", "198.18.1.1"


@pytest.fixture(scope="module")
def hosts():
    router = lab.Router(CONFIG, introduce=False)
    for port in router.ports.values():
        port.become_host()
    yield router
    router.stop()


@pytest.fixture
def narrow_hosts(make_router):
    """The same with a link of 1,280 bytes on the server's side."""
    router = make_router({"ports": {"wan": {"mtu": 1280}}}, introduce=False)
    for port in router.ports.values():
        port.become_host()
    return router


def client(hosts, *words, **options):
    return hosts.lan.namespace.run(*words, **options)


def succeeds(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("size", [0, 1, 8, 17, 18, 56, 100, 1471, 1472, 1473, 2960, 4000, 8000])
@pytest.mark.parametrize("target", [ROUTER, FAR_SIDE, SERVER])
def test_ping(hosts, target, size):
    done = client(hosts, "ping", "-n", "-c", 3, "-i", 0.05, "-W", 2, "-s", size, "-p", "a5", target)
    words = succeeds(done)
    assert " 0% packet loss" in words and "wrong data byte" not in words, words


def test_ping_flood(hosts):
    words = succeeds(client(hosts, "ping", "-f", "-q", "-c", 5000, "-W", 1, SERVER))
    assert " 0% packet loss" in words, words


def test_ping_records_the_route(hosts):
    words = succeeds(client(hosts, "ping", "-n", "-R", "-c", 1, "-W", 2, SERVER))
    route = re.search(r"RR:\s*((?:\S+\s*?\n\s*)+)", words).group(1).split()
    assert route == ["198.18.0.1", FAR_SIDE, SERVER, SERVER, ROUTER, "198.18.0.1"], words


@pytest.mark.parametrize("method", [[], ["-I"], ["-T", "-p", "80"], ["-U", "-p", "33434"]],
                         ids=["udp", "icmp", "tcp", "udp-port"])
def test_traceroute(hosts, method):
    words = succeeds(client(hosts, "traceroute", "-n", "-w", 2, "-q", 3, "-N", 1, *method, SERVER))
    hops = [line.split()[1:] for line in words.splitlines()[1:]]
    assert [hop[0] for hop in hops] == [ROUTER, SERVER], words
    assert all("*" not in hop for hop in hops), words


@pytest.mark.parametrize("method", [[], ["--udp"], ["--tcp", "--port", "80"]],
                         ids=["icmp", "udp", "tcp"])
def test_mtr(hosts, method):
    words = succeeds(client(hosts, "mtr", "-n", "-c", 3, "-i", 0.2, "-j", *method, SERVER))
    hops = json.loads(words)["report"]["hubs"]
    assert [hop["host"] for hop in hops] == [ROUTER, SERVER], words
    assert all(hop["Loss%"] == 0 for hop in hops), words


def test_arping(hosts):
    words = succeeds(client(hosts, "arping", "-c", 3, "-w", 5, "-I", hosts.lan.iface, ROUTER))
    assert hosts.lan.router_mac.upper() in words and "Received 3 response" in words, words


def test_arping_detects_the_duplicate(hosts):
    """RFC 5227 probes (-D) for the router's address: exit status 1 says that somebody has it."""
    done = client(hosts, "arping", "-D", "-c", 2, "-w", 3, "-I", hosts.lan.iface, ROUTER)
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize("words, answer", [
    (["-S", "-p", "81"], "flags=RA"),
    (["-A", "-p", "81"], "flags=R "),
    (["-2", "-p", "9999"], "ICMP Port Unreachable"),
    (["-1"], "icmp_seq=0"),
], ids=["syn", "ack", "udp", "icmp"])
def test_hping3(hosts, words, answer):
    done = client(hosts, "hping3", "-n", "-c", 1, *words, ROUTER)
    assert answer in done.stdout + done.stderr, done.stdout + done.stderr


def test_echo_service(hosts):
    done = client(hosts, "socat", "-t", 1, "-", f"UDP4:{ROUTER}:7", input="hello, mill\n")
    assert done.stdout == "hello, mill\n"


@pytest.fixture(scope="module")
def iperf(hosts):
    with hosts.wan.namespace.running("iperf3", "-s", "--forceflush") as server:
        assert any("listening" in line for line in server.stdout)
        yield lambda *words: json.loads(succeeds(
            client(hosts, "iperf3", "-J", "-c", SERVER, "-t", 1, *words)))["end"]


@pytest.mark.parametrize("direction", [[], ["-R"], ["--bidir"]], ids=["up", "down", "both"])
@pytest.mark.parametrize("streams", [1, 8])
def test_iperf3_tcp(iperf, direction, streams):
    end = iperf("-P", streams, *direction)
    assert end["sum_received"]["bits_per_second"] > 20e6, end["sum_received"]


@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["up", "down"])
def test_iperf3_udp(iperf, direction):
    end = iperf("-u", "-b", "10M", "-l", 1400, *direction)
    assert end["sum"]["lost_percent"] == 0, end["sum"]


def test_iperf3_udp_in_fragments(iperf):
    assert iperf("-u", "-b", "10M", "-l", 8000)["sum"]["lost_percent"] == 0


def test_nmap_finds_every_port_closed(hosts):
    """A port that nobody listens on is refused, not silent."""
    words = succeeds(client(hosts, "nmap", "-n", "-Pn", "-sS", "-p", "1-200", ROUTER))
    assert "All 200 scanned ports" in words and "closed" in words, words
    assert "filtered" not in words, words


def test_path_mtu_discovery(narrow_hosts):
    """The kernel learns the smaller MTU from our "fragmentation needed" and then keeps to it."""
    done = client(narrow_hosts, "ping", "-n", "-M", "do", "-c", 1, "-W", 2, "-s", 1400, SERVER)
    assert "mtu = 1280" in done.stdout + done.stderr, done.stdout + done.stderr
    cached = client(narrow_hosts, "ip", "route", "get", SERVER).stdout
    assert "mtu 1280" in cached, cached
    with narrow_hosts.wan.namespace.running("socat", "TCP4-LISTEN:5000", "EXEC:sha256sum"):
        data = "millrace" * 40000
        target = f"TCP4:{SERVER}:5000,retry=20,interval=0.1"
        done = client(narrow_hosts, "socat", "-t", 5, "-", target, input=data)
    assert hashlib.sha256(data.encode()).hexdigest() in done.stdout


def test_fragments_through_a_narrow_link(narrow_hosts):
    words = succeeds(client(narrow_hosts, "ping", "-n", "-M", "dont", "-c", 3, "-i", 0.2, "-W", 2,
                            "-s", 8000, SERVER))
    assert " 0% packet loss" in words, words
