# SPDX-License-Identifier: BSD-3-Clause
"""Two workers: every flow has one owner, whichever queue its packets came by."""
import random

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from support.lab import moved

CONFIG = {
    "system": {"workers": 2},
    "services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"},
                 "discard": {"kind": "udp-discard", "listen": "0.0.0.0:9"}},
    "routes": [{"prefix": "0.0.0.0/0", "via": "198.18.1.1"}],
}


@pytest.mark.end_to_end
def test_every_flow_is_answered_once(router):
    before = router.counters()
    for port in range(1000, 1400):
        router.lan.send(router.lan.to(router.lan.router_ip) / UDP(sport=port, dport=7) / Raw(b"x"))
    came = [router.lan.expect(lambda f: UDP in f)[UDP].dport for _ in range(400)]
    assert sorted(came) == list(range(1000, 1400))
    assert moved(before, router.counters())["udp_echo"] == 400


def test_order_within_each_flow(router):
    for number in range(50):
        for flow in range(8):
            router.lan.send(router.lan.to(router.wan.ip, id=number) / UDP(sport=2000 + flow))
    seen = {}
    for _ in range(400):
        frame = router.wan.expect(lambda f: UDP in f)
        seen.setdefault(frame[UDP].sport, []).append(frame[IP].id)
    assert all(ids == list(range(50)) for ids in seen.values()) and len(seen) == 8


def test_fragments_meet_at_one_worker(router):
    chance, pieces = random.Random(5), []
    for number in range(40):
        whole = bytes(UDP(sport=3000 + number, dport=7, chksum=0) / Raw(bytes([number]) * 1600))
        for at in range(0, len(whole), 800):
            pieces.append(router.lan.to(router.lan.router_ip, id=number, proto=17, frag=at // 8,
                                        flags="MF" if at + 800 < len(whole) else 0)
                          / Raw(whole[at:at + 800]))
    chance.shuffle(pieces)
    router.lan.send(*pieces)
    first = [router.lan.expect(lambda f: UDP in f) for _ in range(40)]
    assert sorted(f[UDP].dport for f in first) == [3000 + number for number in range(40)]


def test_first_packets_of_many_flows_wait_and_go(router):
    for port in range(100):
        router.lan.send(router.lan.to("198.18.1.60") / UDP(sport=4000 + port, dport=9))
    router.wan.answer_arp("198.18.1.60")
    came = {router.wan.expect(lambda f: UDP in f and ARP not in f)[UDP].sport for _ in range(100)}
    assert came == set(range(4000, 4100))


def test_errors_reach_the_sender(router):
    for port in range(50):
        router.lan.send(router.lan.to(router.lan.router_ip) / UDP(sport=5000 + port, dport=9999))
    for _ in range(50):
        assert router.lan.expect(lambda f: ICMP in f)[ICMP].type == 3


def test_a_broadcast_reaches_its_owner_and_no_default_route(router):
    before = router.counters()
    for port in range(40):
        router.lan.send(router.lan.to_all() / UDP(sport=6000 + port, dport=9) / Raw(b"x"))
    router.settle()
    came = moved(before, router.counters())
    assert came["udp_discard"] == 40 and not came.get("ip4_forwarded")
