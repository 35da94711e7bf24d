# SPDX-License-Identifier: BSD-3-Clause
"""The kernel path: what nobody in millrace takes comes up in a port's punt interface, and the
kernel's own frames go out of the port; in a router, with two workers, and in a host.

The kernel is that of a namespace of its own, on whose TAPs the test puts the ports' addresses.
"""
import contextlib
import json
import socket

import pytest
from scapy.contrib.ospf import OSPF_Hdr, OSPF_Hello
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from support import lab
from support.packets import checksums_hold

pytestmark = pytest.mark.not_in_vm

LAN, WAN = "198.18.0.254", "198.18.1.254"
ALL_OSPF = "01:00:5e:00:00:05"
ECHO = {"services": {"echo": {"kind": "tcp-echo", "listen": "0.0.0.0:7"},
                     "datagrams": {"kind": "udp-echo", "listen": "0.0.0.0:7"}}}


class Kernel(lab.Namespace):
    """Where the punt interfaces are, and programs that know the kernel's network alone."""

    def __init__(self):
        super().__init__("kernel")

    def conf(self, **system):
        return lab.merged(ECHO, {
            "system": {"kernel": {"netns": self.name}, **system},
            "ports": {"lan": {"kernel": "lan-k", "vlans": {"10": {
                "addresses": ["198.18.10.254/24"]}}}, "wan": {"kernel": "wan-k"}}})

    def take_addresses(self, router):
        for iface, port in ("lan-k", router.lan), ("wan-k", router.wan):
            lab.sh("ip", "-n", self.name, "addr", "replace", f"{port.router_ip}/24", "dev", iface)
            lab.sh("ip", "-n", self.name, "link", "set", iface, "up")
            self.knows(port, iface)

    def knows(self, port, iface):
        lab.sh("ip", "-n", self.name, "neigh", "replace", port.ip, "lladdr", port.mac,
               "dev", iface, "nud", "permanent")

    def socket(self, kind, *address):
        with self.entered():
            s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(address)
        s.settimeout(10 * lab.SLOW)
        return s

    def listener(self, port):
        s = self.socket(socket.SOCK_STREAM, "0.0.0.0", port)
        s.listen()
        return s

    def packets(self, iface):
        """A raw socket that sees what comes up."""
        with self.entered():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(lab.ETH_P_ALL))
        s.setsockopt(lab.SOL_PACKET, lab.PACKET_AUXDATA, 1)
        s.setsockopt(lab.SOL_PACKET, lab.PACKET_IGNORE_OUTGOING, 1)
        s.bind((iface, 0))
        return Seen(s)


class Seen(lab.Port):
    """A raw socket read as a port's far end is."""

    def __init__(self, s):
        self.name, self.socket = "kernel", s
        s.setblocking(False)


KINDS = {"one worker": {},
         "two workers and sockets": {"workers": 2, "socket_service": "{}/sockets"},
         "a host": {"pipeline": "host"}}


@pytest.fixture(scope="module", params=KINDS)
def pair(request, tmp_path_factory):
    kernel = Kernel()
    system = {key: value.format(tmp_path_factory.mktemp("kernel")) if isinstance(value, str)
              else value for key, value in KINDS[request.param].items()}
    try:
        router = lab.Router(kernel.conf(**system))
        try:
            kernel.take_addresses(router)
            yield router, kernel
        finally:
            router.stop()
    finally:
        kernel.delete()


@pytest.fixture
def both(pair):
    for port in pair[0].ports.values():
        port.drain()
    yield pair
    pair[0].check_books()


def rows(router):
    return {row["interface"]: row for row in router.ctl("show", "kernel")}


def tcp(f, sport):
    return TCP in f and f[TCP].sport == sport


def dropped(router, port, frame, reason):
    """Sends a frame, and waits until it was dropped for this reason, by whatever worker."""
    before = router.drops()[reason]
    port.send(frame)
    router.wait_until(lambda: router.drops()[reason] == before + 1, 5, reason)


def calm_down(router):
    """After a flood: waits until nothing moves any more, and forgets what came of it."""
    last = {}

    def is_calm():
        now, before = router.counters(), last.copy()
        last.update({key: now[key] for key in ("rx", "originated", "tx", "held")})
        return last == before and now["held"] == 0

    router.wait_until(is_calm, 20, "calm")
    for port in router.ports.values():
        port.drain_bytes()


# TCP


def test_a_closed_port(both):
    """The reset is the kernel's."""
    router, _ = both
    lan, before = router.lan, rows(router)["lan-k"]
    lan.send(lan.to(LAN) / TCP(sport=4000, dport=2222, flags="S", seq=5))
    back = lan.expect(lambda f: tcp(f, 2222))
    assert back[TCP].flags == "RA" and back[TCP].ack == 6 and checksums_hold(back)
    after = rows(router)["lan-k"]
    assert after["to_kernel_packets"] == before["to_kernel_packets"] + 1
    assert after["from_kernel_packets"] > before["from_kernel_packets"]
    assert router.drops()["TCP_NO_PORT"] == 0


@pytest.mark.end_to_end
def test_a_server(both):
    """A handshake, data both ways and the end, by hand against a server on the kernel's TCP."""
    router, kernel = both
    lan = router.lan
    with kernel.listener(2200) as server:
        lan.send(lan.to(LAN) / TCP(sport=4001, dport=2200, flags="S", seq=100))
        syn = lan.expect(lambda f: tcp(f, 2200))
        assert syn[TCP].flags == "SA" and syn[Ether].src == lan.router_mac
        at = syn[TCP].seq + 1
        lan.send(lan.to(LAN) / TCP(sport=4001, dport=2200, flags="PA", seq=101, ack=at) /
                 Raw(b"who is there"))
        stream, peer = server.accept()
        with stream:
            assert peer == (lan.ip, 4001)
            stream.settimeout(10 * lab.SLOW)
            assert stream.recv(100) == b"who is there"
            stream.send(b"the kernel")
            data = lan.expect(lambda f: tcp(f, 2200) and Raw in f)
            assert bytes(data[Raw]) == b"the kernel" and data[TCP].seq == at
            lan.send(lan.to(LAN) / TCP(sport=4001, dport=2200, flags="RA", seq=113, ack=at + 10))


def test_listeners_of_ours_come_first(both):
    """The kernel listens on the same port, and hears nothing."""
    router, kernel = both
    lan, before = router.lan, rows(router)["lan-k"]["to_kernel_packets"]
    with kernel.listener(7):
        lan.send(lan.to(LAN) / TCP(sport=4002, dport=7, flags="S", seq=1))
        assert lan.expect(lambda f: tcp(f, 7))[TCP].flags == "SA"
        lan.send(lan.to(LAN) / TCP(sport=4002, dport=7, flags="R", seq=2))
        lan.send(lan.to(LAN) / TCP(sport=4003, dport=7, flags="A", seq=1, ack=77))
        assert lan.expect(lambda f: tcp(f, 7))[TCP].flags == "R"  # of no connection: ours, too
        lan.send(lan.to(LAN) / UDP(sport=4002, dport=7) / Raw(b"echo"))
        assert lan.expect(lambda f: UDP in f)[UDP].sport == 7
        lan.send(lan.to(LAN) / ICMP(id=4) / Raw(b"ours"))
        lan.expect(lambda f: ICMP in f and f[ICMP].type == 0)
    assert rows(router)["lan-k"]["to_kernel_packets"] == before


# UDP and ICMP


def test_udp(both):
    router, kernel = both
    lan = router.lan
    with kernel.socket(socket.SOCK_DGRAM, LAN, 5300) as s:
        lan.send(lan.to(LAN) / UDP(sport=1053, dport=5300) / Raw(b"question"))
        assert s.recvfrom(100) == (b"question", (lan.ip, 1053))
        s.sendto(b"answer", (lan.ip, 1053))
        back = lan.expect(lambda f: UDP in f and f[UDP].sport == 5300)
        assert bytes(back[Raw]).startswith(b"answer")  # and what pads the frame


def test_a_closed_udp_port(both):
    router, _ = both
    lan = router.lan
    lan.send(lan.to(LAN) / UDP(sport=1053, dport=5301) / Raw(b"anybody"))
    error = lan.expect(lambda f: ICMP in f)
    assert (error[ICMP].type, error[ICMP].code) == (3, 3) and error[IP].src == LAN


@pytest.mark.end_to_end
def test_a_large_datagram(both):
    """Put together here, it comes up whole: longer than the interface's MTU."""
    router, kernel = both
    lan = router.lan
    data = bytes(i % 251 for i in range(30000))
    with kernel.socket(socket.SOCK_DGRAM, LAN, 5302) as s:
        lan.send(*fragment(lan.to(LAN) / UDP(sport=1053, dport=5302) / Raw(data), 1480))
        assert s.recvfrom(65536) == (data, (lan.ip, 1053))
        s.sendto(data[:5000], (lan.ip, 1053))  # the kernel cuts, too
        parts = [lan.expect(lambda f: IP in f and f[IP].proto == 17) for _ in range(4)]
        assert sum(f[IP].len - 20 for f in parts) == 5008


def test_ping_from_the_kernel(both):
    """By its own ARP, whose answers come up, to a host on the link; and on through the router."""
    router, kernel = both
    lan = router.lan
    lab.sh("ip", "-n", kernel.name, "neigh", "del", lan.ip, "dev", "lan-k")
    with kernel.running("ping", "-c", "1", "-W", str(10 * lab.SLOW), lan.ip) as ping:
        lan.answer_arp(lan.ip)
        asked = lan.expect(lambda f: ICMP in f and f[ICMP].type == 8)
        assert asked[IP].src == LAN and asked[Ether].src == lan.router_mac
        reply = lan.to(LAN) / ICMP(type="echo-reply", id=asked[ICMP].id, seq=asked[ICMP].seq) / \
            asked[Raw]
        lan.send(reply)
        assert ping.wait(20 * lab.SLOW) == 0, ping.stdout.read()
    kernel.knows(lan, "lan-k")


@pytest.mark.parametrize("size", [1473, 3000, 8900])
def test_longer_than_the_ports_mtu(both, size):
    """Somebody has raised the interface's MTU: the port keeps to its own, and the drop has a name."""
    router, kernel = both
    lan = router.lan
    lab.sh("ip", "-n", kernel.name, "link", "set", "lan-k", "mtu", "9000")
    before = router.drops()
    try:
        with kernel.socket(socket.SOCK_DGRAM, LAN, 5304) as s:
            s.sendto(bytes(size), (lan.ip, 9))
            s.sendto(bytes(1472), (lan.ip, 9))
        assert lan.expect(lambda f: UDP in f and f[UDP].sport == 5304)[UDP].len == 1480
        assert router.drops()["PUNT_TOO_LONG"] == before.get("PUNT_TOO_LONG", 0) + 1
    finally:
        lab.sh("ip", "-n", kernel.name, "link", "set", "lan-k", "mtu", "1500")


def test_errors_for_the_kernel(both):
    """An ICMP error about what the kernel has sent is told to the program."""
    router, kernel = both
    lan = router.lan
    with kernel.socket(socket.SOCK_DGRAM, LAN, 5303) as s:
        s.connect((lan.ip, 9))
        s.send(b"hello")
        sent = lan.expect(lambda f: UDP in f and f[UDP].sport == 5303)
        lan.send(lan.to(LAN) / ICMP(type=3, code=3) / sent[IP])
        with pytest.raises(ConnectionRefusedError):
            s.recv(10)


def test_arp_is_answered_once(both):
    """Requests are ours alone."""
    router, _ = both
    lan, before = router.lan, rows(router)["lan-k"]["to_kernel_packets"]
    lan.introduce()
    assert not any(ARP in f and f[ARP].op == 2 for f in router.settle()["lan"])
    assert rows(router)["lan-k"]["to_kernel_packets"] == before


# groups and other protocols


def hello(port):
    return port.to_all("224.0.0.5", link=ALL_OSPF, proto=89, ttl=1) / \
        OSPF_Hdr(src="198.18.0.1") / OSPF_Hello(router="198.18.0.1")


def test_groups_that_nobody_joined(both):
    router, _ = both
    up = rows(router)["lan-k"]["to_kernel_packets"]
    dropped(router, router.lan, hello(router.lan), "ETH_NOT_OURS")
    assert rows(router)["lan-k"]["to_kernel_packets"] == up


def test_unicast_of_other_protocols(both):
    """OSPF to our address comes up, and not as an ICMP error back."""
    router, kernel = both
    lan, seen = router.lan, kernel.packets("lan-k")
    with seen.socket:
        frame = lan.to(LAN, proto=89, ttl=1) / OSPF_Hdr(src="198.18.0.1") / \
            OSPF_Hello(router="198.18.0.1")
        lan.send(frame)
        up = seen.expect(lambda f: IP in f and f[IP].proto == 89)
        assert bytes(up)[:len(frame)] == bytes(frame)


def test_ipv6(both):
    """Frames that we know nothing of come up as they are, those to all do not."""
    router, kernel = both
    lan, seen = router.lan, kernel.packets("lan-k")
    frame = lan.ether() / IPv6(src="2001:2::1", dst="2001:2::2") / Raw(bytes(20))
    with seen.socket:
        lan.send(frame)
        assert bytes(seen.expect(lambda f: IPv6 in f)) == bytes(frame)
        frame[Ether].dst = lab.BROADCAST
        dropped(router, lan, frame, "ETH_TYPE")


def test_vlan(both):
    """It comes up tagged, as what a VLAN's interface on the TAP sends leaves tagged."""
    router, kernel = both
    lan, seen = router.lan, kernel.packets("lan-k")
    frame = lan.ether() / Dot1Q(vlan=10, prio=6) / IP(src="198.18.10.1", dst="198.18.10.254") / \
        UDP(sport=1053, dport=5310) / Raw(b"tagged by the host")
    with seen.socket:
        lan.send(frame)
        assert bytes(seen.expect(lambda f: Dot1Q in f)) == bytes(frame)
        back = Ether(src=lan.router_mac, dst=lan.mac) / Dot1Q(vlan=10) / \
            IP(src="198.18.10.254", dst="198.18.10.1") / UDP(sport=5310, dport=1053) / \
            Raw(b"tagged by the kernel")
        seen.send(back)
        assert bytes(lan.expect(lambda f: UDP in f and f[UDP].sport == 5310)) == bytes(back)


# changes, and what goes wrong


@pytest.fixture
def kernel():
    made = Kernel()
    yield made
    made.delete()


OFF = {"ports": {"lan": {"kernel": ""}, "wan": {"kernel": ""}}}


def link(kernel, iface):
    """What `ip link` says of an interface; None where there is none."""
    found = json.loads(kernel.run("ip", "-j", "link", "show", "dev", iface).stdout or "[]")
    return found[0] if found else None


def carrier(kernel, iface):
    return "NO-CARRIER" not in link(kernel, iface)["flags"]


def closed(router):
    """Who answers for a closed port."""
    lan, ours = router.lan, router.counters()["tcp_resets_out"]
    lan.introduce()  # a neighbour that the kernel has named goes with its interface
    lan.send(lan.to(LAN) / TCP(sport=4000, dport=2222, flags="S", seq=5))
    lan.expect(lambda f: tcp(f, 2222))
    return "millrace" if router.counters()["tcp_resets_out"] > ours else "kernel"


@pytest.mark.end_to_end
def test_on_and_off(kernel, make_router):
    router = make_router(lab.merged(kernel.conf(), OFF))
    assert closed(router) == "millrace" and link(kernel, "lan-k") is None
    assert router.ctl("show", "kernel") == []
    for mtu in 1500, 1300:
        on = {"ports": {"lan": {"kernel": "lan-k", "mtu": mtu}, "wan": {"kernel": "wan-k"}}}
        router.apply(on)
        found = link(kernel, "lan-k")
        assert found["address"] == router.lan.router_mac and found["mtu"] == mtu
        kernel.take_addresses(router)
        assert closed(router) == "kernel"
        router.apply(lab.merged(on, {"ports": {"lan": {"mtu": 1400,
                                                       "mac": "02:00:00:00:01:fd"}}}))
        found = link(kernel, "lan-k")
        assert found["address"] == "02:00:00:00:01:fd" and found["mtu"] == 1400
        router.apply(lab.merged(on, {"ports": {"lan": {"kernel": "other"}}}))
        assert link(kernel, "lan-k") is None and link(kernel, "other") is not None
        router.ctl("config", "rollback")
        router.apply(on)
        assert link(kernel, "other") is None
        router.apply(OFF)
        assert closed(router) == "millrace"
        router.wait_until(lambda: link(kernel, "lan-k") is None, 5, "lan-k is gone")
    router.check_books()


def test_it_ends_with_millrace(kernel, make_router):
    """But a persistent TAP of the operator's is taken, and left."""
    kernel.run("ip", "tuntap", "add", "name", "wan-k", "mode", "tap")
    router = make_router(kernel.conf())
    assert set(rows(router)) == {"lan-k", "wan-k"} and carrier(kernel, "wan-k")
    router.stop()
    assert link(kernel, "lan-k") is None and link(kernel, "wan-k") is not None


def test_the_carrier_is_the_links(kernel, make_router):
    router = make_router(kernel.conf())
    kernel.take_addresses(router)
    far = router.lan.namespace.name
    for state in "down", "up":
        lab.sh("ip", "-n", far, "link", "set", router.lan.iface, state)
        router.wait_until(lambda: carrier(kernel, "lan-k") == (state == "up"), 5, f"it is {state}")
        assert rows(router)["lan-k"]["carrier"] == state
    assert rows(router)["wan-k"]["carrier"] == "up"


def test_an_interface_that_is_down(kernel, make_router):
    """The operator's wish: the kernel takes nothing, and says nothing."""
    router = make_router(kernel.conf())
    lan = router.lan
    router.wait_until(lambda: "UP" in link(kernel, "lan-k")["flags"], 5, "netlink sets it up")
    lab.sh("ip", "-n", kernel.name, "link", "set", "lan-k", "down")
    before = rows(router)["lan-k"]["refused"]
    dropped(router, lan, lan.to(LAN) / UDP(sport=1, dport=2), "PUNT_REFUSED")
    assert rows(router)["lan-k"]["refused"] == before + 1


@pytest.mark.end_to_end
def test_an_interface_that_is_deleted(kernel, make_router):
    router = make_router(kernel.conf())
    kernel.take_addresses(router)
    lab.sh("ip", "-n", kernel.name, "link", "del", "lan-k")
    router.wait_until(lambda: set(rows(router)) == {"wan-k"}, 5, "it is missed")
    assert closed(router) == "millrace" and "deleted lan-k" in router.words()
    router.apply({})
    kernel.take_addresses(router)
    assert closed(router) == "kernel"


@pytest.mark.parametrize("changes, words", [
    ({"ports": {"lan": {"kernel": "lo"}}}, "lo cannot be made: an interface of another kind"),
    ({"system": {"kernel": {"netns": "mrt-none"}}}, "no such namespace"),
], ids=["name", "namespace"])
def test_interfaces_that_cannot_be(kernel, changes, words):
    router = lab.Router(lab.merged(kernel.conf(), changes), introduce=False, wait=False)
    try:
        assert router.daemon.wait(30 * lab.SLOW) == 1
        assert words in router.words()
    finally:
        router.abandon()


def test_an_apply_that_fails_changes_nothing(kernel, make_router):
    router = make_router(lab.merged(kernel.conf(), OFF))
    with pytest.raises(lab.CtlError, match="ports.wan.kernel"):
        router.apply({"ports": {"lan": {"kernel": "lan-k"}, "wan": {"kernel": "lo"}}})
    assert link(kernel, "lan-k") is None and closed(router) == "millrace"
    router.apply({"ports": {"lan": {"kernel": "lan-k"}}})
    with pytest.raises(lab.CtlError, match="another port has it"):
        router.apply({"ports": {"wan": {"kernel": "lan-k"}}})
    assert set(rows(router)) == {"lan-k"}


# floods


def test_a_flood_leaves_bgp_alone(kernel, make_router):
    """Closed UDP ports have a bucket, routing protocols another."""
    router = make_router(kernel.conf(limits={"punt_rate": 10}))
    kernel.take_addresses(router)
    lan = router.lan
    with kernel.listener(179) as server:
        lan.send(*[lan.to(LAN) / UDP(sport=1, dport=4000 + i) for i in range(200)])
        lan.send(lan.to(LAN) / TCP(sport=4179, dport=179, flags="S", seq=1))
        assert lan.expect(lambda f: tcp(f, 179))[TCP].flags == "SA"
        server.close()
    assert router.drops()["PUNT_LIMITED"] > 100


def test_a_flood_up(kernel, make_router):
    """More than a small ring holds, at a rate that nothing polices: each one is in the books."""
    router = make_router(kernel.conf(limits={"punt_rate": 1000000, "punt_queue": 16}))
    kernel.take_addresses(router)
    lan, n = router.lan, 2000
    frame = bytes(lan.to(LAN) / UDP(sport=1, dport=5300) / Raw(b"flood"))
    with kernel.socket(socket.SOCK_DGRAM, LAN, 5300):
        router.settle()
        before = router.counters()["punted"]
        for _ in range(n):
            lan.socket.send(frame)
        calm_down(router)
        drops = router.drops()
        punted = router.counters()["punted"] - before
    assert punted + drops["PUNT_FULL"] + drops["PUNT_REFUSED"] <= n and punted > 0
    router.check_books()


def test_a_flood_down(kernel, make_router):
    """What the kernel sends too fast it drops itself; the rest goes out."""
    router = make_router(kernel.conf(workers=2, limits={"punt_queue": 16}))
    kernel.take_addresses(router)
    lan, n = router.lan, 3000
    with kernel.socket(socket.SOCK_DGRAM, LAN, 5300) as s:
        for _ in range(n):
            s.sendto(b"flood", (lan.ip, 9))
    calm_down(router)
    sent = router.counters()["from_kernel"]
    assert 0 < sent and rows(router)["lan-k"]["from_kernel_packets"] <= n + 100
    router.check_books()


@pytest.mark.end_to_end
def test_frames_of_several_buffers(kernel, make_router):
    """Both ways; as jumbo frames are with buffers of the usual size."""
    router = make_router(kernel.conf(limits={"mbuf_size": 1024}))
    kernel.take_addresses(router)
    lan, data = router.lan, bytes(i % 253 for i in range(1472))
    with kernel.socket(socket.SOCK_DGRAM, LAN, 5300) as s:
        lan.send(lan.to(LAN) / UDP(sport=1053, dport=5300) / Raw(data))
        assert s.recvfrom(65536) == (data, (lan.ip, 1053))
        s.sendto(data, (lan.ip, 1053))
        assert bytes(lan.expect(lambda f: UDP in f and f[UDP].sport == 5300)[Raw]) == data


def test_changes_under_traffic(kernel, make_router):
    """On and off while packets are on their way in every ring: none is lost to the books."""
    router = make_router(kernel.conf(workers=2, limits={"punt_rate": 1000000}))
    kernel.take_addresses(router)
    lan, buffers = router.lan, []
    frames = [bytes(lan.to(LAN) / UDP(sport=i, dport=5300) / Raw(bytes(i))) for i in range(300)]
    with kernel.socket(socket.SOCK_DGRAM, "0.0.0.0", 5300) as s:
        s.setblocking(False)
        for turn in range(6 if lab.SOAK else 4):
            for i, frame in enumerate(frames):
                lan.socket.send(frame)
                with contextlib.suppress(OSError):  # off, or its queue is full
                    s.sendto(bytes(i), (lan.ip, 9))
                if i == len(frames) // 2:
                    router.apply({} if turn % 2 else {"ports": {"lan": {"kernel": ""}}})
            if turn % 2:
                kernel.take_addresses(router)
            calm_down(router)
            router.check_books()
            buffers.append(router.counters()["mbufs"]["in_use"])
    assert router.counters()["punted"] > 0
    assert max(buffers[2:]) <= buffers[1] + 300, buffers  # empty ones for the kernel's frames
