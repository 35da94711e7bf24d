# SPDX-License-Identifier: BSD-3-Clause
"""Flows told by another instance, and told to it: the peer here is Scapy's, at the lan's host."""
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from support.flow_sync import CLOSED, ESTABLISHED, FLOWS, HELLO, NONE, Flow, Peer, key_of

VIP = "198.18.0.100", 80
AWAY = "198.18.0.101"  # one that another instance has
OURS = "198.18.1.111"  # the masquerade's
BACKENDS = [("198.18.1.1", port) for port in (8081, 8082)]
CONFIG = {
    "balancers": {
        "services": {
            "web": {"address": VIP[0], "port": "80", "scheduler": "round-robin",
                    "backends": [{"address": a, "port": p} for a, p in BACKENDS]},
            "away": {"address": AWAY, "port": "80", "takeover": True,
                     "backends": [{"address": "198.18.1.1", "port": 8083}]},
        },
        "masquerades": {"home": {"inside": "198.18.0.0/24", "out": "wan", "address": OURS}},
        "sync": {"address": "198.18.0.254", "peer": "198.18.0.1", "key": "of the wire"},
    },
}


@pytest.fixture(scope="module")
def known_peer(module_router):
    it = Peer(module_router.lan, "of the wire")
    it.greet()
    return it


@pytest.fixture
def peer(router, known_peer):
    known_peer.say_hello()
    return known_peer


def counted(router, name):
    return router.counters()[name]


def segment(router, client, flags="A"):
    """Where the client's segment goes: the backend's address and port."""
    lan = router.lan
    lan.send(lan.to(VIP[0], src=client[0]) / TCP(sport=client[1], dport=VIP[1], flags=flags) /
             Raw(b"x"))
    out = router.wan.expect(lambda f: TCP in f and f[IP].src == client[0] and
                            f[TCP].sport == client[1])
    return out[IP].dst, out[TCP].dport


def tell(router, peer, flow, counter="flows_taken"):
    """Tells a flow in every slot: the right one takes it, the others do not."""
    before = counted(router, counter)
    for slot in range(64):
        peer.tell(flow, slot)
    router.wait_until(lambda: counted(router, counter) > before, 5, counter)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_flow_goes_on_where_it_was(router, peer, backend):
    for port in range(3):
        client = "198.18.0.1", 30000 + BACKENDS.index(backend) * 10 + port
        tell(router, peer, Flow(client, VIP, backend))
        assert segment(router, client) == backend


def test_it_is_told_back_when_it_is_used(router, peer):
    flow = Flow(("198.18.0.1", 30100), VIP, BACKENDS[1])
    tell(router, peer, flow)
    segment(router, flow.client)
    while True:
        head, session, body = peer.hear(FLOWS)
        assert session == peer.router_session and len(body) == head[5] * head[6]
        told = [Flow.unpack(body[i:i + 32]) for i in range(0, len(body), 32)]
        if any(x.client == flow.client for x in told):
            break
    assert any((x.client, x.service, x.backend, x.proto, x.state, x.marks) ==
               (flow.client, VIP, BACKENDS[1], 6, ESTABLISHED, 0) and x.age <= 20 for x in told)


def test_one_that_ended(router, peer):
    flow = Flow(("198.18.0.1", 30200), VIP, BACKENDS[0])
    tell(router, peer, flow)
    flow.state = CLOSED
    tell(router, peer, flow, "flows_ended")


@pytest.mark.parametrize("changes", [
    {"service": ("198.18.0.99", 80)}, {"service": (VIP[0], 81)}, {"backend": ("198.18.1.1", 80)},
    {"backend": ("198.18.1.2", 8081)}, {"proto": 17}, {"proto": 1}, {"state": 0}, {"state": 9},
    {"client": ("224.0.0.1", 1)}], ids=lambda c: " ".join(f"{k} {v}" for k, v in c.items()))
def test_what_is_not_here(router, peer, changes):
    flow = Flow(("198.18.0.1", 30300), VIP, BACKENDS[0])
    vars(flow).update(changes)
    taken = counted(router, "flows_taken")
    before = counted(router, "flows_unknown")
    for slot in range(64):
        peer.tell(flow, slot)
    router.wait_until(
        lambda: counted(router, "flows_unknown") == before + 64, 5, "all are refused")
    assert counted(router, "flows_taken") == taken


def refused(router, reason, send):
    before = router.drops().get(reason, 0)
    taken = counted(router, "flows_taken")
    send()
    router.wait_until(lambda: router.drops().get(reason, 0) == before + 1, 5, reason)
    assert counted(router, "flows_taken") == taken


def test_who_may_not_tell(router, peer):
    flow = Flow(("198.18.0.1", 30400), VIP, BACKENDS[0]).pack()

    def one(**fields):
        return peer.datagram(FLOWS, flow, 0, 1, **fields)

    again = one()
    for reason, data, fields in [
            ("SYNC_PEER", one(), {"src": "198.18.0.7"}),
            ("SYNC_KEY", one(key=key_of("another")), {}),
            ("SYNC_OLD", one(session=peer.session ^ 2), {}),
            ("SYNC_OLD", one(session=peer.router_session), {}),
            ("SYNC_BAD", one()[:-1], {}),
            ("SYNC_BAD", one() + b"x", {}),
            ("SYNC_BAD", b"mr\2" + one()[3:], {}),
            ("SYNC_BAD", b"", {}),
            ("SYNC_OLD", peer.datagram(HELLO, bytes(24), number=1), {}),
            ("SYNC_KEY", peer.datagram(HELLO, bytes(24), key=key_of("")), {})]:
        refused(router, reason, lambda: peer.send(data, **fields))
    peer.send(again)
    refused(router, "SYNC_OLD", lambda: peer.send(again))


def test_a_mapping_goes_on_where_it_was(router, peer):
    lan, wan = router.lan, router.wan
    inside = "198.18.0.1", 30600
    tell(router, peer, Flow(inside, NONE, NONE, nat=(OURS, 12345)))
    wan.send(wan.to(OURS) / TCP(sport=443, dport=12345, flags="A") / Raw(b"x"))
    came = lan.expect(lambda f: TCP in f and f[IP].dst == inside[0])
    assert (came[IP].src, came[TCP].sport, came[TCP].dport) == (wan.ip, 443, inside[1])
    lan.send(lan.to(wan.ip) / TCP(sport=inside[1], dport=443, flags="A") / Raw(b"x"))
    went = wan.expect(lambda f: TCP in f and f[IP].dst == wan.ip)
    assert (went[IP].src, went[TCP].sport, went[TCP].dport) == (OURS, 12345, 443)


@pytest.mark.parametrize("flow", [
    Flow(("198.18.7.1", 1), NONE, NONE, nat=(OURS, 12345)),
    Flow(("198.18.0.1", 1), NONE, NONE, nat=("198.18.1.112", 12345)),
    Flow(("198.18.0.1", 1), NONE, NONE, nat=(OURS, 9999)),
    Flow(("198.18.0.1", 1), NONE, NONE, nat=NONE),
    Flow(("198.18.0.1", 1), ("0.0.0.0", 7), NONE, nat=(OURS, 12345)),
    Flow(("198.18.0.1", 1), NONE, NONE, nat=(OURS, 12345), proto=47)], ids=repr)
def test_what_is_no_mapping_here(router, peer, flow):
    taken, before = counted(router, "flows_taken"), counted(router, "flows_unknown")
    for slot in range(64):
        peer.tell(flow, slot)
    router.wait_until(
        lambda: counted(router, "flows_unknown") == before + 64, 5, "all are refused")
    assert counted(router, "flows_taken") == taken


def test_what_is_shown(router, peer):
    def shown():
        return router.ctl("show", "peer")

    router.wait_until(lambda: shown()["state"] == "up" and shown()["listens"], 5, "it is up")
    before = shown()
    assert (before["peer"], before["address"], before["port"]) == \
        (router.lan.ip, router.lan.router_ip, 7780)
    assert before["session"] == f"{peer.session:016x}" and before["since_s"] >= 0
    tell(router, peer, Flow(("198.18.0.1", 30500), VIP, BACKENDS[0]))
    refused(router, "SYNC_KEY", lambda: peer.send(peer.datagram(HELLO, bytes(24), key=key_of(""))))
    router.wait_until(lambda: shown()["sync_read"] == before["sync_read"] + 64, 5, "all are read")
    after = shown()
    assert after["flows_taken"] == before["flows_taken"] + 1
    assert after["refused"]["SYNC_KEY"] == before["refused"]["SYNC_KEY"] + 1


def test_arp_for_what_another_has(router):
    """The address of a takeover service is nobody's here while no interface has it."""
    lan = router.lan
    before = router.drops().get("ARP_NOT_OURS", 0)
    lan.send(lan.arp("who-has", pdst=AWAY))
    router.wait_until(
        lambda: router.drops().get("ARP_NOT_OURS", 0) == before + 1, 5, "it is dropped")
    lan.send(lan.arp("who-has", pdst=VIP[0]))
    lan.expect(lambda f: ARP in f and f[ARP].op == 2 and f[ARP].psrc == VIP[0])
