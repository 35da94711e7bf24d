# SPDX-License-Identifier: BSD-3-Clause
"""Frames of any content: at the most a drop with a name. Afterwards the router answers as before,
its books balance and its buffers are all back."""
import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q
from scapy.packet import Raw
from scapy.utils import RawPcapReader

from support.lab import BROADCAST, TOP, TX_RING
from support.packets import internet_sum

CAPTURES = TOP.parent / "shared" / "data"
CONFIG = {
    "services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"}},
    "reassembly": {"timeout": "1s"},
    "neighbours": {"retry": "100ms"},  # of the many that frames of any content ask for
}


@pytest.fixture(autouse=True)
def still_in_order(router):
    """What holds before and after each test here."""
    router.settle()
    resting = router.counters()["mbufs"]["in_use"]
    yield
    answers(router)
    router.wait_until(lambda: router.counters()["held"] == 0, 10, "nothing is held")
    router.check_books()
    assert router.counters()["mbufs"]["in_use"] <= resting + len(router.ports) * TX_RING


def answers(router):
    router.introduce()
    frame = router.lan.to(router.wan.ip) / UDP(sport=1, dport=2) / Raw(b"still here")
    router.lan.send(frame)
    router.wan.expect(lambda f: b"still here" in bytes(f))
    router.settle()


def throw(router, frames, at_once=100):
    """Sends frames in by the first port, a burst at a time, so that no socket's queue overflows."""
    for start in range(0, len(frames), at_once):
        for frame in frames[start:start + at_once]:
            if 14 <= len(frame) <= 1514:
                router.lan.send(frame)
        router.echo(router.lan)
        router.wan.drain()


def valid(router):
    """One good frame of each kind that the router takes an interest in."""
    to, us = router.lan.to, router.lan.router_ip
    data = Raw(bytes(range(64)))
    return [bytes(frame) for frame in (
        router.lan.arp("who-has"),
        router.lan.arp("is-at", dst=router.lan.router_mac),
        router.lan.ether(dst=BROADCAST, type=0x8035) / ARP(op=3),
        router.lan.ether() / Dot1Q(vlan=10) / IP(src=router.lan.ip, dst=us) / ICMP() / data,
        to(us) / ICMP() / data,
        to(us) / ICMP(type=3, code=4) / IP(src=us, dst=router.wan.ip) / UDP() / data,
        to(us) / UDP(sport=4000, dport=7) / data,
        to(us) / UDP(sport=4000, dport=9999) / data,
        to(us) / TCP(dport=80, flags="S", options=[("MSS", 1460), ("WScale", 7)]) / data,
        to(us, flags="MF", id=7) / UDP(sport=4000, dport=7) / data,
        to(us, frag=9, id=7, proto=17) / data,
        to(us, options=b"\x07\x0b\x04" + bytes(9)) / ICMP() / data,
        to(router.wan.ip) / TCP(sport=4000, dport=80, flags="S", options=[("MSS", 1460)]) / data,
        to(router.wan.ip, options=b"\x44\x0c\x05\x01" + bytes(8)) / UDP() / data,
        to(router.wan.ip, ttl=1) / UDP() / data,
        to(router.wan.ip, flags="DF") / UDP() / Raw(bytes(1472)),
        to("198.18.1.77") / UDP() / data,
        to("100.64.0.1") / UDP() / data,
        router.lan.to_all("198.18.0.255") / UDP(dport=7) / data,
        router.lan.to_all("224.0.0.1", link="01:00:5e:00:00:01") / data,
    )]


def mended(frame):
    """The frame with a right IPv4 header checksum, so that what is wrong elsewhere is reached."""
    size = 4 * (frame[14] & 15) if len(frame) > 14 else 0
    if frame[12:14] != b"\x08\x00" or not 20 <= size <= len(frame) - 14:
        return frame
    head = frame[14:24] + b"\0\0" + frame[26:14 + size]
    return frame[:14] + head[:10] + internet_sum(head).to_bytes(2, "big") + head[12:] + \
        frame[14 + size:]


@pytest.mark.end_to_end
def test_every_byte_wrong_in_turn(router):
    frames = []
    for frame in valid(router):
        for at in range(12, min(len(frame), 14 + 60)):
            for value in (0x00, 0x01, 0x7f, 0x80, 0xff, frame[at] ^ 0x10):
                wrong = frame[:at] + bytes([value]) + frame[at + 1:]
                frames += [wrong, mended(wrong)]
    throw(router, frames)


@pytest.mark.end_to_end
def test_cut_at_every_byte(router):
    frames = []
    for frame in valid(router):
        for length in range(14, min(len(frame), 140)):
            frames += [frame[:length], mended(frame[:length])]
    throw(router, frames)


@pytest.mark.end_to_end
def test_ten_thousand_mutations(router):
    chance, seeds, frames = random.Random(20), valid(router), []
    for _ in range(10_000):
        frame = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 8)):
            kind, at = chance.random(), chance.randrange(12, len(frame) - 1)
            if kind < 0.6:
                frame[at] = chance.randrange(256)
            elif kind < 0.8:
                frame[at:at] = chance.randbytes(chance.randint(1, 40))
            elif len(frame) > 60:
                del frame[at:at + chance.randint(1, 40)]
        frames.append(mended(bytes(frame)) if chance.random() < 0.8 else bytes(frame))
    throw(router, frames)


def test_captures(router):
    """What others' analysers tripped over: each frame as it is, and as if it were sent to us."""
    files = sorted(CAPTURES.rglob("*.pcap"))
    if not files:
        pytest.skip("no captures beside the checkout")
    head = bytes.fromhex(router.lan.router_mac.replace(":", ""))
    frames = []
    for file in files:
        try:
            for frame, _ in RawPcapReader(str(file)):
                frames += [frame, head + frame[6:], mended(head + frame[6:])]
        except Exception:  # a capture that is itself broken: what was read of it is sent
            pass
    throw(router, frames)
