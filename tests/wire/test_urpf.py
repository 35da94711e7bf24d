# SPDX-License-Identifier: BSD-3-Clause
"""Unicast reverse-path checks (RFC 3704): strict on the one port, loose on the other."""
import pytest
from scapy.layers.inet import UDP

CONFIG = {
    "ports": {"lan": {"urpf": "strict"}, "wan": {"urpf": "loose"}},
    "routes": [
        {"prefix": "203.0.113.0/24", "via": "198.18.1.1"},
        {"prefix": "192.0.2.0/24", "via": "198.18.0.1"},
        {"prefix": "192.0.2.128/25", "blackhole": True},
    ],
}
OURS_AND_BROADCASTS = ["198.18.0.254", "198.18.1.254", "198.18.0.255", "198.18.0.0", "198.18.1.255"]


@pytest.mark.end_to_end
@pytest.mark.parametrize("source", ["198.18.0.1", "192.0.2.5"])
def test_strict_takes_what_is_routed_back(router, source):
    frame = router.lan.to(router.wan.ip, src=source) / UDP(sport=1, dport=2)
    assert UDP in router.send(router.lan, frame).only(router.wan)


@pytest.mark.parametrize("source", ["198.18.1.1", "203.0.113.5", "100.64.0.1", "192.0.2.129"])
def test_strict_refuses_the_rest(router, source):
    frame = router.lan.to(router.wan.ip, src=source) / UDP(sport=1, dport=2)
    router.send(router.lan, frame).nothing(URPF=1)


@pytest.mark.parametrize("source", ["198.18.1.1", "192.0.2.5", "203.0.113.5"])
def test_loose_takes_what_has_a_route(router, source):
    frame = router.wan.to(router.lan.ip, src=source) / UDP(sport=1, dport=2)
    assert UDP in router.send(router.wan, frame).only(router.lan)


@pytest.mark.parametrize("source", ["100.64.0.1", "192.0.2.129"])
def test_loose_refuses_what_has_none(router, source):
    frame = router.wan.to(router.lan.ip, src=source) / UDP(sport=1, dport=2)
    router.send(router.wan, frame).nothing(URPF=1)


@pytest.mark.parametrize("source", OURS_AND_BROADCASTS)
def test_our_own_addresses_and_broadcasts_are_no_sources(router, source):
    for port, far in ((router.lan, router.wan), (router.wan, router.lan)):
        frame = port.to(far.ip, src=source) / UDP(sport=1, dport=2)
        router.send(port, frame).one_drop("URPF", "IP4_SRC_MARTIAN")
