# SPDX-License-Identifier: BSD-3-Clause
"""IPv4 through the router: what is accepted, what a forwarded packet looks like, where it goes."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from support import lab
from support.packets import TFTP_READ, checksums_hold, internet_sum, ip_bytes

pytestmark = pytest.mark.on_cards

CONFIG = {
    "routes": [
        {"prefix": "203.0.113.0/24", "via": "198.18.1.1"},
        {"prefix": "203.0.113.128/25", "blackhole": True},
        {"prefix": "203.0.113.192/26", "unreachable": True},
        {"prefix": "203.0.113.200/32", "via": "198.18.1.1"},
    ],
}


def forwarded(router, frame):
    return router.send(router.lan, frame).only(router.wan)


# --- what a forwarded packet looks like ---

@pytest.mark.end_to_end
def test_forwarded(router):
    """TTL and header checksum change, and the Ethernet header; nothing else (RFC 1812 5.2.1)."""
    sent = router.lan.to(router.wan.ip, id=0x1234, tos=0xb8, ttl=17) / UDP(sport=5) / Raw(b"x" * 99)
    out = forwarded(router, sent)
    assert (out.src, out.dst) == (router.wan.router_mac, router.wan.mac)
    assert out[IP].ttl == 16
    before, after = bytearray(bytes(sent[IP])), bytearray(ip_bytes(out))
    assert internet_sum(after[:20]) == 0
    before[8] = after[8]
    before[10:12] = after[10:12]
    assert before == after


def test_tftp_read_request_as_on_the_wire(router):
    """The captured packet crosses the router as it is, but for its first stop."""
    frame = Ether(TFTP_READ)
    frame.dst, frame[IP].src, frame[IP].dst = router.lan.router_mac, router.lan.ip, router.wan.ip
    del frame[IP].chksum, frame[UDP].chksum
    out = forwarded(router, frame)
    assert len(out) == 97 and out[IP].ttl == 127 and out[IP].id == 0x9325
    assert bytes(out[UDP].payload) == TFTP_READ[42:]
    assert checksums_hold(out)


@pytest.mark.parametrize("protocol", [0, 1, 2, 6, 17, 41, 47, 50, 89, 132, 253, 255])
def test_any_protocol_is_carried(router, protocol):
    out = forwarded(router, router.lan.to(router.wan.ip, proto=protocol) / Raw(b"payload" * 9))
    assert out[IP].proto == protocol and bytes(out[IP].payload) == b"payload" * 9


@pytest.mark.parametrize("wanted", [0x0000, 0x0001, 0x00ff, 0x0100, 0xfefe, 0xfeff, 0xff00, 0xfffe])
def test_checksum_at_its_corners(router, wanted):
    """RFC 1624: an incremental update may not turn 0x0000 into 0xffff or the other way."""
    header = bytearray(bytes(router.lan.to(router.wan.ip, id=0, proto=253, chksum=wanted)[IP]))
    header[4:6] = internet_sum(bytes(header)).to_bytes(2, "big")  # the id that makes it right
    assert internet_sum(bytes(header)) == 0
    out = ip_bytes(forwarded(router, bytes(router.lan.ether(type=0x0800)) + bytes(header)))
    assert internet_sum(out) == 0
    checksum = internet_sum(out[:10] + b"\0\0" + out[12:])
    assert int.from_bytes(out[10:12], "big") == checksum


def test_every_size_up_to_the_mtu(router):
    for length in (0, 1, 7, 8, 17, 18, 19, 100, 1471, 1472):
        frame = router.lan.to(router.wan.ip, flags="DF") / UDP(sport=1) / Raw(b"z" * length)
        out = forwarded(router, frame)
        assert out[IP].len == 28 + length and out[IP].flags == "DF" and checksums_hold(out)


def test_order_within_a_flow_is_kept(router):
    frames = [router.lan.to(router.wan.ip, id=n) / UDP(sport=1, dport=2) for n in range(300)]
    out = router.send(router.lan, *frames).out["wan"]
    assert [frame[IP].id for frame in out] == list(range(300))


def test_both_ways(router):
    frame = router.wan.to(router.lan.ip) / TCP(sport=1, dport=2)
    out = router.send(router.wan, frame).only(router.lan)
    assert (out.src, out.dst, out[IP].ttl) == (router.lan.router_mac, router.lan.mac, 63)


# --- what is not accepted (RFC 1812 5.2.2, 5.3.7) ---

def header(router, offset, value, fix=True):
    """A frame whose IPv4 header has other bytes at an offset, with its checksum right or not."""
    frame = bytearray(bytes(router.lan.to(router.wan.ip) / UDP(sport=1, dport=2) / Raw(b"x" * 40)))
    frame[14 + offset:14 + offset + len(value)] = value
    if fix:
        size = max(20, 4 * (frame[14] & 15))
        frame[24:26] = b"\0\0"
        frame[24:26] = internet_sum(bytes(frame[14:14 + size])).to_bytes(2, "big")
    return bytes(frame)


@pytest.mark.parametrize("reason, offset, value, fix", [
    ("IP4_VERSION", 0, b"\x55", True),
    ("IP4_VERSION", 0, b"\x65", True),
    ("IP4_VERSION", 0, b"\x05", True),
    ("IP4_IHL", 0, b"\x44", True),
    ("IP4_IHL", 0, b"\x40", True),
    ("IP4_LENGTH", 2, b"\x00\x13", True),
    ("IP4_LENGTH", 2, b"\x00\x00", True),
    ("IP4_LENGTH", 2, b"\x00\x45", True),
    ("IP4_LENGTH", 2, b"\xff\xff", True),
    ("IP4_CSUM", 10, b"\x00\x00", False),
    ("IP4_CSUM", 10, b"\xff\xff", False),
    ("IP4_CSUM", 8, b"\x3f", False),
    ("IP4_CSUM", 19, b"\x02", False),
])
def test_header_that_is_wrong(router, reason, offset, value, fix):
    router.send(router.lan, header(router, offset, value, fix)).nothing(**{reason: 1})


def test_header_length_beyond_the_packet(router):
    """IHL 15 says 60 bytes: more than the total length."""
    frame = header(router, 0, b"\x4f\x00\x00\x28")
    router.send(router.lan, frame).one_drop("IP4_IHL", "IP4_LENGTH")


@pytest.mark.parametrize("source", [
    "0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "224.0.0.1", "239.1.2.3", "240.0.0.1",
    "255.255.255.254", "255.255.255.255"])
def test_martian_source(router, source):
    frame = router.lan.to(router.wan.ip, src=source) / UDP(sport=1, dport=2)
    router.send(router.lan, frame).nothing(IP4_SRC_MARTIAN=1)


@pytest.mark.parametrize("dst", ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.9.9.9", "240.0.0.1"])
def test_martian_destination(router, dst):
    frame = router.lan.to(dst) / UDP(sport=1, dport=2)
    router.send(router.lan, frame).nothing(IP4_DST_MARTIAN=1)


def test_limited_broadcast_is_not_forwarded(router):
    router.send(router.lan, router.lan.to_all() / UDP(sport=1, dport=2)).one_drop()


def test_directed_broadcast_is_off(router):
    """RFC 2644: not forwarded, and no error is sent about a broadcast."""
    frame = router.lan.to("198.18.1.255") / UDP(sport=1, dport=2)
    router.send(router.lan, frame).nothing(BROADCAST=1)


def test_multicast_is_not_forwarded(router):
    frame = router.lan.to_all("239.1.2.3", link="01:00:5e:01:02:03", ttl=9) / UDP(sport=1, dport=2)
    router.send(router.lan, frame).one_drop()


@pytest.mark.parametrize("group", ["ff:ff:ff:ff:ff:ff", "01:00:5e:01:02:03"])
def test_unicast_inside_a_link_broadcast(router, group):
    """RFC 1812 5.3.4: not forwarded, and no error (4.3.2.7)."""
    frame = router.lan.to_all(router.wan.ip, link=group) / UDP(sport=1, dport=2)
    router.send(router.lan, frame).one_drop("IP4_LINK_GROUP", "ETH_NOT_OURS")


# --- where it goes ---

def test_longest_prefix_wins(router):
    wan = router.wan.mac
    assert forwarded(router, router.lan.to("203.0.113.5") / UDP()).dst == wan
    router.send(router.lan, router.lan.to("203.0.113.130") / UDP()).nothing(BLACKHOLE=1)
    assert forwarded(router, router.lan.to("203.0.113.200") / UDP()).dst == wan
    error = router.send(router.lan, router.lan.to("203.0.113.201") / UDP()).only(router.lan)
    assert (error[ICMP].type, error[ICMP].code) == (3, 1)


def test_next_hop_is_asked_for_not_the_destination(make_router):
    router = make_router({"routes": [{"prefix": "0.0.0.0/0", "via": "198.18.1.50"}]})
    frame = router.lan.to("192.0.2.1") / UDP(sport=1, dport=2)
    router.lan.send(frame)
    router.wan.answer_arp("198.18.1.50")
    router.lan.send(frame)  # the first is lost if the gateway was asked for in vain since the start
    assert router.wan.expect(lambda f: UDP in f)[IP].dst == "192.0.2.1"


def test_out_of_the_port_it_came_in_by(router):
    """A host of the same network that is reached through us: carried, and told (see redirects)."""
    router.lan.introduce("198.18.0.40")
    outcome = router.send(router.lan, router.lan.to("198.18.0.40") / UDP(sport=1, dport=2))
    assert [f[IP].dst for f in outcome.out["lan"] if UDP in f and ICMP not in f] == ["198.18.0.40"]


# --- the operator's routes ---

def test_route_added_and_deleted(router):
    frame = router.lan.to("192.0.2.7") / UDP(sport=1, dport=2)
    router.ctl("route", "add", "192.0.2.0/24", "via", router.wan.ip)
    assert forwarded(router, frame)[IP].dst == "192.0.2.7"
    router.ctl("route", "del", "192.0.2.0/24")
    assert router.send(router.lan, frame).drops == {"NO_ROUTE": 1}


def test_counters_of_the_port(router):
    before = {row["name"]: row for row in router.ctl("show", "ports")}
    frames = [router.lan.to(router.wan.ip) / UDP(sport=1, dport=2) / Raw(b"x" * 72)] * 10
    router.lan.send(*frames)
    for _ in frames:
        router.wan.expect(lambda f: UDP in f and ARP not in f)
    after = {row["name"]: row for row in router.ctl("show", "ports")}
    for port, way in ("lan", "rx"), ("wan", "tx"):
        packets, octets = (after[port][f"{way}_{what}"] - before[port][f"{way}_{what}"]
                           for what in ("packets", "bytes"))
        assert packets == 10
        assert octets in (10 * len(frames[0]), 10 * (len(frames[0]) + lab.FCS))
