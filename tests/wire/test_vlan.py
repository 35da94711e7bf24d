# SPDX-License-Identifier: BSD-3-Clause
"""VLAN sub-interfaces (IEEE 802.1Q): networks of their own on one port."""
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from support.lab import BROADCAST
from support.packets import checksums_hold

pytestmark = pytest.mark.on_cards

CONFIG = {"ports": {"lan": {"vlans": {
    "10": {"addresses": ["198.18.10.254/24"]},
    "20": {"addresses": ["198.18.20.254/24"], "mtu": 1000},
}}}}


def tagged(router, vlan, **fields):
    return router.lan.ether(**fields) / Dot1Q(vlan=vlan)


def arp(router, vlan, psrc, pdst, op="who-has"):
    body = ARP(op=op, hwsrc=router.lan.mac, psrc=psrc, pdst=pdst)
    return tagged(router, vlan, dst=BROADCAST) / body


@pytest.fixture
def known(router):
    """Hosts 198.18.10.1 and 198.18.20.1 behind the tags are known to the router."""
    for vlan in (10, 20):
        router.lan.send(arp(router, vlan, f"198.18.{vlan}.1", f"198.18.{vlan}.254"))
        reply = router.lan.expect(lambda f: ARP in f and f[ARP].op == 2)
        assert reply[Dot1Q].vlan == vlan and reply[ARP].psrc == f"198.18.{vlan}.254"
    router.settle()
    return router


def test_untagged_arp_does_not_reach_a_vlan(router):
    frame = router.lan.arp("who-has", psrc="198.18.0.1", pdst="198.18.10.254")
    router.send(router.lan, frame).nothing(ARP_NOT_OURS=1)


def test_unknown_vlan(router):
    frame = tagged(router, 30) / IP(src="198.18.30.1", dst=router.wan.ip) / UDP()
    router.send(router.lan, frame).nothing(VLAN_UNKNOWN=1)


def test_priority_tag_is_no_vlan(router):
    """802.1Q: VLAN 0 says a priority only, the frame belongs to the port itself."""
    frame = tagged(router, 0) / IP(src=router.lan.ip, dst=router.wan.ip) / UDP()
    assert UDP in router.send(router.lan, frame).only(router.wan)


@pytest.mark.end_to_end
def test_from_vlan_to_port(known):
    frame = tagged(known, 10) / IP(src="198.18.10.1", dst=known.wan.ip) / UDP() / Raw(b"x" * 50)
    out = known.send(known.lan, frame).only(known.wan)
    assert Dot1Q not in out and out[IP].ttl == 63 and checksums_hold(out)


def test_from_port_to_vlan(known):
    frame = known.wan.to("198.18.10.1") / UDP() / Raw(b"x" * 50)
    out = known.send(known.wan, frame).only(known.lan)
    assert out[Dot1Q].vlan == 10 and out[Dot1Q].type == 0x0800
    assert (out.src, out.dst, out[IP].ttl) == (known.lan.router_mac, known.lan.mac, 63)


def test_between_vlans(known):
    frame = tagged(known, 10) / IP(src="198.18.10.1", dst="198.18.20.1") / UDP()
    out = known.send(known.lan, frame).only(known.lan)
    assert out[Dot1Q].vlan == 20 and out[IP].dst == "198.18.20.1"


def test_echo_comes_back_with_its_tag(known):
    frame = tagged(known, 10) / IP(src="198.18.10.1", dst="198.18.10.254") / ICMP(id=3)
    out = known.send(known.lan, frame).only(known.lan)
    assert out[Dot1Q].vlan == 10 and out[ICMP].type == 0


def test_a_vlan_has_the_ports_mtu(known):
    """Unless it says otherwise: what fills it may go there whole."""
    rows = {row["name"]: row["mtu"] for row in known.ctl("show", "interfaces")}
    assert (rows["lan.10"], rows["lan.20"]) == (1500, 1000)
    big = known.wan.to("198.18.10.1", flags="DF") / UDP() / Raw(bytes(1472))
    out = known.send(known.wan, big).only(known.lan)
    assert out[IP].len == 1500 and out[Dot1Q].vlan == 10


def test_mtu_of_a_vlan(known):
    big = known.wan.to("198.18.20.1", flags="DF") / UDP() / Raw(bytes(973))
    error = known.send(known.wan, big).only(known.wan)
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1000)
    out = known.send(known.wan, known.wan.to("198.18.20.1") / UDP() / Raw(bytes(1400))).out["lan"]
    assert len(out) == 2 and all(f[Dot1Q].vlan == 20 and f[IP].len <= 1000 for f in out)


def test_errors_carry_the_tag(known):
    frame = tagged(known, 10) / IP(src="198.18.10.1", dst=known.wan.ip, ttl=1) / UDP()
    error = known.send(known.lan, frame).only(known.lan)
    assert error[Dot1Q].vlan == 10 and error[IP].src == "198.18.10.254" and error[ICMP].type == 11


@pytest.mark.parametrize("length", range(14, 18))
def test_cut_inside_the_tag(router, length):
    frame = bytes(Ether(src=router.lan.mac, dst=router.lan.router_mac) / Dot1Q(vlan=10, type=0x800))
    router.send(router.lan, frame[:length]).one_drop()
