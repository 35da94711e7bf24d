# SPDX-License-Identifier: BSD-3-Clause
"""ARP as hosts and routers owe it (RFC 826, 1122 2.3.2, 1812 3.3.2, 5227), and RARP (RFC 903)."""
import time

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from support import lab
from support.lab import BROADCAST
from support.packets import ARP_REPLY, ARP_REQUEST

ANY = "00:00:00:00:00:00"
CONFIG = {
    "rarp": [{"mac": "02:00:00:00:77:01", "address": "198.18.0.77"}],
    "neighbours": {"park_each": 8},
}


def neighbour(router, address):
    """The row of an address in `show neighbours`, or None."""
    rows = [row for row in router.ctl("show", "neighbours") if row["address"] == address]
    assert len(rows) <= 1, rows
    return rows[0] if rows else None


def asks_for(address):
    return lambda frame: ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == address


# --- the responder ---

@pytest.mark.parametrize("padding", [bytes(18), b"\xff" * 18, b""], ids=["zeros", "ones", "none"])
def test_exchange_as_on_the_wire(make_router, padding):
    router = make_router({"ports": {"lan": {"mac": "00:05:5d:a1:b8:40",
                                            "addresses": ["192.168.0.2/24"]}}}, introduce=False)
    router.lan.send(ARP_REQUEST + padding)
    reply = router.lan.expect(lambda f: ARP in f and f[ARP].op == 2)
    assert bytes(reply)[:len(ARP_REPLY)] == ARP_REPLY
    assert len(reply) == 60


@pytest.mark.end_to_end
def test_reply_goes_to_who_asked(router):
    for dst in (BROADCAST, router.lan.router_mac):
        reply = router.send(router.lan, router.lan.arp("who-has", dst=dst)).only(router.lan)
        assert (reply.src, reply.dst) == (router.lan.router_mac, router.lan.mac)
        assert reply[ARP].op == 2
        assert (reply[ARP].hwsrc, reply[ARP].psrc) == (router.lan.router_mac, "198.18.0.254")
        assert (reply[ARP].hwdst, reply[ARP].pdst) == (router.lan.mac, router.lan.ip)


def test_another_address_is_not_answered_for(router):
    router.send(router.lan, router.lan.arp("who-has", pdst="198.18.0.9")).nothing(ARP_NOT_OURS=1)


def test_probe_of_our_address_is_answered(router):
    """RFC 5227 2.1.1: a probe has no sender address; nothing is learnt from it."""
    reply = router.send(router.lan, router.lan.arp("who-has", psrc="0.0.0.0")).only(router.lan)
    assert reply[ARP].op == 2 and reply[ARP].psrc == "198.18.0.254"
    assert neighbour(router, "0.0.0.0") is None


MALFORMED = {  # offset into the frame and what stands there instead
    "hardware type": (14, "0006"),
    "protocol type": (16, "86dd"),
    "hardware length": (18, "07"),
    "protocol length": (19, "06"),
    "operation 0": (20, "0000"),
    "operation 5": (20, "0005"),
    "operation 65535": (20, "ffff"),
}


@pytest.mark.parametrize("offset, value", MALFORMED.values(), ids=MALFORMED)
def test_malformed(router, offset, value):
    frame, value = bytes(router.lan.arp("who-has")), bytes.fromhex(value)
    frame = frame[:offset] + value + frame[offset + len(value):]
    router.send(router.lan, frame).nothing(ARP_BAD=1)


def test_cut_short(router):
    whole = bytes(router.lan.arp("who-has"))
    for length in range(14, len(whole)):
        reasons = ("ARP_BAD", "ETH_SHORT") if length >= lab.LEAST else ()
        router.send(router.lan, whole[:length]).one_drop(*reasons)


@pytest.mark.parametrize("hardware", [BROADCAST, "01:00:5e:00:00:01", ANY])
def test_sender_that_is_no_station_is_refused(router, hardware):
    frame = router.lan.arp("who-has", psrc="198.18.0.66")
    frame[ARP].hwsrc = hardware
    router.send(router.lan, frame).nothing(ARP_SOURCE=1)
    assert neighbour(router, "198.18.0.66") is None


def test_sender_of_another_network_is_not_learnt(router):
    router.send(router.lan, router.lan.arp("who-has", psrc="198.18.1.66")).nothing(ARP_OFFLINK=1)
    assert neighbour(router, "198.18.1.66") is None


# --- what is learnt ---

def learnt(router, address, mac, within=2):
    router.wait_until(lambda: (neighbour(router, address) or {}).get("mac") == mac, within,
                      f"{address} is at {mac}")


def test_who_asks_us_is_learnt(router):
    router.lan.introduce("198.18.0.20")
    learnt(router, "198.18.0.20", router.lan.mac)


def test_who_asks_another_is_not_learnt_but_merged(router):
    """RFC 826: a known sender's entry follows every packet of his, an unknown one's is not made."""
    router.send(router.lan, router.lan.arp("who-has", psrc="198.18.0.21", pdst="198.18.0.9"))
    assert neighbour(router, "198.18.0.21") is None
    router.lan.introduce("198.18.0.21")
    learnt(router, "198.18.0.21", router.lan.mac)
    moved = router.lan.arp("who-has", psrc="198.18.0.21", pdst="198.18.0.9")
    moved[Ether].src = moved[ARP].hwsrc = "02:00:00:00:21:21"
    router.lan.send(moved)
    learnt(router, "198.18.0.21", "02:00:00:00:21:21")


@pytest.mark.parametrize("op", ["who-has", "is-at"])
def test_gratuitous_arp_moves_a_neighbour(router, op):
    router.lan.introduce("198.18.0.22")
    learnt(router, "198.18.0.22", router.lan.mac)
    announced = router.lan.arp(op, psrc="198.18.0.22", pdst="198.18.0.22")
    announced[Ether].src = announced[ARP].hwsrc = "02:00:00:00:22:22"
    router.lan.send(announced)
    learnt(router, "198.18.0.22", "02:00:00:00:22:22")
    frame = router.wan.to("198.18.0.22") / UDP(sport=1, dport=2)
    assert router.send(router.wan, frame).only(router.lan).dst == "02:00:00:00:22:22"


def test_reply_that_nobody_asked_for_makes_no_entry(router):
    frame = router.lan.arp("is-at", psrc="198.18.0.23", dst=router.lan.router_mac,
                           hwdst=router.lan.router_mac)
    router.send(router.lan, frame)
    assert neighbour(router, "198.18.0.23") is None


def test_conflict_is_defended(router):
    """RFC 5227 2.4: who uses our address is told whose it is, once in ten seconds."""
    frame = router.lan.arp("who-has", psrc="198.18.0.254", pdst="198.18.0.254")
    for _ in range(5):
        router.lan.send(frame)
    announced = router.lan.expect(lambda f: lab.is_announcement(f, router.lan))
    assert (announced.dst, announced[ARP].psrc) == (BROADCAST, "198.18.0.254")
    router.echo(router.lan)
    assert not [f for f in router.lan.drain() if lab.is_announcement(f, router.lan)]


# --- the resolver ---

def test_first_packets_are_not_lost_and_keep_their_order(router):
    for number in range(5):
        router.lan.send(router.lan.to("198.18.1.30") / UDP(sport=1, dport=2) / Raw(bytes([number])))
    asked = router.wan.answer_arp("198.18.1.30")
    assert asked.dst == BROADCAST and asked.src == router.wan.router_mac
    assert (asked[ARP].hwsrc, asked[ARP].psrc) == (router.wan.router_mac, "198.18.1.254")
    assert asked[ARP].hwdst == ANY and len(asked) == 60
    came = [router.wan.expect(lambda f: UDP in f) for _ in range(5)]
    assert [bytes(f[UDP].payload)[0] for f in came] == list(range(5))
    assert all(f.dst == router.wan.mac and f[IP].ttl == 63 for f in came)


def test_silent_neighbour(router):
    """Three requests a second apart, whatever is sent meanwhile; then host unreachable (3/1)."""
    frame = router.lan.to("198.18.1.31") / UDP(sport=1, dport=2)
    before, began, asked = router.drops(), time.monotonic(), []
    while (error := router.lan.recv()) is None or lab.is_announcement(error, router.lan):
        if len(asked) < 3:
            router.lan.send(frame)
        if (seen := router.wan.recv(0.1)) is not None and asks_for("198.18.1.31")(seen):
            asked.append(router.wan.came)  # not when we got round to reading it
        assert time.monotonic() < began + 10
    assert (error[ICMP].type, error[ICMP].code) == (3, 1)
    assert error[IP].src == "198.18.0.254" and error[IP].dst == router.lan.ip
    assert len(asked) == 3 and all(0.8 < b - a < 1.3 for a, b in zip(asked, asked[1:])), asked
    router.settle()
    drops = lab.moved(before, router.drops())
    assert drops["NEIGHBOUR_FAILED"] >= 8 and drops["PARK_NEIGHBOUR_FULL"] >= 1, drops


def test_park_is_bounded(router):
    frames = [router.lan.to("198.18.1.32") / UDP(sport=1, dport=n) for n in range(20)]
    before = router.drops()
    router.lan.send(*frames)
    router.echo(router.lan)
    router.wan.answer_arp("198.18.1.32")
    router.settle()
    assert lab.moved(before, router.drops()) == {"PARK_NEIGHBOUR_FULL": 12}


def test_unicast_probe_keeps_a_neighbour_in_use(make_router):
    """One in use is asked by unicast when its confirmation is old; traffic goes on meanwhile."""
    router = make_router({"neighbours": {"age": "2s"}})
    began = time.monotonic()
    while True:
        router.lan.send(router.lan.to(router.wan.ip) / UDP(sport=1, dport=2))
        seen = router.wan.recv(0.1)
        if seen is not None and asks_for(router.wan.ip)(seen):
            break
        assert time.monotonic() < began + 8
    assert seen.dst == router.wan.mac
    router.wan.send(router.wan.arp("is-at", hwdst=router.wan.router_mac, dst=router.wan.router_mac))
    router.wait_until(lambda: neighbour(router, router.wan.ip)["state"] == "reachable", 2,
                      "it is confirmed")


def test_neighbour_in_use_that_stopped_answering_goes(make_router):
    router = make_router({"neighbours": {"age": "1s"}})
    began = time.monotonic()
    while (neighbour(router, router.wan.ip) or {}).get("mac") == router.wan.mac:
        router.lan.send(router.lan.to(router.wan.ip) / UDP(sport=1, dport=2))
        assert time.monotonic() < began + 10
        time.sleep(0.1)
    assert time.monotonic() - began > 2.5


def test_neighbour_not_in_use_goes_silently(make_router):
    router = make_router({"neighbours": {"age": "1s"}})
    router.wan.drain()
    router.wait_until(lambda: neighbour(router, router.wan.ip) is None, 5, "the neighbour is gone")
    assert not [f for f in router.wan.drain() if asks_for(router.wan.ip)(f)]


# --- RARP ---

def rarp(mac):
    body = ARP(op=3, hwsrc=mac, psrc="0.0.0.0", hwdst=mac, pdst="0.0.0.0")
    return Ether(src=mac, dst=BROADCAST, type=0x8035) / body


def test_rarp_request_is_answered_from_the_table(router):
    reply = router.send(router.lan, rarp("02:00:00:00:77:01")).only(router.lan)
    assert reply.type == 0x8035
    assert (reply.dst, reply.src) == ("02:00:00:00:77:01", router.lan.router_mac)
    body = ARP(bytes(reply.payload))
    assert (body.op, body.hwsrc, body.psrc) == (4, router.lan.router_mac, "198.18.0.254")
    assert (body.hwdst, body.pdst) == ("02:00:00:00:77:01", "198.18.0.77")


def test_rarp_request_of_a_stranger(router):
    router.send(router.lan, rarp("02:00:00:00:77:02")).nothing(RARP_UNKNOWN=1)
