# SPDX-License-Identifier: BSD-3-Clause
"""Virtual services as hosts on the wire see them: destination NAT both ways, ARP, refusals."""
import threading

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from support import lab
from support.lab import BROADCAST, moved

VIP, AWAY = "198.18.0.100", "203.0.113.100"  # on lan's network, and on nobody's

SERVICES = {
    "web": {"address": VIP, "port": 80, "backends": [{"address": "198.18.1.1", "port": 8080}]},
    "dns": {"address": VIP, "port": "50-59", "protocol": "both",
            "backends": [{"address": "198.18.1.1"}]},
    "away": {"address": AWAY, "port": "any", "protocol": "udp",
             "backends": [{"address": "198.18.1.77"}]},
    "empty": {"address": VIP, "port": 90, "protocol": "both",
              "backends": [{"address": "198.18.1.1", "port": 9090, "state": "drain"}]},
}
CONFIG = {"balancers": {"services": SERVICES}}


def sums_are_right(frame):
    """As Scapy computes them."""
    copy = frame.copy()
    l4 = copy[TCP] if TCP in copy else copy[UDP]
    was = frame[IP].chksum, (frame[TCP] if TCP in frame else frame[UDP]).chksum
    del copy[IP].chksum, l4.chksum
    again = IP(bytes(copy[IP]))
    return was == (again.chksum, (again[TCP] if TCP in again else again[UDP]).chksum)


@pytest.mark.end_to_end
@pytest.mark.parametrize("workers", [1, 2])
def test_nat_both_ways(make_router, workers):
    router = make_router({**CONFIG, "system": {"workers": workers}})
    for port in range(2000, 2032):
        router.lan.send(router.lan.to(VIP, ttl=64) / TCP(sport=port, dport=80, flags="S", seq=7))
        there = router.wan.expect(lambda f: TCP in f)
        assert (there[IP].src, there[IP].dst, there[IP].ttl) == (router.lan.ip, "198.18.1.1", 63)
        assert (there[TCP].sport, there[TCP].dport, there[TCP].seq) == (port, 8080, 7)
        assert sums_are_right(there)
        back = router.wan.to(router.lan.ip) / TCP(sport=8080, dport=port, flags="SA", ack=8)
        router.wan.send(back / Raw(b"odd"))
        back = router.lan.expect(lambda f: TCP in f)
        assert (back[IP].src, back[TCP].sport, back[TCP].dport) == (VIP, 80, port)
        assert bytes(back[TCP].payload)[:3] == b"odd" and sums_are_right(back)


def test_udp_of_a_range(router):
    for port in (50, 59):
        there = router.send(router.lan, router.lan.to(VIP) / UDP(sport=3000, dport=port) /
                            Raw(b"x")).only(router.wan)
        assert (there[IP].dst, there[UDP].dport) == ("198.18.1.1", port) and sums_are_right(there)
        back = router.send(router.wan, router.wan.to(router.lan.ip) /
                           UDP(sport=port, dport=3000) / Raw(b"yz")).only(router.lan)
        assert (back[IP].src, back[UDP].sport) == (VIP, port) and sums_are_right(back)


def test_a_backend_that_is_not_known_yet(router):
    """Its first packet waits as it came, and goes when the backend has answered."""
    router.lan.send(router.lan.to(AWAY) / UDP(sport=4000, dport=4001) / Raw(b"first"))
    router.wan.answer_arp("198.18.1.77")
    there = router.wan.expect(lambda f: UDP in f)
    assert (there[IP].dst, there[UDP].dport, bytes(there[UDP].payload)[:5]) == \
        ("198.18.1.77", 4001, b"first")
    assert sums_are_right(there)


@pytest.mark.parametrize("flags, answer", [("S", "RA"), ("A", "R"), ("PA", "R"), ("FA", "R")])
@pytest.mark.parametrize("port", [81, 90], ids=["no service", "no backend"])
def test_refused(router, port, flags, answer):
    segment = TCP(sport=5000, dport=port, flags=flags, seq=100, ack=200)
    reset = router.send(router.lan, router.lan.to(VIP) / segment).only(router.lan)
    assert (reset[IP].src, reset[TCP].sport, reset[TCP].flags) == (VIP, port, answer)
    assert (reset[TCP].ack == 101) if flags == "S" else (reset[TCP].seq == 200)


@pytest.mark.parametrize("port, reason", [(60, "NO_SERVICE"), (90, "LB_NO_BACKEND")])
def test_refused_datagrams(router, port, reason):
    came = router.send(router.lan, router.lan.to(VIP) / UDP(sport=5000, dport=port) / Raw(b"x"))
    error = came.only(router.lan)
    assert (error[IP].src, error[ICMP].type, error[ICMP].code) == (VIP, 3, 3)
    assert came.drops == {reason: 1}


def test_resets_are_not_answered(router):
    router.send(router.lan, router.lan.to(VIP) / TCP(sport=5000, dport=81, flags="R")) \
        .nothing(NO_SERVICE=1)


def test_ttl_ends_before_the_backend(router):
    """The quote is what was sent, not what it would have become."""
    came = router.send(router.lan, router.lan.to(VIP, ttl=1) / TCP(sport=5001, dport=80, flags="S"))
    error = came.only(router.lan)
    assert (error[ICMP].type, error["IPerror"].dst, error["TCPerror"].dport) == (11, VIP, 80)


def test_a_stranger_behind_is_left_alone(router):
    """What a backend sends of its own accord goes out as it is."""
    out = router.send(router.wan, router.wan.to(router.lan.ip) /
                      TCP(sport=8080, dport=6000, flags="S")).only(router.lan)
    assert (out[IP].src, out[TCP].sport) == ("198.18.1.1", 8080)


# --- ARP ---

def test_arp_is_answered_on_its_link_alone(router):
    reply = router.send(router.lan, router.lan.arp("who-has", pdst=VIP)).only(router.lan)
    assert (reply[ARP].op, reply[ARP].psrc, reply[ARP].hwsrc) == (2, VIP, router.lan.router_mac)
    router.send(router.wan, router.wan.arp("who-has", pdst=VIP)).nothing(ARP_NOT_OURS=1)
    router.send(router.lan, router.lan.arp("who-has", pdst=AWAY)).nothing(ARP_NOT_OURS=1)
    probe = router.send(router.lan, router.lan.arp("who-has", psrc="0.0.0.0", pdst=VIP))
    assert probe.only(router.lan)[ARP].psrc == VIP


def is_announcement(vip):
    return lambda f: ARP in f and f[ARP].op == 1 and f[ARP].psrc == f[ARP].pdst == vip


def test_a_new_address_is_announced_on_its_link(router):
    for vip in "198.18.0.120", "198.18.0.121":
        router.apply({"balancers": {"services": {
            **SERVICES, "new": {"address": vip, "port": 80, "backends": [{"address": "198.18.1.5"}]}}}})
        frame = router.lan.expect(is_announcement(vip), timeout=10)
        assert frame.dst == BROADCAST and frame[ARP].hwsrc == router.lan.router_mac
        assert not [f for f in router.wan.drain() if is_announcement(vip)(f)]
    router.apply({})


def test_another_host_with_the_address(router):
    """RFC 5227 2.4: it is said, and our claim repeated; the address stays where it is."""
    claim = router.lan.arp("who-has", psrc=VIP, pdst=VIP)
    came = router.send(router.lan, claim)
    assert came.drops == {"ARP_CONFLICT": 1}
    router.wait_until(lambda: f"{VIP} on lan is also used by" in router.words(), 5, "it is said")
    there = router.send(router.lan, router.lan.to(VIP) / TCP(sport=6001, dport=80, flags="S"))
    assert there.only(router.wan)[IP].dst == "198.18.1.1"
    reply = router.send(router.lan, router.lan.arp("is-at", psrc=VIP, pdst=router.lan.router_ip))
    reply.nothing(ARP_CONFLICT=1)


# --- applies while packets flow ---

@pytest.mark.parametrize("workers", [1, 2])
def test_services_come_and_go_under_load(make_router, workers):
    """Of a service that stays no packet is lost or goes elsewhere; the books hold."""
    router = make_router({**CONFIG, "system": {"workers": workers}})
    stay, ended, failures = SERVICES["web"], threading.Event(), []

    def change():
        try:
            for turn in range(30):
                others = {f"s{i}": {"address": f"198.18.0.{130 + (turn + i) % 20}", "port": 80,
                                    "backends": [{"address": "198.18.1.1", "port": 9000 + i}]}
                          for i in range(turn % 7)}
                router.apply({"balancers": {"services": {"web": stay, **others}}})
        except lab.CtlError as failure:
            failures.append(failure)
        ended.set()

    before, sent = router.drops(), 0
    thread = threading.Thread(target=change)
    thread.start()
    while not ended.is_set() or sent < 200:
        router.lan.send(router.lan.to(VIP) /
                        TCP(sport=10000 + sent % 500, dport=80, flags="A" if sent >= 500 else "S"))
        there = router.wan.expect(lambda f: TCP in f)
        assert there[TCP].dport == 8080 and there[TCP].sport == 10000 + sent % 500
        sent += 1
    thread.join()
    router.apply({})
    assert not failures
    lost = {reason: n for reason, n in moved(before, router.drops()).items()
            if not reason.startswith("ARP")}
    assert lost == {}
