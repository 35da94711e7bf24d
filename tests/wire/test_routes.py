# SPDX-License-Identifier: BSD-3-Clause
"""Routes from the outside: longest match, verdicts, ECMP, links, changes under traffic."""
import copy
import json
import threading
from collections import Counter

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from support import lab

ONE, TWO = "198.18.1.1", "198.18.2.1"
CONFIG = {
    "system": {"loopback": ["198.18.255.1"]},
    "ports": {"alt": {"addresses": ["198.18.2.254/24"]}},
    "routes": [
        {"prefix": "0.0.0.0/0", "via": ONE},
        {"prefix": "203.0.113.0/24", "via": TWO},
        {"prefix": "203.0.113.128/25", "via": ONE},
        {"prefix": "203.0.113.130/32", "via": TWO},
        {"prefix": "203.0.114.0/24", "blackhole": True},
        {"prefix": "203.0.115.0/24", "unreachable": True},
        {"prefix": "203.0.116.0/24", "via": [ONE, TWO]},
    ],
}


def datagram(port, dst, sport=5000, **fields):
    return port.to(dst, **fields) / UDP(sport=sport, dport=5001) / Raw(b"routed")


def routes(router, *words):
    return router.ctl("show", "routes", *words)["routes"]


def leaves_by(router, dst, sport=5000):
    """The name of the port by which a packet to dst leaves."""
    outcome = router.send(router.lan, datagram(router.lan, dst, sport))
    ports = [name for name, frames in outcome.out.items() for f in frames if UDP in f]
    assert len(ports) == 1, outcome
    return ports[0]


# --- longest match, verdicts ---

@pytest.mark.parametrize("dst, port", [
    ("203.0.113.1", "alt"), ("203.0.113.127", "alt"), ("203.0.113.128", "wan"),
    ("203.0.113.130", "alt"), ("203.0.113.255", "wan"), ("203.0.112.1", "wan"),
    ("8.8.8.8", "wan"), ("198.18.2.1", "alt"),
])
def test_longest_match(router, dst, port):
    assert leaves_by(router, dst) == port


def test_blackhole_is_silent(router):
    router.send(router.lan, datagram(router.lan, "203.0.114.9")).nothing(BLACKHOLE=1)


def test_unreachable_is_told(router):
    outcome = router.send(router.lan, datagram(router.lan, "203.0.115.9"))
    error = outcome.only(router.lan)
    assert (error[ICMP].type, error[ICMP].code) == (3, 1)
    assert outcome.drops == {"UNREACHABLE": 1}


def test_no_route_is_told(make_router):
    router = make_router()
    error = router.send(router.lan, datagram(router.lan, "8.8.8.8")).only(router.lan)
    assert (error[ICMP].type, error[ICMP].code) == (3, 0)


def test_loopback_is_ours_by_any_port(router):
    for port in (router.lan, router.wan, router.alt):
        ping = port.to("198.18.255.1") / ICMP(id=9) / Raw(b"who")
        reply = router.send(port, ping).only(port)
        assert (reply[IP].src, reply[ICMP].type, reply[Raw].load) == ("198.18.255.1", 0, b"who")


def test_our_address_is_ours_by_any_port(router):
    reply = router.send(router.lan, router.lan.to("198.18.1.254") / ICMP(id=9)).only(router.lan)
    assert reply[IP].src == "198.18.1.254"


# --- several gateways ---

def by_flow(router, sports):
    """Which port each flow leaves by."""
    router.settle()
    router.lan.send(*[datagram(router.lan, "203.0.116.9", sport) for sport in sports])
    out = [router.settle() for _ in range(2)]
    flows = {f[UDP].sport: name for seen in out for name, frames in seen.items() for f in frames
             if UDP in f and f[UDP].dport == 5001}
    assert set(flows) == set(sports)
    return flows


def test_flows_share_the_gateways_and_keep_theirs(router):
    sports = range(6000, 6200)
    flows = by_flow(router, sports)
    shares = Counter(flows.values())
    assert set(shares) == {"wan", "alt"} and min(shares.values()) > 60, shares
    assert by_flow(router, sports) == flows


def test_fragments_of_a_datagram_stay_together(router):
    """They have no ports beyond the first: all go by the addresses alone."""
    whole = datagram(router.lan, "203.0.116.9", id=77)
    first, rest = whole.copy(), whole.copy()
    first[IP].flags, rest[IP].frag = "MF", 1
    for sport in range(20):
        first[UDP].sport = sport
        outcome = router.send(router.lan, first, rest)
        counts = sorted(len([f for f in frames if IP in f]) for frames in outcome.out.values())
        assert counts == [0, 0, 2], outcome


def test_link_down_moves_what_it_must_and_no_more(make_router):
    router = make_router(CONFIG)
    sports = range(6000, 6100)
    before = by_flow(router, sports)
    router.set_link(router.alt, "down")
    assert not [r for r in routes(router, "203.0.113.0/24") if r["best"]
                and "alt" in json.dumps(r)]
    assert leaves_by_wan_only(router, sports)
    assert leaves_by_wan_only(router, [1], "203.0.113.1")  # the default route serves
    router.alt.socket.close()
    router.set_link(router.alt, "up")
    router.alt.open()
    router.alt.introduce()
    assert by_flow(router, sports) == before


def leaves_by_wan_only(router, sports, dst="203.0.116.9"):
    for sport in sports:
        router.lan.send(datagram(router.lan, dst, sport))
    for sport in sports:
        router.wan.expect(lambda f, sport=sport: UDP in f and f[UDP].sport == sport)
    return True


def test_silent_gateway_has_no_part(make_router):
    """Of two gateways one never answers: after three requests no flow is sent its way."""
    router = make_router({**CONFIG, "neighbours": {"retry": "200ms"},
                          "routes": [{"prefix": "203.0.116.0/24", "via": [ONE, "198.18.2.66"]}]})
    router.settle()
    router.wait_until(lambda: [n for n in router.ctl("show", "neighbours")
                               if n["address"] == "198.18.2.66" and n["state"] == "failed"], 6,
                      "the gateway counts as failed")
    flows = by_flow(router, range(6000, 6050))
    assert set(flows.values()) == {"wan"}
    router.alt.send(router.alt.arp("who-has", psrc="198.18.2.66", pdst="198.18.2.66"))
    router.wait_until(lambda: "alt" in by_flow(router, range(6000, 6050)).values(), 4,
                      "it has its part again")


def test_backup_route_takes_over(make_router):
    """The same prefix from two origins: the better one counts while its link is up."""
    router = make_router(CONFIG)
    router.ctl("route", "add", "203.0.113.0/24", "via", ONE, "preference", "9")
    assert leaves_by(router, "203.0.113.1") == "alt"
    router.set_link(router.alt, "down")
    router.lan.send(datagram(router.lan, "203.0.113.1", 77))
    router.wan.expect(lambda f: UDP in f and f[UDP].sport == 77)
    router.alt.socket.close()
    router.set_link(router.alt, "up")
    router.alt.open()
    router.alt.introduce()
    assert leaves_by(router, "203.0.113.1") == "alt"


# --- the operator ---

def test_route_added_and_withdrawn(router):
    router.ctl("route", "add", "100.64.0.0/10", "via", TWO)
    router.wait_until(lambda: routes(router, "100.64.0.0/10")[0]["installed"], 2, "it is in")
    assert leaves_by(router, "100.64.3.4") == "alt"
    with pytest.raises(lab.CtlError, match="100.64.0.0/10"):
        router.ctl("route", "add", "100.64.0.0/10", "via", ONE)
    router.ctl("route", "del", "100.64.0.0/10")
    router.wait_until(lambda: leaves_by(router, "100.64.3.4") == "wan", 2, "it is gone")
    with pytest.raises(lab.CtlError):
        router.ctl("route", "del", "100.64.0.0/10")


@pytest.mark.parametrize("words", [
    ("203.0.113.1/24", "via", ONE),               # host bits
    ("100.64.0.0/33", "via", ONE),
    ("100.64.0.0/10", "via", "198.18.1.254"),     # our own address
    ("100.64.0.0/10", "via", "198.18.255.1"),     # our own, of the loopback
    ("100.64.0.0/10", "via", "198.18.1.255"),     # a broadcast address
    ("100.64.0.0/10", "via", "10.0.0.1"),         # on no network of ours
    ("100.64.0.0/10", "via", "224.0.0.1"),
    ("100.64.0.0/10", "via", ONE, "via", ONE),
    ("100.64.0.0/10",),
])
def test_bad_route_is_refused(router, words):
    before = routes(router)
    with pytest.raises(lab.CtlError):
        router.ctl("route", "add", *words)
    assert routes(router) == before


# --- a new configuration ---

def apply(router, conf):
    path = router.path / "next.yaml"
    path.write_text(json.dumps(conf))
    return router.ctl("config", "apply", str(path))


def test_routes_change_and_are_rolled_back(make_router):
    router = make_router(CONFIG)
    router.ctl("route", "add", "100.64.0.0/24", "via", TWO)
    changed = copy.deepcopy(router.conf)
    changed["routes"] = [{"prefix": "203.0.113.0/24", "via": ONE},
                         {"prefix": "100.65.0.0/24", "via": TWO}]
    apply(router, changed)
    assert leaves_by(router, "203.0.113.1") == "wan"
    assert leaves_by(router, "100.65.0.1") == "alt"
    assert leaves_by(router, "100.64.0.1") == "alt"  # the operator's
    router.wait_until(lambda: not [r for r in routes(router) if r["prefix"] == "0.0.0.0/0"], 2,
                      "the default route is gone")
    router.ctl("config", "rollback")
    assert leaves_by(router, "203.0.113.1") == "alt"
    assert leaves_by(router, "100.64.0.1") == "alt"
    router.wait_until(lambda: leaves_by(router, "100.65.0.1") == "wan", 2, "the default is back")


def test_no_packet_is_lost_while_routes_change(make_router):
    """A new configuration every tenth of a second changes routes beside and under a flow."""
    router = make_router(CONFIG)
    changed = copy.deepcopy(router.conf)
    changed["routes"][1]["via"] = ONE               # the flow's own route goes the other way
    changed["routes"] += [{"prefix": f"100.{n}.0.0/16", "via": TWO} for n in range(64, 128)]
    stop, sent = threading.Event(), 0

    def change():
        for turn in range(30):
            apply(router, changed if turn % 2 == 0 else router.conf)
            stop.wait(0.1)
        stop.set()

    changer = threading.Thread(target=change)
    changer.start()
    received = Counter()
    before = router.drops()
    while not stop.is_set():
        router.lan.send(datagram(router.lan, "203.0.113.5", 7000 + sent % 100))
        sent += 1
        for port in (router.wan, router.alt):
            while (frame := port.recv_bytes()) is not None:
                received[port.name] += frame[12:14] == b"\x08\x00" and frame[23] == 17
        stop.wait(0.0005)
    changer.join()
    for seen in (router.settle(), router.settle()):
        for name, frames in seen.items():
            received[name] += len([f for f in frames if UDP in f])
    assert sum(received.values()) == sent and min(received["wan"], received["alt"]) > 0, received
    assert lab.moved(before, router.drops()) == {}


# --- small networks ---

def test_point_to_point_link(make_router):
    """RFC 3021: a /31 has two hosts and no broadcast address."""
    router = make_router({"ports": {"alt": {"addresses": ["198.18.9.0/31"]}}}, introduce=False)
    router.lan.introduce()
    router.wan.introduce()
    router.lan.send(datagram(router.lan, "198.18.9.1"))
    asked = router.alt.answer_arp("198.18.9.1")
    assert asked[ARP].psrc == "198.18.9.0"
    router.alt.expect(lambda f: UDP in f and f[IP].dst == "198.18.9.1")
    reply = router.send(router.alt, router.alt.to("198.18.9.0") / ICMP(id=3)).only(router.alt)
    assert reply[IP].src == "198.18.9.0"
