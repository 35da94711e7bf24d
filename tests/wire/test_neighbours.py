# SPDX-License-Identifier: BSD-3-Clause
"""Neighbours beyond the exchange of ARP: next hops, VLANs, links, proxies, the operator's hand."""
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from support import lab
from support.lab import BROADCAST

GATEWAY = "198.18.1.40"
CONFIG = {
    "ports": {
        "lan": {"vlans": {"10": {"addresses": ["198.18.10.254/24"]}}},
        "wan": {"proxy_arp": True},
    },
    "neighbours": {"static": [
        {"address": "198.18.1.50", "mac": "02:00:00:00:50:50", "port": "wan"}]},
    "routes": [
        {"prefix": "198.19.0.0/16", "via": GATEWAY},
        {"prefix": "198.19.255.0/24", "blackhole": True},
    ],
}


def neighbour(router, address):
    rows = [row for row in router.ctl("show", "neighbours") if row["address"] == address]
    return rows[0] if rows else None


def requests_for(frames, address):
    return [f for f in frames if ARP in f and f[ARP].op == 1 and f[ARP].pdst == address]


def datagram(port, dst, number=0):
    return port.to(dst) / UDP(sport=5000, dport=5001) / Raw(bytes([number]))


@pytest.fixture
def forgetful(router):
    """The module's router, which knows nobody who was only learnt."""
    router.ctl("neighbour", "flush")
    for port in router.ports.values():
        port.introduce()
        port.drain()
    return router


# --- next hops of routes ---

@pytest.mark.end_to_end
def test_packets_wait_for_a_gateway_in_order(forgetful):
    """The route's adjacency is there before its gateway has answered."""
    router = forgetful
    for number in range(10):
        router.lan.send(datagram(router.lan, f"198.19.0.{number}", number))
    asked = router.wan.answer_arp(GATEWAY)
    assert asked.dst == BROADCAST and asked[ARP].psrc == "198.18.1.254"
    came = [router.wan.expect(lambda f: UDP in f) for _ in range(10)]
    assert [bytes(f[UDP].payload)[0] for f in came] == list(range(10))
    assert all(f.dst == router.wan.mac for f in came)
    row = neighbour(router, GATEWAY)
    assert row["state"] == "reachable" and row["routes"] == 1


def test_what_waits_is_held_in_the_books(forgetful):
    router = forgetful
    router.lan.send(*[datagram(router.lan, "198.18.1.41", n) for n in range(5)])
    router.settle()
    books = router.counters()
    assert books["held"] == 5 and books["balanced"]
    router.wan.answer_arp("198.18.1.41")
    for _ in range(5):
        router.wan.expect(lambda f: UDP in f)
    router.settle()
    assert router.counters()["held"] == 0


def test_a_gateway_that_comes_back_announces_itself(forgetful):
    """Its gratuitous ARP alone resolves it: nothing has to be asked again."""
    router = forgetful
    router.lan.send(datagram(router.lan, "198.19.0.1"))
    error = router.lan.expect(lambda f: ICMP in f and f[ICMP].type == 3, timeout=6)
    assert error[ICMP].code == 1
    router.wan.send(router.wan.arp("who-has", psrc=GATEWAY, pdst=GATEWAY))
    router.wait_until(lambda: neighbour(router, GATEWAY)["state"] == "reachable", 2,
                      "the gateway is known")
    out = router.send(router.lan, datagram(router.lan, "198.19.0.1"))
    assert out.only(router.wan).dst == router.wan.mac


def test_our_own_packets_wait_too(forgetful):
    """A host that asks without having been asked for gets its echo reply once it is resolved."""
    router = forgetful
    router.lan.send(router.lan.to("198.18.0.254", src="198.18.0.90") / ICMP(id=7) / Raw(b"waits"))
    router.lan.answer_arp("198.18.0.90")
    reply = router.lan.expect(lambda f: ICMP in f and f[ICMP].type == 0 and f[ICMP].id == 7)
    assert (reply[IP].dst, reply[Raw].load) == ("198.18.0.90", b"waits")


def test_nobody_is_asked_for_a_broadcast_address(forgetful):
    router = forgetful
    out = router.send(router.lan, datagram(router.lan, "198.18.1.255"),
                      datagram(router.lan, "198.18.1.0"))
    out.nothing(BROADCAST=2)


# --- VLANs ---

def test_vlan_is_answered_with_its_tag(router):
    ask = Ether(src=router.lan.mac, dst=BROADCAST) / Dot1Q(vlan=10) / ARP(
        op=1, hwsrc=router.lan.mac, psrc="198.18.10.1", pdst="198.18.10.254")
    reply = router.send(router.lan, ask).only(router.lan)
    assert Dot1Q in reply and reply[Dot1Q].vlan == 10 and reply[Dot1Q].type == 0x0806
    assert (reply[ARP].op, reply[ARP].psrc) == (2, "198.18.10.254")
    assert len(reply) == 64
    frame = Ether(src=router.lan.mac, dst=BROADCAST) / ask[ARP]
    router.send(router.lan, frame).nothing(ARP_OFFLINK=1)


def test_vlan_is_asked_with_its_tag(forgetful):
    router = forgetful
    router.wan.send(datagram(router.wan, "198.18.10.7"))
    asked = router.lan.expect(lambda f: ARP in f and f[ARP].pdst == "198.18.10.7")
    assert asked[Dot1Q].vlan == 10 and asked[ARP].psrc == "198.18.10.254" and len(asked) == 64
    router.lan.send(Ether(src=router.lan.mac, dst=router.lan.router_mac) / Dot1Q(vlan=10) / ARP(
        op=2, hwsrc=router.lan.mac, psrc="198.18.10.7", hwdst=router.lan.router_mac,
        pdst="198.18.10.254"))
    came = router.lan.expect(lambda f: UDP in f)
    assert came[Dot1Q].vlan == 10 and came.dst == router.lan.mac
    assert neighbour(router, "198.18.10.7")["port"] == "lan.10"


# --- proxy ARP (RFC 1027) ---

def test_proxy_answers_for_what_is_elsewhere(router):
    for target in ("198.18.0.1", "198.18.0.99", "198.18.0.254", "198.18.10.3"):
        reply = router.send(router.wan, router.wan.arp("who-has", pdst=target)).only(router.wan)
        assert (reply[ARP].op, reply[ARP].psrc) == (2, target)
        assert reply[ARP].hwsrc == router.wan.router_mac


def unanswered(router, port, frame):
    """Nobody answers; the router may ask for its gateway meanwhile."""
    outcome = router.send(port, frame)
    assert outcome.drops == {"ARP_NOT_OURS": 1}, outcome
    assert not [f for f in outcome.out[port.name] if f[ARP].op == 2], outcome


@pytest.mark.parametrize("target", ["198.18.1.77", "198.19.0.1", "198.19.255.1", "9.9.9.9"])
def test_proxy_is_silent_about(router, target):
    """The link's own hosts, what is reached back through it, blackholes, what has no route."""
    unanswered(router, router.wan, router.wan.arp("who-has", pdst=target))


def test_proxy_leaves_probes_alone(router):
    """A proxy's answer to an RFC 5227 probe would be a conflict that is none."""
    probe = router.wan.arp("who-has", psrc="0.0.0.0", pdst="198.18.0.1")
    unanswered(router, router.wan, probe)


def test_no_proxy_unless_it_is_on(router):
    outcome = router.send(router.lan, router.lan.arp("who-has", pdst="198.18.1.1"))
    assert not outcome.out["lan"] and outcome.drops == {"ARP_NOT_OURS": 1}


# --- the operator and the configuration ---

def test_static_neighbour_of_the_configuration(router):
    out = router.send(router.lan, datagram(router.lan, "198.18.1.50"))
    assert out.only(router.wan).dst == "02:00:00:00:50:50"
    lie = router.wan.arp("who-has", psrc="198.18.1.50")
    router.send(router.wan, lie)
    assert neighbour(router, "198.18.1.50")["mac"] == "02:00:00:00:50:50"
    router.ctl("neighbour", "flush")
    assert neighbour(router, "198.18.1.50")["state"] == "static"
    with pytest.raises(lab.CtlError, match="configuration"):
        router.ctl("neighbour", "del", "198.18.1.50", "wan")
    assert neighbour(router, "198.18.1.50")["state"] == "static"


def test_neighbour_added_and_taken_back(forgetful):
    router = forgetful
    router.ctl("neighbour", "add", "198.18.1.60", "02:00:00:00:60:60", "wan")
    out = router.send(router.lan, datagram(router.lan, "198.18.1.60"))
    assert out.only(router.wan).dst == "02:00:00:00:60:60"
    row = neighbour(router, "198.18.1.60")
    assert (row["state"], row["packets"]) == ("static", 1)
    router.ctl("neighbour", "del", "198.18.1.60", "wan")
    assert neighbour(router, "198.18.1.60") is None
    router.lan.send(datagram(router.lan, "198.18.1.60"))
    router.wan.answer_arp("198.18.1.60")
    assert router.wan.expect(lambda f: UDP in f).dst == router.wan.mac


@pytest.mark.parametrize("words", [
    ("198.18.0.60", "02:00:00:00:60:60", "wan"),     # not on its network
    ("198.18.1.254", "02:00:00:00:60:60", "wan"),    # our own
    ("198.18.1.255", "02:00:00:00:60:60", "wan"),    # everybody
    ("198.18.1.60", "01:00:5e:00:00:01", "wan"),     # a group
    ("198.18.1.60", "02:00:00:00:60:60", "nowhere"),
])
def test_bad_neighbour_is_refused(router, words):
    before = router.ctl("show", "neighbours")
    with pytest.raises(lab.CtlError):
        router.ctl("neighbour", "add", *words)
    assert len(router.ctl("show", "neighbours")) == len(before)


def test_a_neighbour_moves_while_packets_flow(forgetful):
    """Each packet goes to the old or the new MAC whole, and none is lost."""
    router = forgetful
    macs = ["02:00:00:00:1a:1a", "02:00:00:00:2b:2b"]
    for turn in range(20):
        moved = router.wan.arp("who-has", pdst=router.wan.ip)
        moved[Ether].src = moved[ARP].hwsrc = macs[turn % 2]
        router.wan.send(moved)
        router.lan.send(*[datagram(router.lan, router.wan.ip, turn)] * 10)
    came = [f for _ in range(2) for f in router.settle()["wan"] if UDP in f]
    assert len(came) == 200 and {f.dst for f in came} <= {*macs, router.wan.mac}
    router.wan.introduce()


# --- links ---

def test_link_that_goes_and_comes(make_router):
    router = make_router({"neighbours": {"static": CONFIG["neighbours"]["static"]}})
    assert neighbour(router, router.wan.ip)
    router.set_link(router.wan, "down")
    assert not [r for r in router.ctl("show", "neighbours") if r["port"] == "wan"]
    router.lan.send(datagram(router.lan, router.wan.ip))
    unreachable = router.lan.expect(lambda f: ICMP in f and f[ICMP].type == 3)
    assert unreachable[ICMP].code == 0  # no route any more
    router.wan.socket.close()
    router.set_link(router.wan, "up")
    router.wan.open()
    announced = router.wan.expect(lambda f: lab.is_announcement(f, router.wan), timeout=4)
    assert announced[ARP].psrc == "198.18.1.254" and announced.dst == BROADCAST
    assert neighbour(router, "198.18.1.50")["state"] == "static"
    router.lan.send(datagram(router.lan, router.wan.ip))
    router.wan.answer_arp(router.wan.ip)
    assert router.wan.expect(lambda f: UDP in f)[IP].dst == router.wan.ip


# --- floods ---

def test_scan_of_a_dead_network(forgetful):
    """Packets to hosts that are not there: one request a second for each, and room for the rest."""
    router = forgetful
    scan = [datagram(router.lan, f"198.18.1.{host}") for host in range(100, 200)]
    router.lan.send(*scan, *scan, *scan)
    router.settle()
    seen = router.wan.drain()
    for host in range(100, 200):
        assert len(requests_for(seen, f"198.18.1.{host}")) <= 2
    router.lan.send(datagram(router.lan, "198.18.1.42"))
    router.wan.answer_arp("198.18.1.42")
    router.wan.expect(lambda f: UDP in f and f[IP].dst == "198.18.1.42")
    router.wait_until(lambda: router.counters()["held"] == 0, 10, "nothing waits any more")


def arp_frames(side, wanted):
    """Receives until so many ARP frames have come, or none for two seconds; how many did."""
    seen = 0
    while seen < wanted and (frame := side.recv_bytes(2)) is not None:
        seen += frame[12:14] == b"\x08\x06"
    return seen


def test_flood_of_strangers(forgetful):
    """Thousands of senders that speak to us: all answered, and control stays of use."""
    router = forgetful
    answers = 0
    for n in range(2000):
        frame = router.lan.arp("who-has", psrc=f"198.18.0.{n % 250 + 2}")
        frame[Ether].src = frame[ARP].hwsrc = f"02:00:00:{n >> 8:02x}:{n & 255:02x}:05"
        router.lan.send(frame)
        if n % 100 == 99:  # a TAP holds but so many: none of its queues may be what drops
            answers += arp_frames(router.lan, 100)
    assert answers >= 2000
    router.lan.send(datagram(router.lan, "198.18.1.43"))
    router.wan.answer_arp("198.18.1.43")
    router.wan.expect(lambda f: UDP in f and f[IP].dst == "198.18.1.43")
    assert router.counters()["balanced"]
