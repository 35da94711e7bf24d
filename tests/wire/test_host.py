# SPDX-License-Identifier: BSD-3-Clause
"""A host alone (system.pipeline: host): what is for it is answered, nothing is forwarded."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

CONFIG = {"system": {"pipeline": "host"},
          "services": {"echo": {"kind": "tcp-echo", "listen": "0.0.0.0:7"}}}


@pytest.mark.end_to_end
def test_it_answers(router):
    lan = router.lan
    back = router.send(lan, lan.to("198.18.0.254") / ICMP(id=7, seq=1) / Raw(b"hello")).only(lan)
    assert back[ICMP].type == 0 and bytes(back[Raw])[:5] == b"hello"
    syn = router.send(lan, lan.to("198.18.0.254") / TCP(sport=4000, dport=7, flags="S")).only(lan)
    assert syn[TCP].flags == "SA"
    router.send(lan, lan.to("198.18.0.254") / TCP(sport=4000, dport=7, flags="R", seq=1)).nothing()


def test_another_address_of_its(router):
    """It is one host, whatever link a packet came by (RFC 1122 3.3.4.2, the weak model)."""
    lan = router.lan
    assert router.send(lan, lan.to("198.18.1.254") / ICMP()).only(lan)[IP].src == "198.18.1.254"


@pytest.mark.parametrize("dst", ["198.18.1.1", "198.18.1.77", "198.18.1.255", "203.0.113.1"])
@pytest.mark.parametrize("ttl", [1, 64])
def test_it_forwards_nothing(router, dst, ttl):
    """And no ICMP error says so (RFC 1122 3.2.1.3: silently)."""
    lan = router.lan
    router.send(lan, lan.to(dst, ttl=ttl) / UDP(sport=1, dport=2)).nothing(IP4_NOT_OURS=1)


def test_closed_ports(router):
    lan = router.lan
    error = router.send(lan, lan.to("198.18.0.254") / UDP(sport=1, dport=2)).only(lan)
    assert (error[ICMP].type, error[ICMP].code) == (3, 3)
    reset = router.send(lan, lan.to("198.18.0.254") / TCP(sport=1, dport=2, flags="S")).only(lan)
    assert reset[TCP].flags == "RA"


def test_its_neighbours_are_asked_for(router):
    """What it says itself finds its way, and waits for a neighbour, as in the appliance."""
    wan = router.wan
    wan.send(wan.to("198.18.1.254", src="198.18.1.99") / ICMP())
    wan.answer_arp("198.18.1.99")
    assert wan.expect(lambda f: ICMP in f and f[IP].dst == "198.18.1.99")[ICMP].type == 0
