# SPDX-License-Identifier: BSD-3-Clause
"""UDP for the router itself: echo (RFC 862), discard (RFC 863), and datagrams that are wrong."""
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from support.packets import checksums_hold

pytestmark = pytest.mark.on_cards

CONFIG = {
    "services": {
        "echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"},
        "discard": {"kind": "udp-discard", "listen": "0.0.0.0:9"},
        "echo-far": {"kind": "udp-echo", "listen": "198.18.1.254:77"},
    },
}


@pytest.mark.end_to_end
@pytest.mark.parametrize("size", [0, 1, 2, 511, 1472])
@pytest.mark.parametrize("address", ["198.18.0.254", "198.18.1.254"])
def test_echo(router, size, address):
    sent = router.lan.to(address) / UDP(sport=4000, dport=7) / Raw(b"e" * size)
    out = router.send(router.lan, sent).only(router.lan)
    assert (out[IP].src, out[IP].dst) == (address, router.lan.ip)
    assert (out[UDP].sport, out[UDP].dport, out[UDP].len) == (7, 4000, 8 + size)
    assert bytes(out[UDP].payload)[:size] == b"e" * size and checksums_hold(out)


def test_discard(router):
    sent = router.lan.to("198.18.0.254") / UDP(sport=4000, dport=9) / Raw(b"x")
    outcome = router.send(router.lan, sent)
    assert not any(outcome.out.values()) and not outcome.drops
    assert outcome.counters["udp_discard"] == 1


def test_service_of_one_address(router):
    sent = router.lan.to("198.18.1.254") / UDP(sport=4000, dport=77) / Raw(b"x")
    assert UDP in router.send(router.lan, sent).only(router.lan)
    sent = router.lan.to("198.18.0.254") / UDP(sport=4000, dport=77) / Raw(b"x")
    error = router.send(router.lan, sent).only(router.lan)
    assert (error[ICMP].type, error[ICMP].code) == (3, 3)


def test_no_checksum_is_accepted(router):
    """RFC 768: zero means that the sender made none."""
    sent = router.lan.to("198.18.0.254") / UDP(sport=4000, dport=7, chksum=0) / Raw(b"x")
    out = router.send(router.lan, sent).only(router.lan)
    assert out[UDP].chksum == 0 or checksums_hold(out)


def test_wrong_checksum(router):
    sent = router.lan.to("198.18.0.254") / UDP(sport=4000, dport=7, chksum=0x1234) / Raw(b"x")
    router.send(router.lan, sent).nothing(UDP_BAD=1)


@pytest.mark.parametrize("length", [0, 7, 30, 65535])
def test_wrong_length(router, length):
    datagram = UDP(sport=4000, dport=7, len=length, chksum=0) / Raw(b"x" * 21)
    router.send(router.lan, router.lan.to("198.18.0.254") / datagram).nothing(UDP_BAD=1)


def test_length_below_the_packet(router):
    """RFC 768: the datagram ends where its own length says; the rest is not data."""
    datagram = UDP(sport=4000, dport=7, len=10, chksum=0) / Raw(b"abcdefgh")
    outcome = router.send(router.lan, router.lan.to("198.18.0.254") / datagram)
    if not outcome.drops:
        assert bytes(outcome.only(router.lan)[UDP].payload)[:2] == b"ab"
        assert outcome.only(router.lan)[UDP].len == 10


def test_broadcast_is_not_echoed(router):
    frame = router.lan.to_all("198.18.0.255") / UDP(sport=4000, dport=7)
    router.send(router.lan, frame).nothing(LOCAL_GROUP=1)


@pytest.mark.parametrize("sport", [0, 7, 9, 19])
def test_echo_does_not_start_a_loop(router, sport):
    """Whatever is answered, it is one datagram: two echo services must not talk for ever."""
    sent = router.lan.to("198.18.0.254") / UDP(sport=sport, dport=7) / Raw(b"x")
    assert len(router.send(router.lan, sent).out["lan"]) <= 1
