# SPDX-License-Identifier: BSD-3-Clause
"""A balancer that is a host and no router (system.pipeline: balancer)."""
from scapy.layers.inet import ICMP, IP, TCP, UDP

CONFIG = {"system": {"pipeline": "balancer"},
          "balancers": {"services": {"web": {
              "address": "198.18.0.100", "port": 80, "protocol": "tcp", "mode": "nat",
              "backends": [{"address": "198.18.1.1", "port": 8080}]}}}}


def test_it_balances_both_ways(router):
    lan, wan = router.lan, router.wan
    there = router.send(lan, lan.to("198.18.0.100") / TCP(sport=4000, dport=80, flags="S"))
    syn = there.only(wan)
    assert (syn[IP].src, syn[IP].dst, syn[TCP].dport) == (lan.ip, "198.18.1.1", 8080)
    back = router.send(wan, wan.to(lan.ip) / TCP(sport=8080, dport=4000, flags="SA")).only(lan)
    assert (back[IP].src, back[IP].dst, back[TCP].sport) == ("198.18.0.100", lan.ip, 80)


def test_it_is_a_host(router):
    lan = router.lan
    assert router.send(lan, lan.to("198.18.0.254") / ICMP()).only(lan)[ICMP].type == 0


def test_it_forwards_nothing_else(router):
    """Not even a backend's packets that are no reply."""
    lan, wan = router.lan, router.wan
    router.send(lan, lan.to("198.18.1.1") / UDP(sport=1, dport=2)).nothing(IP4_NOT_OURS=1)
    router.send(wan, wan.to(lan.ip) / TCP(sport=8080, dport=9, flags="A")).nothing(IP4_NOT_OURS=1)
