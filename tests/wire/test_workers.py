# SPDX-License-Identifier: BSD-3-Clause
"""Two workers: every flow has one owner, whichever queue its packets came by."""
import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from support.lab import moved

pytestmark = pytest.mark.on_cards

CONFIG = {
    "system": {"workers": 2},
    "services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"},
                 "discard": {"kind": "udp-discard", "listen": "0.0.0.0:9"},
                 "tcp": {"kind": "tcp-echo", "listen": "0.0.0.0:7"}},
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
    """As many as may wait for a neighbour on one worker: a card without RSS gives it all of them."""
    for port in range(64):
        router.lan.send(router.lan.to("198.18.1.60") / UDP(sport=4000 + port, dport=9))
    router.wan.answer_arp("198.18.1.60")
    came = {router.wan.expect(lambda f: UDP in f and ARP not in f)[UDP].sport for _ in range(64)}
    assert came == set(range(4000, 4064))


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


def test_path_mtus_reach_the_connections(router):
    """A router says "too large" by an address of its own: the quote tells whose connection it is."""
    lan, before, quoted = router.lan, router.counters(), {}
    to = lan.to(lan.router_ip)
    for port in range(7000, 7016):
        segment = TCP(sport=port, dport=7, seq=1000, flags="S", options=[("MSS", 1460)])
        lan.send(to / segment)
        ours = lan.expect(lambda f: TCP in f and f[TCP].dport == port)[TCP].seq + 1
        lan.send(to / TCP(sport=port, dport=7, seq=1001, ack=ours, flags="PA") / Raw(b"x" * 1400))
        quoted[port] = lan.expect(lambda f: TCP in f and f[TCP].dport == port and f[IP].len == 1440)
    for port, frame in quoted.items():
        lan.send(lan.to(lan.router_ip, src="198.18.0.77") /
                 ICMP(type=3, code=4, nexthopmtu=1000) / Raw(bytes(frame[IP])[:28]))
        lan.expect(lambda f: TCP in f and f[TCP].dport == port and f[IP].len == 1000)
    for port in quoted:
        lan.send(to / TCP(sport=port, dport=7, seq=2401, flags="R"))
    router.settle()
    came = moved(before, router.counters())
    assert came["tcp_path_mtus"] == 16 and not came.get("tcp_icmp_ignored")
    assert came["handed_over"] > 0  # the kernel has chosen the queues, by what it pleased
