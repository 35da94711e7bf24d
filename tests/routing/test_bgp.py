# SPDX-License-Identifier: BSD-3-Clause
"""BGP through millrace: FRR at its punt interfaces, and two neighbours behind its ports."""
import time

import pytest
from scapy.layers.inet import IP, UDP

from support import lab
from support.frr import await_true
from support.routing_lab import CLIENTS, SHARED, Stream, between_neighbours

HOLD = 30  # seconds; BFD finds out in one
MANY = [f"198.19.{i >> 6}.{(i & 63) << 2}/30" for i in range(10000)]
BFD = """
bfd
 profile quick
  receive-interval 300
  transmit-interval 300
"""

OURS = f"""
router bgp 65000
 bgp router-id 198.18.0.254
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 timers bgp {HOLD // 3} {HOLD}
 neighbor 198.18.1.1 remote-as 65001
 neighbor 198.18.1.1 timers connect 1
 neighbor 198.18.1.1 bfd profile quick
 neighbor 198.18.2.1 remote-as 65001
 neighbor 198.18.2.1 timers connect 1
 neighbor 198.18.2.1 bfd profile quick
 address-family ipv4 unicast
  network {CLIENTS}
  maximum-paths 4
"""

THEIRS = """
router bgp 65001
 bgp router-id {me}
 no bgp ebgp-requires-policy
 neighbor {router} remote-as 65000
 neighbor {router} timers connect 1
 neighbor {router} bfd profile quick
 address-family ipv4 unicast
  redistribute kernel
"""


@pytest.fixture(scope="module", params=[2, 1] if lab.SOAK else [2], ids="workers: {}".format)
def world(request):
    def theirs(peer):
        return {"bfdd": BFD, "bgpd": THEIRS.format(me=peer.ip, router=peer.port.router_ip)}

    with between_neighbours(request.param, {"bfdd": BFD, "bgpd": OURS}, theirs) as site:
        yield site


def await_both(site):
    """Both sessions are there, and the route that both neighbours announce leads to both."""
    ips = [peer.ip for peer in site.peers]
    await_true(lambda: site.frr.bgp_established() == site.frr.bfd_up() == set(ips), 60,
               "both sessions are there", site.frr.words)
    site.await_gateways(SHARED, ips)
    site.await_ways_back()


def test_routes_lead_to_both_neighbours(site):
    """And the neighbours' own kernels answer by what they learnt of us."""
    with Stream(site) as stream:
        stream.wait_for(200)
    assert not stream.lost() and set(stream.back.values()) == {0, 1}


def test_ten_thousand_routes(site, figure):
    first, _ = site.peers
    begun = time.monotonic()
    first.announce(*MANY)
    await_true(lambda: len(site.routes("198.19.0.0/16", len(MANY))) == len(MANY), 60,
               "10,000 routes are in force", site.frr.words)
    figure("10,000 routes by BGP, from a neighbour's kernel to the FIB",
           f"{time.monotonic() - begun:.1f} s")

    first.port.drain_bytes()
    for prefix in MANY[::997]:
        address = prefix.replace("/30", "").rsplit(".", 1)
        there = f"{address[0]}.{int(address[1]) + 1}"
        site.client.send(site.client.to(there) / UDP(sport=4000, dport=9))
        came = first.port.expect(lambda f, there=there: UDP in f and f[IP].dst == there)
        assert came.src == first.port.router_mac and came[IP].ttl == 63

    gone = MANY[4321]
    first.announce(gone, verb="del")
    await_true(lambda: site.routes(gone) == {}, 20, f"{gone} is gone", site.frr.words)
    first.announce(*(set(MANY) - {gone}), verb="del")
    await_true(lambda: site.routes("198.19.0.0/16") == {}, 60, "all are gone", site.frr.words)


def test_flows_leave_a_neighbour_that_went(site):
    first, second = site.peers
    second.frr.kill("bgpd")
    site.await_gateways(SHARED, [first.ip])
    with Stream(site) as stream:
        stream.wait_for(200)
    second.frr.start("bgpd")
    assert not stream.lost() and set(stream.back.values()) == {0}
    await_both(site)


def test_bfd_finds_a_silent_neighbour(site, figure):
    first, second = site.peers
    lost = site.reroute(first.silent(), second.ip)
    assert lost, "the wire was not cut"
    figure("BFD of 3 x 300 ms: flows are back after", f"{max(lost):.2f} s")
    assert max(lost) < HOLD / 3  # and no carrier told
    await_both(site)


def test_a_restart_of_frr_loses_nothing(site):
    with Stream(site) as stream:
        stream.wait_for(200)
        site.frr.kill("zebra", "bgpd")
        await_true(lambda: not any(p.frr.bgp_established() for p in site.peers), 20,
                   "the neighbours miss it", site.frr.words)
        stream.wait_for(200)
        site.frr.start("zebra", "bgpd")
        await_both(site)
        stream.wait_for(500)
    assert not stream.lost(), (len(stream.lost()), len(stream.sent))
    assert set(stream.back.values()) == {0, 1}


def flows_use_both(site):
    with Stream(site) as stream:
        stream.wait_for(200)
    return not stream.lost() and set(stream.back.values()) == {0, 1}


def test_frr_finds_a_restarted_millrace(site):
    """Its interfaces went and came, with their numbers; and it reads what the kernel has. A neighbour
    that has not missed it gives up its old session, and the way back, when the new one comes."""
    site.restart_router()
    await_both(site)
    await_true(lambda: flows_use_both(site), 60, "flows use both neighbours", site.frr.words)
