# SPDX-License-Identifier: BSD-3-Clause
"""What the settings of local delivery change: ICMP's limits, broadcasts, source routes, TTL."""
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from support.lab import moved
from support.packets import internet_sum, ip_bytes

BIG = {"services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"}}}


def frames_without_route(router, number, sources=1):
    """UDP to nowhere, from as many sources as asked, in turn."""
    return [router.lan.to("100.64.0.1", src=f"198.18.0.{100 + n % sources}") /
            UDP(sport=1, dport=2) for n in range(number)]


def errors_of(router, frames):
    for source in {frame[IP].src for frame in frames}:
        router.lan.introduce(source)
    before = router.counters()
    out = router.send(router.lan, *frames).out["lan"]
    after = moved(before, router.counters())
    assert all(frame[ICMP].type == 3 for frame in out)
    assert after.get("icmp_errors_limited", 0) == len(frames) - len(out)
    return len(out)


def test_errors_in_all_are_limited(make_router):
    router = make_router({"icmp": {"error_rate": 40}})
    assert 40 <= errors_of(router, frames_without_route(router, 200, sources=10)) <= 80


def test_no_errors_at_all(make_router):
    router = make_router({"icmp": {"error_rate": 0}})
    assert errors_of(router, frames_without_route(router, 10)) == 0


def test_errors_of_one_type_are_limited(make_router):
    router = make_router({"icmp": {"type_rate": 20}})
    assert 20 <= errors_of(router, frames_without_route(router, 100, sources=4)) <= 60
    expired = router.lan.to(router.wan.ip, ttl=1) / UDP(sport=1, dport=2)
    out = router.send(router.lan, *[expired] * 10).out["lan"]
    assert [frame[ICMP].type for frame in out] == [11] * 10, "another type has a limit of its own"


@pytest.mark.parametrize("dst", ["198.18.0.255", "255.255.255.255"])
def test_echo_to_a_broadcast_is_answered(make_router, dst):
    """RFC 1122 3.2.2.6: from the interface's own address."""
    router = make_router({"icmp": {"echo_broadcast": True}})
    out = router.send(router.lan, router.lan.to_all(dst) / ICMP(id=3)).only(router.lan)
    assert (out[IP].src, out[IP].dst, out[ICMP].type) == ("198.18.0.254", router.lan.ip, 0)
    packet = ip_bytes(out)
    assert internet_sum(packet[:20]) == internet_sum(packet[20:]) == 0


def source_routed(router, kind, via, pointer=4, to="198.18.0.254"):
    route = b"".join(bytes(map(int, address.split("."))) for address in via)
    option = bytes([kind, 3 + len(route), pointer]) + route + b"\0"
    packet = bytearray(bytes(IP(src=router.lan.ip, dst=to, proto=17, ihl=5 + len(option) // 4,
                                len=28 + len(option), chksum=0))[:20] + option)
    packet[10:12] = internet_sum(bytes(packet)).to_bytes(2, "big")
    return bytes(router.lan.ether(type=0x0800)) + bytes(packet) + bytes(UDP(sport=1, dport=2))


@pytest.mark.parametrize("kind", [0x83, 0x89])
def test_source_route_is_followed(make_router, kind):
    """RFC 1812 5.2.4.1: on to the next address, ours by which it leaves in its place."""
    router = make_router({"ip4": {"source_route": "forward"}})
    sent = source_routed(router, kind, [router.wan.ip])
    out = router.send(router.lan, sent).only(router.wan)
    packet = ip_bytes(out)
    assert out[IP].dst == router.wan.ip and out[IP].ttl == 63
    assert packet[20:27] == bytes([kind, 7, 8, 198, 18, 1, 254]) and internet_sum(packet[:28]) == 0


def test_strict_route_to_no_neighbour(make_router):
    """RFC 1812 5.2.4.1: source route failed."""
    router = make_router({"ip4": {"source_route": "forward"},
                          "routes": [{"prefix": "203.0.113.0/24", "via": "198.18.1.1"}]})
    out = router.send(router.lan, source_routed(router, 0x89, ["203.0.113.1"])).only(router.lan)
    assert (out[ICMP].type, out[ICMP].code) == (3, 5)
    loose = router.send(router.lan, source_routed(router, 0x83, ["203.0.113.1"]))
    assert loose.only(router.wan)[IP].dst == "203.0.113.1"


def test_ttl_of_our_own(make_router):
    router = make_router({"ip4": {"ttl": 255}})
    out = router.send(router.lan, router.lan.to("198.18.0.254") / ICMP()).only(router.lan)
    assert out[IP].ttl == 255
    error = router.send(router.lan, router.lan.to("100.64.0.1") / UDP()).only(router.lan)
    assert error[IP].ttl == 255


@pytest.mark.end_to_end
def test_the_largest_datagram(make_router):
    """65,535 bytes come in 45 fragments, are echoed, and go out in as many."""
    router = make_router(BIG)
    data = bytes(n * 31 % 253 for n in range(65507))
    whole = ip_bytes(router.lan.to("198.18.0.254") / UDP(sport=4000, dport=7) / Raw(data))[20:]
    frames = [router.lan.to("198.18.0.254", id=1, proto=17, frag=at // 8,
                            flags="MF" if at + 1480 < len(whole) else 0) / Raw(whole[at:at + 1480])
              for at in range(0, len(whole), 1480)]
    out = router.send(router.lan, *frames).out["lan"]
    assert len(frames) == len(out) == 45
    back = b"".join(ip_bytes(frame)[20:] for frame in out)
    assert back[8:] == data and back[:4] == b"\0\x07\x0f\xa0"
    assert back[6:8] == whole[6:8], "the checksum is a sum of what was only swapped"


def test_fewer_fragments(make_router):
    router = make_router({**BIG, "reassembly": {"fragments": 2}})
    whole = ip_bytes(router.lan.to("198.18.0.254") / UDP(sport=4000, dport=7) / Raw(b"x" * 40))[20:]
    frames = [router.lan.to("198.18.0.254", id=1, proto=17, frag=at // 8,
                            flags="MF" if at < 32 else 0) / Raw(whole[at:at + 16])
              for at in range(0, 48, 16)]
    router.send(router.lan, *frames).nothing(REASM_MANY=3)
