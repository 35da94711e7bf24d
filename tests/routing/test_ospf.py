# SPDX-License-Identifier: BSD-3-Clause
"""OSPF through millrace: an IP protocol, and groups that the kernel joins on punt interfaces."""
import pytest

from support import lab
from support.frr import await_true
from support.routing_lab import SHARED, Stream, between_neighbours

ONE = "198.18.129.0/24"

INTERFACE = """
interface {name}
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf retransmit-interval 3
 {network}
"""
# A broadcast network, where a designated router is elected and hears another group, and a link of
# two.
NETWORKS = {"up1": "ip ospf network broadcast", "up2": "ip ospf network point-to-point",
            "lan": "ip ospf passive"}
ROUTER = """
router ospf
 ospf router-id {ip}
 timers throttle spf 0 50 500
 timers throttle lsa all 0
 timers lsa min-arrival 0
 {more}
"""



def interface(port, name):
    return INTERFACE.format(name=name, network=NETWORKS[port])


@pytest.fixture(scope="module", params=[1, 2] if lab.SOAK else [1], ids="workers: {}".format)
def world(request):
    ours = "".join(interface(port, f"k-{port}") for port in NETWORKS)
    ours += ROUTER.format(ip="198.18.0.254", more="")

    def theirs(peer):
        return {"ospfd": interface(peer.port.name, peer.port.iface)
                + ROUTER.format(ip=peer.ip, more="redistribute kernel")}

    with between_neighbours(request.param, {"ospfd": ours}, theirs) as site:
        yield site


def await_both(site):
    ips = {peer.ip for peer in site.peers}
    await_true(lambda: site.frr.ospf_full() == ips, 60, "both neighbours are full",
                   site.frr.words)
    site.await_gateways(SHARED, sorted(ips))
    site.await_ways_back()


def test_routes_lead_to_both_neighbours(site):
    with Stream(site) as stream:
        stream.wait_for(200)
    assert not stream.lost() and set(stream.back.values()) == {0, 1}


def test_a_route_comes_and_goes(site):
    first, _ = site.peers
    first.announce(ONE)
    site.await_gateways(ONE, [first.ip])
    first.announce(ONE, verb="del")
    site.await_gateways(ONE, [])


def test_flows_leave_a_neighbour_that_falls_silent(site):
    """Its dead interval finds out."""
    first, second = site.peers
    assert site.reroute(first.silent(), second.ip), "the wire was not cut"
    await_both(site)


def test_a_link_that_goes_down_is_known_at_once(site, figure):
    """The punt interface's carrier is the port's."""
    first, second = site.peers
    lost = site.reroute(second.unplugged(), first.ip)
    figure("OSPF, link down: flows are back after", f"{max(lost, default=0):.2f} s")
    await_both(site)
