# SPDX-License-Identifier: BSD-3-Clause
"""The router over every kind of device that DPDK has in software, with and without hugepages."""
import contextlib
import random
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap

from support import lab
from support.packets import ip_bytes

pytestmark = pytest.mark.not_in_vm

SIZES = 0, 1, 18, 100, 777, 1472
SMALL = {"routes": 65536, "tbl8": 1024, "mbufs": 8192}  # so that two fit a small machine
KEPT = {"net_af_xdp": 2 * 2048, "net_bonding": 8, "net_virtio_user": 1024}  # for a while, by drivers
HUGEPAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
NEEDED = 120
DATA, PROBE = 9, 10  # ports: a probe that is late is not taken for what a test has sent


@pytest.fixture
def home():
    """A namespace for the router itself."""
    namespace = lab.Namespace("home")
    yield namespace
    namespace.delete()


@pytest.fixture
def second_home():
    """One for a second router: AF_PACKET's fan-out groups are told apart by pid ^ ifindex alone,
    so that two processes in one namespace may ask for the same one and be refused."""
    namespace = lab.Namespace("home2")
    yield namespace
    namespace.delete()


@pytest.fixture
def pages():
    """Hugepages for two routers, given back afterwards; never fewer than there were before."""
    def count(what):
        return int((HUGEPAGES / f"{what}_hugepages").read_text())

    total = count("nr")
    wanted = total + max(0, NEEDED - (count("free") - count("resv")))
    try:
        (HUGEPAGES / "nr_hugepages").write_text(str(wanted))
        if count("free") - count("resv") < NEEDED:
            pytest.skip(f"no {NEEDED} hugepages to be had")
        yield
    finally:
        if wanted != total:
            (HUGEPAGES / "nr_hugepages").write_text(str(total))


def system(workers=1, hugepages="off"):
    return {"workers": workers, "hugepages": hugepages, "limits": SMALL}


def datagram(sender, receiver, number, port=DATA):
    """From one port's host to another's; its size and content follow from its number."""
    data = random.Random(number).randbytes(SIZES[number % len(SIZES)])
    return sender.to(receiver.ip, id=number) / UDP(sport=1024 + number, dport=port) / Raw(data)


def is_from(sender, port):
    return lambda f: UDP in f and f[IP].src == sender.ip and f[UDP].dport == port


def arrival(sent, hops=1):
    """The packet as it arrives after so many routers."""
    there = Ether(bytes(sent))[IP]
    there.ttl -= hops
    del there.chksum
    return ip_bytes(Ether() / there)


def cross(one, other, hops=1, count=200):
    """Sends datagrams of many sizes both ways, and sees each of them arrive byte for byte."""
    for a, b in (one, other), (other, one):
        for first in range(0, count, 20):
            frames = [datagram(a, b, first + i) for i in range(20)]
            a.send(*frames)
            missing = [arrival(frame, hops) for frame in frames]
            while missing:
                seen = b.expect(is_from(a, DATA))
                assert ip_bytes(seen) in missing, f"not what was sent: {seen!r}"
                missing.remove(ip_bytes(seen))


def flood(one, other, hops=1, count=5000):
    """Sends one datagram so many times, fifty under way at a time, and sees each arrive."""
    sent = datagram(one, other, 0)
    packet, frame, arrived = arrival(sent, hops), bytes(sent), 0
    for first in range(0, count, 50):
        for _ in range(50):
            one.socket.send(frame)
        while arrived < first + 50:
            seen = other.recv_bytes(2 * lab.SLOW)
            assert seen is not None, f"{first + 50 - arrived} did not arrive"
            arrived += seen[14:14 + len(packet)] == packet


@contextlib.contextmanager
def at_rest_after(*routers, slack=0):
    """Asserts that no buffer is lost; a driver may keep `slack` of them more or fewer."""
    resting = [router.counters()["mbufs"]["in_use"] for router in routers]
    yield
    for router, before in zip(routers, resting):
        router.wait_until(lambda: abs(router.counters()["mbufs"]["in_use"] - before) <= slack, 2,
                          f"{before} buffers in use, but for {slack}")
        router.check_books()


# --- on interfaces of the kernel ---

@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("driver", ["net_af_packet", "net_af_xdp"])
def test_veth(home, make_router, driver, workers):
    ports = {name: {"veth": driver} for name in ("lan", "wan")}
    router = make_router({"system": system(workers), "ports": ports}, home=home)
    with at_rest_after(router, slack=KEPT.get(driver, 0)):
        cross(router.lan, router.wan)
        flood(router.lan, router.wan)


def test_the_largest_frame_of_af_xdp(home, make_router):
    """Of a buffer's 2,048 bytes the kernel keeps 256; what is larger is refused, not lost."""
    router = make_router({"ports": {"lan": {"veth": "net_af_xdp", "mtu": 1774},
                                    "wan": {"veth": "net_af_xdp"}}}, introduce=False, home=home)
    lan = router.lan
    lan.become_host()
    # for the last reply it waits no longer than for the next one's turn
    done = lan.namespace.run("ping", "-n", "-c", 3, "-i", 0.5, "-M", "do",
                             "-s", 1774 - 28, lan.router_ip)
    assert " 0% packet loss" in done.stdout, done.stdout
    for mtu in 1775, 2000:
        with pytest.raises(lab.CtlError, match="ports.lan.mtu: .* allows 68 to 1774"):
            router.apply({"ports": {"lan": {"mtu": mtu}}})


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("hugepages", ["off", "on"])
def test_tap(make_router, hugepages, workers, request):
    if hugepages == "on":
        request.getfixturevalue("pages")
    router = make_router({"system": system(workers, hugepages)})
    with at_rest_after(router):
        cross(router.lan, router.wan)
        flood(router.lan, router.wan)


# --- from one millrace to another ---

def half(here, link, options):
    """One of two routers in a row: a TAP on its own side, and the link to the other."""
    net, other = (0, 1) if here == "lan" else (1, 0)
    ports = {"lan": None, "wan": None}
    ports[here] = {"addresses": [f"198.18.{net}.254/24"]}
    ports["link"] = {"addresses": [f"198.18.2.{net + 1}/24"], "mac": f"02:00:00:00:02:0{net}"}
    return {"system": options, "ports": lab.merged(ports, {"link": link}),
            "routes": [{"prefix": f"198.18.{other}.0/24", "via": f"198.18.2.{other + 1}"}]}


def connected(one, other):
    """Whether a datagram from one arrives at the other; a bond's ends first come to terms."""
    one.send(datagram(one, other, 1, PROBE))
    try:
        other.expect(is_from(one, PROBE), 0.3)
    except AssertionError:
        return False
    return True


def ping_pong(make_router, left, right, options=None, slack=0, homes=(None, None)):
    """Two routers with a link between them: what is sent at one end arrives at the other."""
    options = options or system()
    routers = []
    for here, link, home in ("lan", left, homes[0]), ("wan", right, homes[1]):
        conf = half(here, link, options)
        routers.append(make_router(conf, introduce=False, wait=False, home=home))
        routers[-1].wait_until(lambda: "ready:" in routers[-1].words(), 15, "it has started")
    for router in routers:
        router.await_ready()
        router.introduce()
    lan, wan = routers[0].lan, routers[1].wan
    routers[0].wait_until(lambda: connected(lan, wan) and connected(wan, lan), 15, "it forwards")
    with at_rest_after(*routers, slack=slack):
        cross(lan, wan, hops=2)
        flood(lan, wan, hops=2)
    return routers


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("hugepages", ["off", "on"])
def test_memif(make_router, tmp_path, hugepages, workers, request):
    if hugepages == "on":
        request.getfixturevalue("pages")
    ends = [{"vdev": f"net_memif0,role={role},id=0,socket={tmp_path}/m,socket-abstract=no"}
            for role in ("server", "client")]
    ping_pong(make_router, *ends, system(workers, hugepages))


def test_vhost_and_virtio_user(make_router, tmp_path):
    ping_pong(make_router, {"vdev": f"net_vhost0,iface={tmp_path}/v"},
              {"vdev": f"net_virtio_user0,path={tmp_path}/v"}, slack=KEPT["net_virtio_user"])


def test_bonds_by_lacp(home, second_home, make_router):
    """Two links between two bonds; the kernel here may have no bonding of its own."""
    homes = home, second_home
    for i in (0, 1):
        ends = f"a{i}", f"b{i}"
        lab.sh("ip", "-n", home.name, "link", "add", ends[0], "type", "veth",
               "peer", "name", ends[1], "netns", second_home.name)
        for namespace, iface in zip(homes, ends):
            lab.quiet(namespace, iface)
            lab.sh("ip", "-n", namespace.name, "link", "set", iface, "up")
    bonds = [{"vdev": "net_bonding0,mode=4,xmit_policy=l34",
              "members": [f"net_af_packet{i + 5},iface={side}{i}" for i in (0, 1)]}
             for side in "ab"]
    ping_pong(make_router, *bonds, slack=KEPT["net_bonding"], homes=homes)


# --- from and to files, and nowhere ---

def test_pcap(make_router, tmp_path):
    """What is in one file comes out in the other: every packet that goes there, once."""
    frames = [Ether(src="02:00:00:00:00:09", dst="02:00:00:00:00:01") /
              IP(src="198.18.0.1", dst=f"198.18.{1 + number % 2}.1", id=number) / UDP() /
              Raw(bytes(SIZES[number % len(SIZES)])) for number in range(60)]
    wrpcap(f"{tmp_path}/in", frames)
    wrpcap(f"{tmp_path}/none", [], linktype=1)
    router = make_router({"ports": {"lan": None, "wan": None, "in": {
        "vdev": f"net_pcap0,rx_pcap={tmp_path}/in,tx_pcap={tmp_path}/answers",
        "mac": "02:00:00:00:00:01", "addresses": ["198.18.0.254/24"]}, "out": {
        "vdev": f"net_pcap1,rx_pcap={tmp_path}/none,tx_pcap={tmp_path}/out",
        "mac": "02:00:00:00:00:02", "addresses": ["198.18.1.254/24"]}},
        "neighbours": {"static": [
            {"port": "out", "address": "198.18.1.1", "mac": "02:00:00:00:00:0a"}]}})
    router.wait_until(lambda: router.counters()["rx"] >= len(frames), 5, "it has read the file")
    assert router.drops()["NO_ROUTE"] == len(frames) / 2
    router.stop()
    expected = [bytes(arrival(frame)) for frame in frames if frame[IP].dst == "198.18.1.1"]
    out = [frame for frame in rdpcap(f"{tmp_path}/out") if IP in frame]
    assert [ip_bytes(frame) for frame in out] == expected
    assert {(frame.src, frame.dst) for frame in out} == {("02:00:00:00:00:02", "02:00:00:00:00:0a")}


@pytest.mark.parametrize("workers", [1, 2])
def test_ring_and_null(make_router, workers):
    """A ring returns what is sent to it; the null device brings an endless number of zeros."""
    router = make_router({"system": system(workers), "ports": {"lan": None, "wan": None, "ring": {
        "vdev": "net_ring0", "addresses": ["198.18.0.254/24"]}, "null": {
        "vdev": "net_null0", "addresses": ["198.18.1.254/24"]}}})
    router.wait_until(lambda: router.counters()["rx"] > 100000, 5, "zeros are read")
    router.check_books()
    macs = [port["mac"] for port in router.ctl("show", "ports")]
    assert all(macs), f"a port without a MAC: {macs}"
