# SPDX-License-Identifier: BSD-3-Clause
"""The cases of test_nat.py with a balancer that is a host and no router (system.pipeline: balancer),
which forwards what it masquerades and nothing else."""
from scapy.layers.inet import UDP

from test_nat import CONFIG as ROUTED
from test_nat import (  # noqa: F401: cases of this module, too
    test_a_client_beside_the_backend, test_arp, test_full_nat, test_hairpin, test_masquerade,
    test_masquerade_of_echoes, test_masquerade_of_errors, test_masquerade_of_fragments,
    test_our_own_services, test_ports_run_out, test_strangers, test_what_cannot_be_masqueraded)

CONFIG = {**ROUTED, "system": {**ROUTED["system"], "pipeline": "balancer"}}


def test_nothing_else_is_forwarded(router):
    lan, wan = router.lan, router.wan
    for port, packet in [(lan, lan.to("198.18.1.1", src="198.18.200.7") / UDP(sport=1, dport=2)),
                         (wan, wan.to(lan.ip) / UDP(sport=53, dport=10001))]:
        router.send(port, packet).nothing(IP4_NOT_OURS=1)
