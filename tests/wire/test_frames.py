# SPDX-License-Identifier: BSD-3-Clause
"""Ethernet: what is for us, what nobody speaks, what is too short, and padding."""
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from support import lab

pytestmark = pytest.mark.on_cards

STRANGER = "02:00:00:00:99:99"


@pytest.mark.end_to_end
def test_frame_for_another_station_is_dropped(router):
    frame = router.lan.to("198.18.1.1") / UDP(sport=1, dport=2)
    frame[Ether].dst = STRANGER
    router.send(router.lan, frame).nothing(**({} if lab.NIC else {"ETH_NOT_OURS": 1}))


@pytest.mark.parametrize("group", ["01:80:c2:00:00:00", "33:33:00:00:00:01", "01:00:0c:cc:cc:cc"])
def test_group_that_was_not_joined_is_dropped(router, group):
    frame = Ether(src=router.lan.mac, dst=group, type=0x88cc) / Raw(bytes(46))
    router.send(router.lan, frame).one_drop("ETH_NOT_OURS", "ETH_TYPE")


@pytest.mark.parametrize("ethertype", [0x0001, 0x05dc, 0x0600, 0x86dd, 0x8847, 0x8863, 0xffff])
def test_unknown_ethertype_is_dropped(router, ethertype):
    frame = router.lan.ether(type=ethertype) / Raw(bytes(46))
    router.send(router.lan, frame).nothing(ETH_TYPE=1)


@pytest.mark.parametrize("source", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
def test_source_that_is_a_group_is_dropped(router, source):
    frame = router.lan.to("198.18.1.1") / UDP(sport=1, dport=2)
    frame[Ether].src = source
    router.send(router.lan, frame).nothing(ETH_SOURCE=1)


def test_frames_cut_short(router):
    """Every length that arrives as it was sent: a named drop, and nothing comes out."""
    data = Raw(b"x" * (lab.LEAST - 6))
    whole = bytes(router.lan.to("198.18.1.1") / UDP(sport=1, dport=2) / data)
    for length in range(lab.LEAST, len(whole)):
        router.send(router.lan, whole[:length]).one_drop()


def test_padding_on_receipt_is_ignored(router):
    frame = router.lan.to("198.18.1.1") / UDP(sport=1, dport=2) / Raw(b"abc")
    out = router.send(router.lan, bytes(frame) + b"\xaa" * 200).only(router.wan)
    assert out[IP].len == 31 and len(out) == 60
    assert b"\xaa" not in bytes(out)


def test_short_frames_are_padded_on_sending(router):
    out = router.send(router.lan, router.lan.to("198.18.1.1", proto=253)).only(router.wan)
    assert len(out) == 60 and out[IP].len == 20
    out = router.send(router.lan, router.lan.arp("who-has")).only(router.lan)
    assert len(out) == 60 and ARP in out
    out = router.send(router.lan, router.lan.to("198.18.0.254") / ICMP()).only(router.lan)
    assert len(out) == 60 and out[IP].len == 28
