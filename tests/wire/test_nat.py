# SPDX-License-Identifier: BSD-3-Clause
"""Full NAT and masquerade on two workers: both ways of packets, hairpins, ports that run out."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror, fragment
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from support.lab import moved
from support.packets import checksums_hold

VIP, NEAR, POOL, VIRTUAL = "198.18.0.100", "198.18.1.100", "198.18.1.110", "198.18.1.111"
OWN = "198.18.1.254"  # the wan's
OTHER = "198.18.0.7"  # another host inside
INSIDE = "198.18.64.0/18"  # more of them

CONFIG = {
    "system": {"workers": 2},
    "services": {"echo": {"kind": "udp-echo", "listen": "0.0.0.0:7"},
                 "high": {"kind": "udp-echo", "listen": "0.0.0.0:20007"},
                 "tcp": {"kind": "tcp-echo", "listen": "0.0.0.0:20007"}},
    "routes": [{"prefix": INSIDE, "via": "198.18.0.1"},
               {"prefix": "198.18.128.0/17", "via": "198.18.1.1"}],
    "balancers": {
        "pools": {"inner": {"addresses": [POOL], "ports": "3000-3007"}},
        "services": {
            "web": {"address": VIP, "port": 80, "protocol": "both", "mode": "full-nat",
                    "pool": "inner", "backends": [{"address": "198.18.1.1", "port": 8080}]},
            "near": {"address": NEAR, "port": 80, "protocol": "both", "pool": "inner",
                     "backends": [{"address": "198.18.1.1", "port": 9000}]}},
        "masquerades": {
            "home": {"inside": "198.18.0.0/24", "out": "wan"},
            "more": {"inside": INSIDE, "out": "wan", "address": VIRTUAL, "ports": "4000-4015"}},
    },
}


def layer(protocol, **ports):
    return TCP(flags="S", **ports) if protocol is TCP else UDP(**ports)


def passes(to, packet, out):
    """What comes out at a port, of a packet into one: another worker may have had it meanwhile."""
    to.send(packet)
    frame = out.expect(lambda f: IP in f)
    assert checksums_hold(frame)
    return frame


def there(router, packet, port=None):
    return passes(router.lan, packet, port or router.wan)


def back(router, packet, port=None):
    return passes(router.wan, packet, port or router.lan)


def dropped(router, reason, n, port, *frames):
    """Exactly so many of them end there, for that reason; the others come out at the wan."""
    before = router.drops()
    port.send(*frames)
    router.wait_until(lambda: moved(before, router.drops()).get(reason, 0) >= n, 10, reason)
    out = [router.wan.expect(lambda f: IP in f) for _ in range(len(frames) - n)]
    router.settle()
    assert moved(before, router.drops()) == {reason: n}
    return out


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize("sport", [1000, 1001, 1002, 1003])
def test_full_nat(router, protocol, sport):
    out = there(router, router.lan.to(VIP) / layer(protocol, sport=sport, dport=80) / Raw(b"ask"))
    assert (out[IP].src, out[IP].dst, out[protocol].dport) == (POOL, "198.18.1.1", 8080)
    assert 3000 <= out[protocol].sport <= 3007 and out[IP].ttl == 63
    reply = back(router, router.wan.to(POOL) / layer(protocol, sport=8080, dport=out[protocol].sport))
    assert (reply[IP].src, reply[IP].dst) == (VIP, router.lan.ip)
    assert (reply[protocol].sport, reply[protocol].dport) == (80, sport)
    if protocol is TCP:  # gives its port back in time, for the others
        there(router, router.lan.to(VIP) / TCP(sport=sport, dport=80, flags="R"))


def test_a_client_beside_the_backend(router):
    """NAT alone would have the backend answer it past us."""
    packet = router.wan.to(NEAR, src="198.18.1.9") / UDP(sport=5, dport=80) / Raw(b"ask")
    router.wan.introduce("198.18.1.9")
    out = back(router, packet, router.wan)
    assert (out[IP].src, out[IP].dst, out[UDP].dport) == (POOL, "198.18.1.1", 9000)
    reply = back(router, router.wan.to(POOL) / UDP(sport=9000, dport=out[UDP].sport), router.wan)
    assert (reply[IP].src, reply[IP].dst) == (NEAR, "198.18.1.9")
    assert (reply[UDP].sport, reply[UDP].dport) == (80, 5)


@pytest.mark.parametrize("address", [POOL, VIRTUAL])
def test_arp(router, address):
    router.wan.send(router.wan.arp("who-has", pdst=address))
    assert router.wan.expect(lambda f: ARP in f and f[ARP].psrc == address)[ARP].hwsrc == \
        router.wan.router_mac


@pytest.mark.parametrize("address", [POOL, VIRTUAL])
@pytest.mark.parametrize("port", [80, 3999, 4009])
def test_strangers(router, address, port):
    dropped(router, "LB_NO_FLOW", 1, router.wan,
            router.wan.to(address) / TCP(sport=1, dport=port, flags="S"))


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize("sport", [10001, 10002, 40000, 40001])
def test_masquerade(router, protocol, sport):
    port = None
    for dst in "198.18.1.1", "198.18.128.9":  # one mapping for both
        out = there(router, router.lan.to(dst) / layer(protocol, sport=sport, dport=53) / Raw(b"?"))
        assert (out[IP].src, out[IP].dst, out[protocol].dport) == (OWN, dst, 53)
        assert 10000 <= out[protocol].sport <= 32767 and port in (None, out[protocol].sport)
        port = out[protocol].sport
    for src in "198.18.1.1", "198.18.128.9", "198.18.200.1":  # and whoever answers
        reply = back(router, router.wan.to(OWN, src=src) / layer(protocol, sport=53, dport=port))
        assert (reply[IP].src, reply[IP].dst, reply[protocol].dport) == (src, router.lan.ip, sport)


def test_masquerade_of_echoes(router):
    for ident in range(70, 78):
        out = there(router, router.lan.to("198.18.1.1") / ICMP(id=ident, seq=3) / Raw(b"ping"))
        assert (out[IP].src, out[ICMP].seq) == (OWN, 3) and 10000 <= out[ICMP].id <= 32767
        reply = back(router, router.wan.to(OWN) / ICMP(type=0, id=out[ICMP].id, seq=3) / Raw(b"ping"))
        assert (reply[IP].dst, reply[ICMP].id) == (router.lan.ip, ident)


def test_masquerade_of_errors(router):
    for sport in range(41000, 41008):
        sent = router.lan.to("198.18.128.9") / UDP(sport=sport, dport=53) / Raw(b"x" * 40)
        out = there(router, sent)
        reply = back(router, router.wan.to(OWN, src="198.18.1.1") / ICMP(type=11)
                     / Raw(bytes(out[IP])[:28]))
        assert (reply[IP].dst, reply[ICMP].type) == (router.lan.ip, 11)
        assert (reply[IPerror].src, reply[UDPerror].sport) == (router.lan.ip, sport)


def test_masquerade_of_fragments(router):
    whole = router.lan.to("198.18.1.1", id=9) / UDP(sport=10050, dport=53) / Raw(b"f" * 2000)
    router.lan.send(*(router.lan.ether() / p for p in fragment(whole[IP], 1200)))
    first = router.wan.expect(lambda f: UDP in f)
    rest = router.wan.expect(lambda f: IP in f and f[IP].frag > 0)
    assert first[IP].src == rest[IP].src == OWN and first[UDP].dport == 53
    whole = router.wan.to(OWN, id=9) / UDP(sport=53, dport=first[UDP].sport) / Raw(b"g" * 2000)
    router.wan.send(*(router.wan.ether() / p for p in fragment(whole[IP], 1200)))
    first = router.lan.expect(lambda f: UDP in f)
    assert (first[IP].dst, first[UDP].dport) == (router.lan.ip, 10050)
    router.lan.expect(lambda f: IP in f and f[IP].frag > 0)


def test_hairpin(router):
    """Two hosts inside see each other as from outside (RFC 4787 REQ-9)."""
    router.lan.introduce(OTHER)
    for sport in range(10100, 10108):
        a = there(router, router.lan.to("198.18.1.1") / UDP(sport=sport, dport=53))[UDP].sport
        out = there(router, router.lan.to(OWN, src=OTHER) / UDP(sport=sport + 50, dport=a),
                    router.lan)
        assert (out[IP].src, out[IP].dst, out[UDP].dport) == (OWN, router.lan.ip, sport)
        out = there(router, router.lan.to(OWN) / UDP(sport=sport, dport=out[UDP].sport), router.lan)
        assert (out[IP].src, out[IP].dst) == (OWN, OTHER)
        assert (out[UDP].sport, out[UDP].dport) == (a, sport + 50)


@pytest.mark.parametrize("dport", [7, 20007])
def test_our_own_services(router, dport):
    """Also at a port of the range, and at a worker that it is not of."""
    for sport in range(1000, 1016):
        out = back(router, router.wan.to(OWN) / UDP(sport=sport, dport=dport) / Raw(b"me"),
                   router.wan)
        assert (out[UDP].sport, out[UDP].dport) == (dport, sport)
        out = there(router, router.lan.to(OWN) / UDP(sport=sport, dport=dport), router.lan)
        assert (out[IP].src, out[UDP].sport, out[UDP].dport) == (OWN, dport, sport)
    for sport in range(1100, 1108):
        out = back(router, router.wan.to(OWN) / TCP(sport=sport, dport=20007, flags="S"), router.wan)
        assert out[TCP].flags == "SA"
        router.wan.send(router.wan.to(OWN) / TCP(sport=sport, dport=20007, flags="R", seq=1))


def test_ports_run_out(router):
    """16 of an address: of all flows beyond, none goes, and none goes out as it is."""
    hosts = [f"198.18.64.{n}" for n in range(1, 65)]
    out = dropped(router, "LB_NO_PORT", 48, router.lan,
                  *(router.lan.to("198.18.1.1", src=src) / UDP(sport=9, dport=9) for src in hosts))
    assert sorted(f[UDP].sport for f in out) == list(range(4000, 4016))
    assert {f[IP].src for f in out} == {VIRTUAL}


def test_what_cannot_be_masqueraded(router):
    dropped(router, "LB_NOT_MAPPED", 1, router.lan,
            router.lan.to("198.18.1.1", proto=47) / Raw(b"\0\0\x08\0" + b"g" * 20))
    dropped(router, "LB_NO_FLOW", 1, router.lan,
            router.lan.to("198.18.1.1") / TCP(sport=1, dport=2, flags="R"))
