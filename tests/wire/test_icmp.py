# SPDX-License-Identifier: BSD-3-Clause
"""ICMP: the echo server, each error, and when none may be sent (RFC 792, 1122 3.2.2, 1812 4.3)."""
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror
from scapy.packet import Raw

from support.lab import moved
from support.packets import checksums_hold, ip_bytes

pytestmark = pytest.mark.on_cards

CONFIG = {
    "ports": {"wan": {"mtu": 1280}},
    "routes": [
        {"prefix": "203.0.113.0/24", "via": "198.18.0.7"},
        {"prefix": "192.0.2.0/24", "unreachable": True},
    ],
}


@pytest.fixture(autouse=True)
def gateway(router):
    """The gateway of CONFIG is there, so that nobody asks for it meanwhile."""
    router.lan.introduce("198.18.0.7")
    router.settle()


def error(router, sent, kind, code, port=None):
    """Sends a frame; the only thing that comes out is this error about it, and it is well made."""
    port = port or router.lan
    out = router.send(port, sent).only(port)
    message, about = out[ICMP], ip_bytes(sent)
    assert (message.type, message.code) == (kind, code), out.show(dump=True)
    assert (out[IP].src, out[IP].dst) == (port.router_ip, sent[IP].src)
    assert out[IP].tos == 0xc0, "precedence 6 (RFC 1812 4.3.2.5)"
    assert checksums_hold(out)
    # RFC 1812 4.3.2.3: as much of the packet as fits in 576 bytes. It is quoted as it came.
    quoted = ip_bytes(out)[28:]
    assert quoted == about[:576 - 28]
    return message


# --- echo ---

@pytest.mark.end_to_end
@pytest.mark.parametrize("size", [0, 1, 7, 18, 56, 1000, 1471, 1472])
def test_echo(router, size):
    data = Raw(bytes(n % 251 for n in range(size)))
    sent = router.lan.to("198.18.0.254") / ICMP(id=7, seq=size) / data
    out = router.send(router.lan, sent).only(router.lan)
    assert (out[IP].src, out[IP].dst) == ("198.18.0.254", router.lan.ip)
    assert (out[ICMP].type, out[ICMP].code, out[ICMP].id, out[ICMP].seq) == (0, 0, 7, size)
    assert ip_bytes(out)[28:] == ip_bytes(sent)[28:]
    assert out[IP].ttl == 64 and checksums_hold(out)


def test_echo_of_the_far_address(router):
    """The reply's source is the address that was asked, not the one that it leaves by."""
    out = router.send(router.lan, router.lan.to("198.18.1.254") / ICMP()).only(router.lan)
    assert out[IP].src == "198.18.1.254" and out[ICMP].type == 0


def test_echo_with_ttl_of_one(router):
    """RFC 1812 5.3.1: a packet for the router itself is not refused for its TTL."""
    out = router.send(router.lan, router.lan.to("198.18.0.254", ttl=1) / ICMP()).only(router.lan)
    assert out[ICMP].type == 0


def test_echo_with_a_wrong_checksum(router):
    router.send(router.lan, router.lan.to("198.18.0.254") / ICMP(chksum=0x1234)).nothing(ICMP_BAD=1)


@pytest.mark.parametrize("dst", ["198.18.0.255", "255.255.255.255"])
def test_echo_to_a_broadcast_is_ignored(router, dst):
    router.send(router.lan, router.lan.to_all(dst) / ICMP()).nothing(ICMP_ECHO_GROUP=1)


@pytest.mark.parametrize("length", range(0, 8))
def test_icmp_cut_short(router, length):
    frame = router.lan.to("198.18.0.254", proto=1) / Raw(bytes(ICMP())[:length])
    router.send(router.lan, frame).nothing(ICMP_BAD=1)


@pytest.mark.parametrize("kind", [0, 1, 2, 4, 6, 7, 9, 10, 13, 14, 15, 17, 30, 40, 255])
def test_types_that_nobody_answers(router, kind):
    outcome = router.send(router.lan, router.lan.to("198.18.0.254") / ICMP(type=kind))
    assert not any(outcome.out.values()), outcome


def test_redirect_is_ignored(router):
    """RFC 1812 4.3.3.2: a router does not follow redirects."""
    routes = router.ctl("show", "routes")
    about = IP(src="198.18.0.254", dst="198.18.1.1") / UDP()
    redirect = router.lan.to("198.18.0.254") / ICMP(type=5, code=1, gw="198.18.0.66") / about
    outcome = router.send(router.lan, redirect)
    assert not any(outcome.out.values())
    assert router.ctl("show", "routes") == routes


# --- errors ---

@pytest.mark.end_to_end
@pytest.mark.parametrize("ttl", [0, 1])
def test_ttl_ran_out(router, ttl):
    error(router, router.lan.to(router.wan.ip, ttl=ttl) / UDP(sport=1) / Raw(b"x" * 30), 11, 0)


def test_no_route(router):
    error(router, router.lan.to("100.64.0.1") / UDP(sport=1, dport=2), 3, 0)


def test_route_that_says_unreachable(router):
    error(router, router.lan.to("192.0.2.1") / UDP(sport=1, dport=2), 3, 1)


def test_no_protocol(router):
    error(router, router.lan.to("198.18.0.254", proto=253) / Raw(b"x" * 20), 3, 2)


def test_no_port(router):
    error(router, router.lan.to("198.18.0.254") / UDP(sport=1, dport=9999) / Raw(b"x" * 20), 3, 3)


def test_too_big_with_dont_fragment(router):
    sent = router.lan.to(router.wan.ip, flags="DF") / UDP(sport=1, dport=2) / Raw(b"x" * 1253)
    assert error(router, sent, 3, 4).nexthopmtu == 1280


def test_just_big_enough(router):
    sent = router.lan.to(router.wan.ip, flags="DF") / UDP(sport=1, dport=2) / Raw(b"x" * 1252)
    assert router.send(router.lan, sent).only(router.wan)[IP].len == 1280


@pytest.mark.parametrize("length", [0, 8, 519, 520, 521, 1400])
def test_quote_fits_576_bytes(router, length):
    error(router, router.lan.to("100.64.0.1") / UDP(sport=1, dport=2) / Raw(b"q" * length), 3, 0)


def test_error_goes_back_by_the_port_the_packet_came_in(router):
    error(router, router.wan.to("100.64.0.1") / UDP(sport=1, dport=2), 3, 0, port=router.wan)


def test_error_about_a_packet_with_options(router):
    sent = router.lan.to(router.wan.ip, ttl=1, options=b"\x01\x01\x01\x00") / UDP(sport=1, dport=2)
    error(router, sent, 11, 0)


# --- when none may be sent (RFC 1812 4.3.2.7) ---

@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12])
def test_no_error_about_an_error(router, kind):
    about = IP(src=router.wan.ip, dst=router.lan.ip) / UDP(sport=1, dport=2)
    outcome = router.send(router.lan, router.lan.to(router.wan.ip, ttl=1) / ICMP(type=kind) / about)
    outcome.nothing(TTL_EXCEEDED=1)


def test_error_about_an_echo(router):
    error(router, router.lan.to(router.wan.ip, ttl=1) / ICMP(), 11, 0)


@pytest.mark.parametrize("fields", [{"frag": 1}, {"frag": 100, "flags": "MF"}])
def test_no_error_about_a_later_fragment(router, fields):
    frame = router.lan.to(router.wan.ip, ttl=1, proto=17, **fields) / Raw(b"x" * 24)
    router.send(router.lan, frame).nothing(TTL_EXCEEDED=1)


def test_error_about_a_first_fragment(router):
    error(router, router.lan.to(router.wan.ip, ttl=1, flags="MF", proto=17) / Raw(b"x" * 24), 11, 0)


def test_no_error_about_a_broadcast(router):
    frame = router.lan.to_all("198.18.0.255") / UDP(sport=1, dport=9999)
    router.send(router.lan, frame).one_drop()


def test_no_error_about_a_link_broadcast(router):
    router.send(router.lan, router.lan.to_all("198.18.0.254") / UDP(sport=1, dport=9999)).one_drop()


# --- rate limits ---

def test_errors_to_one_source_are_limited(make_router):
    """A burst of 100, then 100 a second; a second source has a bucket of its own."""
    router = make_router()
    router.lan.introduce("198.18.0.50")
    before, begun = router.counters(), time.monotonic()
    frame = bytes(router.lan.to("100.64.0.1") / UDP(sport=1, dport=2))
    out = router.send(router.lan, *[frame] * 300).out["lan"]
    assert 100 <= len(out) <= 101 + 100 * (time.monotonic() - begun), len(out)
    other = router.lan.to("100.64.0.1", src="198.18.0.50") / UDP(sport=1, dport=2)
    assert len(router.send(router.lan, *[other] * 50).out["lan"]) == 50
    assert router.drops()["NO_ROUTE"] == 350
    assert moved(before, router.counters())["icmp_errors_limited"] == 300 - len(out)


def test_echo_is_not_limited(router):
    out = router.send(router.lan, *[router.lan.to("198.18.0.254") / ICMP(id=9)] * 500).out["lan"]
    assert len(out) == 500


# --- redirect (RFC 1812 5.2.7.2) ---

def test_redirect(router):
    """The better gateway is on the sender's own network: told, and the packet is carried."""
    sent = router.lan.to("203.0.113.1") / UDP(sport=1, dport=2) / Raw(b"x" * 20)
    out = router.send(router.lan, sent).out["lan"]
    redirects = [f for f in out if ICMP in f]
    carried = [f for f in out if ICMP not in f]
    assert len(redirects) == len(carried) == 1
    assert carried[0][IP].dst == "203.0.113.1" and carried[0][IP].ttl == 63
    message = redirects[0]
    assert (message[ICMP].type, message[ICMP].code, message[ICMP].gw) == (5, 1, "198.18.0.7")
    assert message[IP].dst == router.lan.ip and message[IPerror].dst == "203.0.113.1"
    assert message[IPerror].ttl == 64 and checksums_hold(message)


def test_no_redirect_for_a_sender_of_another_network(router):
    frame = router.lan.to("203.0.113.1", src="192.0.2.200") / UDP(sport=1, dport=2)
    out = router.send(router.lan, frame).only(router.lan)
    assert ICMP not in out


def test_no_redirect_by_another_port(router):
    frame = router.wan.to("203.0.113.1") / UDP(sport=1, dport=2)
    assert ICMP not in router.send(router.wan, frame).only(router.lan)


# --- TCP for a port that nobody listens on (RFC 9293 3.10.7.1) ---

def test_syn_draws_reset(router):
    sent = router.lan.to("198.18.0.254") / TCP(sport=4000, dport=80, flags="S", seq=1000)
    out = router.send(router.lan, sent).only(router.lan)
    assert (out[TCP].flags, out[TCP].seq, out[TCP].ack) == ("RA", 0, 1001)
    assert (out[TCP].sport, out[TCP].dport) == (80, 4000) and checksums_hold(out)


def test_reset_counts_what_the_segment_took(router):
    segment = TCP(sport=4000, dport=80, flags="SF", seq=0xfffffff0) / Raw(b"x" * 20)
    sent = router.lan.to("198.18.0.254") / segment
    out = router.send(router.lan, sent).only(router.lan)
    assert (out[TCP].flags, out[TCP].seq, out[TCP].ack) == ("RA", 0, 6)


def test_ack_draws_reset_with_its_number(router):
    sent = router.lan.to("198.18.0.254") / TCP(sport=4000, dport=80, flags="A", seq=5, ack=777)
    out = router.send(router.lan, sent).only(router.lan)
    assert (out[TCP].flags, out[TCP].seq, out[TCP].ack) == ("R", 777, 0)


@pytest.mark.parametrize("flags", ["R", "RA", "SR"])
def test_reset_draws_nothing(router, flags):
    sent = router.lan.to("198.18.0.254") / TCP(sport=4000, dport=80, flags=flags)
    router.send(router.lan, sent).nothing(TCP_NO_PORT=1)


def test_segment_with_a_wrong_checksum(router):
    sent = router.lan.to("198.18.0.254") / TCP(sport=4000, dport=80, flags="S", chksum=1)
    router.send(router.lan, sent).nothing(TCP_BAD=1)


@pytest.mark.parametrize("offset", [0, 4, 6, 15])
def test_header_length_that_is_wrong(router, offset):
    sent = router.lan.to("198.18.0.254") / TCP(sport=4000, dport=80, flags="S", dataofs=offset)
    router.send(router.lan, sent).nothing(TCP_BAD=1)


def test_syn_to_a_broadcast_draws_nothing(router):
    frame = router.lan.to_all("198.18.0.255") / TCP(sport=4000, dport=80, flags="S")
    router.send(router.lan, frame).one_drop()
