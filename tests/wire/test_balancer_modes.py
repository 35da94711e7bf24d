# SPDX-License-Identifier: BSD-3-Clause
"""Backends that answer by themselves (DSR, IPIP, GRE), and in every mode: ICMP, fragments, MTU.

No kernel is asked to take packets out of their tunnels: they are taken apart here.
"""
import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import GRE
from scapy.packet import Raw

from support.packets import checksums_hold, internet_sum, ip_bytes

ENDS = {"ipip": "198.19.0.1", "gre": "198.19.0.2", "forced": "198.19.0.3", "hashed": "198.19.0.4"}
VIPS = {"nat": "198.18.0.100", "dsr": "198.18.0.101", "ipip": "198.18.0.102", "gre": "198.18.0.103",
        "forced": "198.18.0.104", "hashed": "198.18.0.105"}
PROTOCOL = {"ipip": 4, "gre": 47, "forced": 4, "hashed": 47}
OVERHEAD = {"nat": 0, "dsr": 0, "ipip": 20, "gre": 24, "forced": 20, "hashed": 24}
BACKEND, OURS, UPSTREAM, ROUTER = "198.18.1.1", "198.18.1.254", "198.19.128.9", "198.19.64.9"


def service(name, backend, **options):
    return {"address": VIPS[name], "port": 80, "protocol": "both", "backends": [backend], **options}


CONFIG = {
    "routes": [{"prefix": "198.19.0.0/17", "via": BACKEND},
               {"prefix": "198.19.128.0/17", "via": "198.18.0.1"}],
    "balancers": {"services": {
        "nat": service("nat", {"address": BACKEND, "port": 8080}, mss=1200),
        "dsr": service("dsr", {"address": BACKEND}, mode="dsr"),
        "ipip": service("ipip", {"address": ENDS["ipip"]}, mode="ipip"),
        "gre": service("gre", {"address": ENDS["gre"]}, mode="gre"),
        "forced": service("forced", {"address": ENDS["forced"]}, mode="ipip", ignore_df=True,
                          tunnel_source="198.18.77.77"),
        "hashed": service("hashed", {"address": ENDS["hashed"]}, mode="gre", flow_table=False),
    }},
}

MODES = pytest.mark.parametrize("mode", list(VIPS))
TUNNELS = pytest.mark.parametrize("mode", list(ENDS))
ports = iter(range(2000, 60000))


def data(size):
    return Raw(random.Random(size).randbytes(size))


def joined(fragments):
    """The one packet that fragments are of, as bytes."""
    fragments = sorted(fragments, key=lambda f: f[IP].frag)
    payload = b""
    for frame in fragments:
        packet = ip_bytes(frame)
        assert packet[0] == 0x45 and 8 * frame[IP].frag == len(payload), frame.summary()
        assert internet_sum(packet[:20]) == 0 and len(packet) <= 1500
        assert ("MF" in frame[IP].flags) == (frame is not fragments[-1])
        payload += packet[20:]
    first = fragments[0][IP].copy()
    first.flags &= ~1  # MF
    first.len = first.chksum = None
    first.remove_payload()
    return bytes(IP(bytes(first / Raw(payload))))


def inside(mode, packet):
    """What a backend finds in what it got, as bytes: that itself, or what is in its tunnel."""
    outer = IP(packet)
    if mode not in ENDS:
        return packet
    assert outer.proto == PROTOCOL[mode] and outer.dst == ENDS[mode] and outer.ttl == 64
    assert outer.src == ("198.18.77.77" if mode == "forced" else OURS)
    if outer.proto == 47:
        assert packet[20:24] == b"\0\0\x08\0"
    return packet[20 if outer.proto == 4 else 24:]


def at_backend(router, mode, frames):
    """The client's packet as its backend has it: every frame went there, and every sum holds."""
    assert all(f.dst == router.wan.mac and f.src == router.wan.router_mac for f in frames)
    packet = IP(inside(mode, joined(frames)))
    assert checksums_hold(router.lan.ether() / packet)
    return packet


def expected(sent, mode):
    """A client's packet as its backend should get it."""
    packet = IP(ip_bytes(sent))
    packet.ttl -= 1
    if mode == "nat":
        packet.dst = BACKEND
        packet.payload.dport = 8080
        del packet.payload.chksum
    del packet.chksum
    return bytes(packet)


# --- to backends ---

@MODES
@pytest.mark.parametrize("l4", [TCP, UDP])
def test_reaches_its_backend(router, mode, l4):
    sport = next(ports)
    for size in 0, 1, 1000:
        sent = router.lan.to(VIPS[mode], tos=0x28, id=7) / l4(sport=sport, dport=80) / data(size)
        outcome = router.send(router.lan, sent)
        assert not outcome.drops
        frame = outcome.only(router.wan)
        assert frame[IP].tos == 0x28
        assert bytes(at_backend(router, mode, [frame])) == expected(sent, mode)


@MODES
def test_ttl(router, mode):
    sent = router.lan.to(VIPS[mode], ttl=1) / UDP(sport=next(ports), dport=80)
    outcome = router.send(router.lan, sent)
    told = outcome.only(router.lan)
    assert outcome.drops == {"TTL_EXCEEDED": 1} and told[ICMP].type == 11
    assert bytes(told[ICMP].payload)[:28] == ip_bytes(sent)


@MODES
def test_must_not_be_cut(router, mode):
    """The longest that fits; where DF is not heeded, more than that."""
    size = 1500 - (0 if mode == "forced" else OVERHEAD[mode]) - 28
    sent = router.lan.to(VIPS[mode], flags="DF") / UDP(sport=next(ports), dport=80) / data(size)
    outcome = router.send(router.lan, sent)
    frames = outcome.out["wan"]
    assert not outcome.drops and len(frames) == (2 if mode == "forced" else 1)
    assert ("DF" in frames[0][IP].flags) == (mode != "forced")
    assert bytes(at_backend(router, mode, frames)) == expected(sent, mode)


@pytest.mark.parametrize("mode", ["ipip", "gre", "hashed"])
def test_too_long(router, mode):
    """The client is told the MTU that is left, about the packet as it came."""
    sent = router.lan.to(VIPS[mode], flags="DF") / UDP(sport=next(ports), dport=80) / \
        data(1500 - OVERHEAD[mode] - 28 + 1)
    outcome = router.send(router.lan, sent)
    told = outcome.only(router.lan)
    assert outcome.drops == {"FRAG_NEEDED": 1}
    assert (told[ICMP].type, told[ICMP].code) == (3, 4) and checksums_hold(told)
    assert told[ICMP].nexthopmtu == 1500 - OVERHEAD[mode]
    assert bytes(told[ICMP].payload) == ip_bytes(sent)[:548]


@TUNNELS
def test_may_be_cut(router, mode):
    """The outer packet is, and its parts have the outer's id; the inner one is whole."""
    sent = router.lan.to(VIPS[mode], id=77) / UDP(sport=next(ports), dport=80) / data(1472)
    outcome = router.send(router.lan, sent)
    frames = outcome.out["wan"]
    assert len(frames) == 2 and not outcome.drops
    assert len({f[IP].id for f in frames}) == 1
    assert bytes(at_backend(router, mode, frames)) == expected(sent, mode)


@MODES
def test_mss(router, mode):
    limit = {"nat": 1200, "dsr": 1460}.get(mode, 1460 - OVERHEAD[mode])
    for mss in 1460, 536:
        sent = router.lan.to(VIPS[mode]) / \
            TCP(sport=next(ports), dport=80, flags="S", options=[("MSS", mss)])
        got = at_backend(router, mode, [router.send(router.lan, sent).only(router.wan)])
        assert dict(got[TCP].options)["MSS"] == min(mss, limit)


def test_mss_of_the_backend(router):
    sport = next(ports)
    router.send(router.lan, router.lan.to(VIPS["nat"]) / TCP(sport=sport, dport=80, flags="S"))
    answer = router.wan.to(router.lan.ip) / \
        TCP(sport=8080, dport=sport, flags="SA", options=[("MSS", 1460)])
    got = router.send(router.wan, answer).only(router.lan)
    assert got[IP].src == VIPS["nat"] and got[TCP].sport == 80 and checksums_hold(got)
    assert dict(got[TCP].options)["MSS"] == 1200


# --- fragments ---

def pieces(whole, step, id):
    """A packet's bytes in fragments, as frames' IPv4 parts."""
    packet = IP(whole)
    payload = whole[20:]
    return [IP(src=packet.src, dst=packet.dst, proto=packet.proto, id=id, frag=at // 8,
               flags="MF" if at + step < len(payload) else 0) / Raw(payload[at:at + step])
            for at in range(0, len(payload), step)]


def send_parts(router, port, parts):
    """As router.send(): a datagram that was put together takes one more pass, and is cut last."""
    outcome = router.send(port, *parts)
    for name, late in router.settle().items():
        outcome.out[name] += late
    return outcome


@MODES
def test_in_fragments(router, mode):
    for id in range(1, 5):
        sent = router.lan.to(VIPS[mode], id=id) / UDP(sport=next(ports), dport=80) / data(3000)
        parts = [router.lan.ether() / p for p in pieces(ip_bytes(sent), 1480, id)]
        random.Random(id).shuffle(parts)
        outcome = send_parts(router, router.lan, parts)
        assert not outcome.drops
        assert bytes(at_backend(router, mode, outcome.out["wan"])) == expected(sent, mode)


def test_replies_in_fragments(router):
    for id in range(1, 5):
        sport = next(ports)
        router.send(router.lan, router.lan.to(VIPS["nat"]) / UDP(sport=sport, dport=80))
        sent = router.wan.to(router.lan.ip, id=id) / UDP(sport=8080, dport=sport) / data(3000)
        parts = [router.wan.ether() / p for p in pieces(ip_bytes(sent), 1480, id)]
        outcome = send_parts(router, router.wan, parts)
        got = IP(joined(outcome.out["lan"]))
        assert not outcome.drops and checksums_hold(router.lan.ether() / got)
        assert (got.src, got[UDP].sport, got[UDP].dport) == (VIPS["nat"], 80, sport)
        assert bytes(got[UDP].payload) == bytes(data(3000))


def test_own_affairs_in_fragments(router):
    """A backend's datagrams that are no replies get where they are sent, put together or not."""
    sent = router.wan.to(router.lan.ip, id=5) / UDP(sport=9999, dport=1) / data(3000)
    outcome = send_parts(
        router, router.wan, [router.wan.ether() / p for p in pieces(ip_bytes(sent), 1480, 5)])
    got = IP(joined(outcome.out["lan"]))
    assert not outcome.drops and got.src == BACKEND
    assert bytes(got.payload) == ip_bytes(sent)[20:]


def test_two_workers(make_router):
    """Parts, packets and errors come by any worker, and meet at the flow's."""
    router = make_router({**CONFIG, "system": {"workers": 2}})
    for number in range(12):
        mode, sport = list(VIPS)[number % len(VIPS)], next(ports)
        sent = router.lan.to(VIPS[mode], id=number) / UDP(sport=sport, dport=80) / data(1600)
        for part in pieces(ip_bytes(sent), 800, number):
            router.lan.send(router.lan.ether() / part)
        frames = []
        while not frames or "MF" in frames[-1][IP].flags:
            frames.append(router.wan.expect(lambda f: IP in f))
        assert bytes(at_backend(router, mode, frames)) == expected(sent, mode)
        about = IP(src=VIPS[mode], dst=router.lan.ip) / UDP(sport=80, dport=sport)
        router.lan.send(router.lan.ether() / IP(src=UPSTREAM, dst=VIPS[mode]) /
                        ICMP(type=3, code=1) / Raw(bytes(about)))
        got = at_backend(router, mode, [router.wan.expect(lambda f: IP in f)])
        assert got.src == UPSTREAM and got[ICMP].payload.dst == router.lan.ip


# --- ICMP ---

@MODES
def test_echo(router, mode):
    for id in range(4):
        sent = router.lan.to(VIPS[mode]) / ICMP(id=id) / data(100)
        got = router.send(router.lan, sent).only(router.lan)
        assert got[IP].src == VIPS[mode] and got[ICMP].type == 0 and checksums_hold(got)


@MODES
@pytest.mark.parametrize("quote", [28, 548])
def test_errors_from_the_clients_side(router, mode, quote):
    """They reach the backend, and quote the packet that it sent (RFC 5508, RFC 7690)."""
    for _ in range(4):
        sport = next(ports)
        router.send(router.lan,
                    router.lan.to(VIPS[mode]) / TCP(sport=sport, dport=80, flags="S"))
        about = IP(src=VIPS[mode], dst=router.lan.ip) / \
            TCP(sport=80, dport=sport, flags="A") / data(200)
        sent = router.lan.ether() / IP(src=UPSTREAM, dst=VIPS[mode]) / \
            ICMP(type=3, code=4, nexthopmtu=1300) / Raw(bytes(about)[:quote])
        outcome = router.send(router.lan, sent)
        assert not outcome.drops
        got = at_backend(router, mode, [outcome.only(router.wan)])
        quoted = got[ICMP].payload
        assert got.src == UPSTREAM and got[ICMP].nexthopmtu == 1300
        assert got.dst == (BACKEND if mode == "nat" else VIPS[mode])
        assert (quoted.src, quoted.dst) == (got.dst, router.lan.ip)
        assert bytes(quoted)[20:22] == (8080 if mode == "nat" else 80).to_bytes(2, "big")
        assert internet_sum(bytes(quoted)[:20]) == 0


@pytest.mark.parametrize("sender", [BACKEND, ROUTER])
def test_errors_from_the_backends_side(router, sender):
    """They reach the client, as if the service's address had been meant."""
    for _ in range(4):
        sport = next(ports)
        syn = router.lan.to(VIPS["nat"]) / TCP(sport=sport, dport=80, flags="S")
        about = router.send(router.lan, syn).only(router.wan)
        sent = router.wan.ether() / IP(src=sender, dst=router.lan.ip) / \
            ICMP(type=3, code=1) / Raw(ip_bytes(about))
        outcome = router.send(router.wan, sent)
        got = outcome.only(router.lan)
        quoted = got[ICMP].payload
        assert not outcome.drops and checksums_hold(got)
        assert got[IP].src == (VIPS["nat"] if sender == BACKEND else ROUTER)
        assert (quoted.src, quoted.dst) == (router.lan.ip, VIPS["nat"])
        assert bytes(quoted)[20:24] == sport.to_bytes(2, "big") + (80).to_bytes(2, "big")
        assert internet_sum(bytes(quoted)[:20]) == 0


def test_errors_about_nothing(router):
    for mode in VIPS:
        about = IP(src=VIPS[mode], dst=router.lan.ip) / TCP(sport=81, dport=next(ports))
        sent = router.lan.ether() / IP(src=UPSTREAM, dst=VIPS[mode]) / \
            ICMP(type=3, code=1) / Raw(bytes(about))
        router.send(router.lan, sent).nothing(LB_NO_FLOW=1)


@pytest.mark.parametrize("mode, mtu", [("ipip", 1400), ("gre", 1300)])
def test_narrow_way_of_a_tunnel(make_router, mode, mtu):
    """RFC 2003 4: the client is told, at once where its packet is quoted, else by its next one."""
    router = make_router(CONFIG)
    sport = next(ports)
    sent = router.lan.to(VIPS[mode], flags="DF") / UDP(sport=sport, dport=80) / data(1400)
    about = router.send(router.lan, sent).only(router.wan)
    error = router.wan.ether() / IP(src=ROUTER, dst=OURS) / \
        ICMP(type=3, code=4, nexthopmtu=mtu + 50)
    router.send(router.wan, error / Raw(ip_bytes(about)[:28])).nothing()  # too little
    error[ICMP].nexthopmtu = mtu
    told = router.send(router.wan, error / Raw(ip_bytes(about)[:100])).only(router.lan)
    assert (told[ICMP].type, told[ICMP].code) == (3, 4) and checksums_hold(told)
    assert told[ICMP].nexthopmtu == mtu - OVERHEAD[mode]
    assert told[ICMP].payload.src == router.lan.ip and told[ICMP].payload.dst == VIPS[mode]
    for port in range(4):  # whichever worker's
        sent = router.lan.to(VIPS[mode], flags="DF") / UDP(sport=sport + port, dport=80)
        fits = mtu - OVERHEAD[mode] - 28
        told = router.send(router.lan, sent / data(fits + 1)).only(router.lan)
        assert told[ICMP].nexthopmtu == mtu - OVERHEAD[mode]
        assert not router.send(router.lan, sent / data(fits)).drops


def test_options(make_router):
    """A mode changes while packets flow; what is wrong is refused with its reason."""
    router = make_router(CONFIG)
    sent = router.lan.to(VIPS["dsr"]) / UDP(sport=next(ports), dport=80)
    assert UDP in router.send(router.lan, sent).only(router.wan)
    changed = {"balancers": {"services": {"dsr": {"mode": "gre"}}}}
    router.apply(changed)
    frame = router.send(router.lan, sent).only(router.wan)
    assert frame[IP].dst == BACKEND and GRE in frame
