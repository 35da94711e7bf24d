# SPDX-License-Identifier: BSD-3-Clause
"""The kernel path: what nobody in millrace takes comes up in a port's punt interface, and the
kernel's own frames go out of the port; with one worker and with two.

The kernel is that of a namespace of its own, on whose TAPs the test puts the ports' addresses.
"""
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


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def pair(request):
    kernel = Kernel()
    try:
        router = lab.Router(kernel.conf(workers=request.param))
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
    lan = router.lan
    out = router.send(lan, lan.arp("who-has")).out["lan"]
    assert len([f for f in out if ARP in f and f[ARP].op == 2]) == 1


# groups and other protocols


def hello(port):
    return port.to_all("224.0.0.5", link=ALL_OSPF, proto=89, ttl=1) / \
        OSPF_Hdr(src="198.18.0.1") / OSPF_Hello(router="198.18.0.1")


def test_groups_that_nobody_joined(both):
    router, kernel = both
    lan = router.lan
    with kernel.packets("lan-k").socket:
        router.send(lan, hello(lan)).nothing(ETH_NOT_OURS=1)


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
        router.send(lan, frame).nothing(ETH_TYPE=1)


def test_vlan(both):
    """It comes up tagged, as what a VLAN's interface on the TAP sends leaves tagged."""
    router, kernel = both
    lan, seen = router.lan, kernel.packets("lan-k")
    frame = lan.ether() / Dot1Q(vlan=10) / IP(src="198.18.10.1", dst="198.18.10.254") / \
        UDP(sport=1053, dport=5310) / Raw(b"tagged by the host")
    with seen.socket:
        lan.send(frame)
        assert bytes(seen.expect(lambda f: Dot1Q in f)) == bytes(frame)
        back = Ether(src=lan.router_mac, dst=lan.mac) / Dot1Q(vlan=10) / \
            IP(src="198.18.10.254", dst="198.18.10.1") / UDP(sport=5310, dport=1053) / \
            Raw(b"tagged by the kernel")
        seen.send(back)
        assert bytes(lan.expect(lambda f: UDP in f and f[UDP].sport == 5310)) == bytes(back)
