# SPDX-License-Identifier: BSD-3-Clause
"""What only a card has: a link, filters, long frames, sums and queues of its own. In the VM alone."""
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from support import lab
from support.lab import moved
from support.packets import checksums_hold, ip_bytes

pytestmark = [pytest.mark.skipif(not lab.NIC, reason="these need a card (MILLRACE_NIC)"),
              pytest.mark.on_cards]

DRIVERS = {"virtio": "net_virtio", "e1000e": "net_e1000_em", "igb": "net_e1000_igb"}
CONFIG = {"services": {"echo": {"kind": "tcp-echo", "listen": "0.0.0.0:7"},
                     "dgram": {"kind": "udp-echo", "listen": "0.0.0.0:7"}}}
STRANGER = "02:00:00:00:99:99"


def row(router, name):
    return next(port for port in router.ctl("show", "ports") if port["name"] == name)


def works(router):
    """Who does what of the first port's work."""
    return {work["work"]: work["by"] for work in row(router, "lan")["offloads"]}


def test_its_driver(router):
    assert row(router, "lan")["driver"] == DRIVERS[lab.NIC]


@pytest.fixture
def pulled(router):
    """The router, whose cables are all back in place when the test is over, whatever it did."""
    yield router
    for port in router.ports.values():
        port.set_link("up")
    router.wait_until(lambda: all_met(router), 15, "its links and routes are back")
    router.settle()


def all_met(router):
    """Whether the router knows every host; a host says who it is until then."""
    strangers = set(router.ports) - {row["port"] for row in router.ctl("show", "neighbours")
                                     if row["state"] == "reachable"}
    for name in strangers:
        router.ports[name].send(router.ports[name].arp("who-has"))
    return not strangers


def test_link_that_goes_and_comes(pulled):
    router = pulled
    router.set_link(router.wan, "down")
    routes = router.ctl("show", "routes")["routes"]
    assert not any(route["installed"] for route in routes if route["prefix"] == "198.18.1.0/24")
    router.lan.send(router.lan.to(router.wan.ip) / UDP(sport=1, dport=2))
    assert router.lan.expect(lambda f: ICMP in f and f[ICMP].type == 3)[ICMP].code == 0
    router.set_link(router.wan, "up")
    router.wait_until(router.ready, 15, "its route is back")
    router.wan.expect(lambda f: lab.is_announcement(f, router.wan), 4)
    assert passes(router, b"again")
    log = router.log.read_text()
    assert log.index("port wan: link down") < log.rindex("port wan: link up")


def passes(router, mark):
    """Whether a datagram goes through from host to host, once both are known again."""
    router.wait_until(lambda: all_met(router), 15, "it knows its hosts again")
    router.lan.send(router.lan.to(router.wan.ip) / UDP(sport=1, dport=2) / Raw(mark))
    return router.wan.expect(lambda f: UDP in f and bytes(f[UDP].payload).startswith(mark), 5)


def test_link_that_flaps_under_traffic(pulled):
    """Packets of both directions meet a link at any moment of its going and coming."""
    router = pulled
    through = [bytes(a.to(b.ip) / UDP(sport=1, dport=2) / Raw(bytes(100)))
               for a, b in ((router.lan, router.wan), (router.wan, router.lan))]
    echo = bytes(router.wan.to(router.wan.router_ip) / UDP(sport=1, dport=7) / Raw(bytes(100)))
    resting = router.counters()["mbufs"]["in_use"]
    for turn in range(20):
        router.wan.set_link("up" if turn % 2 else "down")
        for _ in range(50):
            router.lan.send(through[0])
            router.wan.send(through[1], echo)
        router.lan.drain_bytes()
        router.wan.drain_bytes()
        if turn % 5 == 0:  # a flap that it sees, beside those that are too short
            state = "up" if turn % 2 else "down"
            router.wait_until(lambda s=state: row(router, "wan")["link"] == s, 10, "it has seen it")
    for state in "down", "up":  # what it has seen last may be older than the last flap
        router.set_link(router.wan, state)
    assert passes(router, b"after all")
    router.wait_until(lambda: router.counters()["held"] == 0, 10, "nothing is held")
    router.check_books()
    assert router.counters()["mbufs"]["in_use"] <= resting + len(router.ports) * lab.TX_RING


def five_for_others(router):
    stranger = router.lan.ether(dst=STRANGER) / IP(src=router.lan.ip, dst=router.wan.ip) / UDP()
    return router.send(router.lan, *[stranger] * 5)


def test_frames_for_others_stay_out(router):
    five_for_others(router).nothing()


def test_frames_for_others_come_in_if_promiscuous(make_router):
    router = make_router({"ports": {"lan": {"promiscuous": True}}})
    five_for_others(router).nothing(ETH_NOT_OURS=5)


def test_long_frames(make_router):
    """Buffers of 2 KiB: the card spreads a frame over several, both ways."""
    router = make_router({**CONFIG, "ports": {"lan": {"mtu": 9000}, "wan": {"mtu": 9000}}})
    payload = bytes(range(256)) * 34
    router.lan.send(router.lan.to(router.wan.ip) / UDP(sport=1, dport=2) / Raw(payload))
    got = router.wan.expect(lambda f: UDP in f and f[IP].src == router.lan.ip, 5)
    assert bytes(got[UDP].payload) == payload
    router.lan.send(router.lan.to(router.lan.router_ip, flags="DF") / ICMP() / Raw(payload))
    reply = router.lan.expect(lambda f: ICMP in f and f[ICMP].type == 0, 5)
    assert bytes(reply[ICMP].payload) == payload


def test_bad_sums_are_dropped_whoever_looks(router):
    good = router.lan.to(router.lan.router_ip) / UDP(sport=5, dport=7) / Raw(b"x" * 40)
    bad = router.lan.to(router.lan.router_ip) / UDP(sport=5, dport=7, chksum=1) / Raw(b"x" * 40)
    router.send(router.lan, bad).one_drop("UDP_BAD")
    syn = TCP(sport=99, dport=7, flags="S", chksum=1)
    router.send(router.lan, router.lan.to(router.lan.router_ip) / syn).one_drop("TCP_BAD")
    assert router.send(router.lan, good).only(router.lan)[UDP].sport == 7


def test_sums_of_all_kinds_are_right(router):
    """Whoever made them: of UDP, of TCP in one buffer and in several, of ICMP, of what passes."""
    lan, to = router.lan, router.lan.to(router.lan.router_ip)
    for size in 0, 1, 17, 18, 100, 1401, 1472:
        data = (bytes(range(256)) * 6)[:size]
        for frame in (to / UDP(sport=5, dport=7) / Raw(data), to / ICMP(id=9) / Raw(data)):
            assert checksums_hold(router.send(lan, frame).only(lan)), (size, frame.summary())
        passing = lan.to(router.wan.ip) / UDP(sport=5, dport=6) / Raw(data)
        assert checksums_hold(router.send(lan, passing).only(router.wan)), size
    syn = TCP(sport=50, dport=7, flags="S", seq=0, options=[("MSS", 484)])
    ours = router.send(lan, to / syn).only(lan)
    assert checksums_hold(ours)
    data = TCP(sport=50, dport=7, flags="PA", seq=1, ack=ours[TCP].seq + 1) / Raw(b"odd" * 484)
    out = [f for f in router.send(lan, to / data).out["lan"] if TCP in f]
    assert b"".join(ip_bytes(f)[40:] for f in out if f[IP].len > 40) == b"odd" * 484
    assert len(out) == 3 and all(checksums_hold(f) and f[IP].len <= 524 for f in out)
    router.send(lan, to / TCP(sport=50, dport=7, flags="R", seq=1453)).nothing()


def bytes_come_back(host, address, path):
    """A kernel's TCP to an echo service: what came is what went, and its sums were all right."""
    script = f"head -c 3000000 /dev/urandom >{path}/sent; " \
             f"nc -N {address} 7 <{path}/sent >{path}/came; grep Tcp: /proc/net/snmp"
    done = host.namespace.run("sh", "-c", script, timeout=120)
    assert done.returncode == 0, done.stderr
    subprocess.run(["cmp", path / "sent", path / "came"], check=True)
    names, values = (line.split() for line in done.stdout.splitlines())
    assert dict(zip(names, values))["InCsumErrors"] == "0"


def test_bytes_come_back_as_they_went(make_router):
    """The kernel as the client, which verifies every sum that the card has made."""
    router = make_router(CONFIG, introduce=False)
    router.lan.become_host()
    bytes_come_back(router.lan, router.lan.router_ip, router.path)


def test_half_done_sums_are_completed(make_router):
    """From a TAP whose kernel leaves sums to the card: "none, but the data is good" (virtio)."""
    if lab.NIC != "virtio":
        pytest.skip(f"an {lab.NIC} has a wire, on which every sum is done")
    half = {"half_done_sums": True}
    router = make_router({**CONFIG, "ports": {"lan": half, "wan": half}}, introduce=False)
    for port in router.ports.values():
        port.become_host()
        assert port.namespace.run("ethtool", "-K", port.iface, "tx", "on").returncode == 0
        has = port.namespace.run("ethtool", "-k", port.iface).stdout
        assert "tx-checksum-ip-generic: on" in has, "the card takes half-done sums"
    assert works(router)["tx UDP and TCP checksum"] == "device"
    before, drops = router.counters(), router.drops()
    bytes_come_back(router.lan, router.lan.router_ip, router.path)  # ends in the router
    with router.wan.namespace.running("socat", "tcp-listen:7,reuseaddr", "exec:cat"):
        router.wait_until(lambda: router.wan.namespace.run("ss", "-Hltn").stdout, 10, "it listens")
        bytes_come_back(router.lan, router.wan.ip, router.path)  # passes it
    assert moved(before, router.counters())["ip4_forwarded"] > 100
    assert moved(drops, router.drops()).keys() <= {"TX_FULL"}  # a slow machine's burst


def test_flows_are_spread_by_the_card(make_router):
    """Two queues, where the driver has them: each flow stays on its worker without a hand-over."""
    router = make_router({**CONFIG, "system": {"workers": 2}})
    if row(router, "lan")["rx_queues"] < 2:
        pytest.skip(f"QEMU's {lab.NIC} gives this driver one queue")
    if works(router)["spreading flows to workers"] == "software":
        pytest.skip(f"the {lab.NIC}'s driver has queues, but no table to spread flows by")
    before = router.counters()
    for port in range(2000, 2100):
        router.lan.send(router.lan.to(router.lan.router_ip) / UDP(sport=port, dport=7) / Raw(b"q"))
    came = [router.lan.expect(lambda f: UDP in f, 10)[UDP].dport for _ in range(100)]
    assert sorted(came) == list(range(2000, 2100))
    after = router.counters()
    assert after.get("handed_over", 0) == before.get("handed_over", 0)
    shares = [b["rx"] - a["rx"] for a, b in zip(before["workers"], after["workers"])]
    assert sum(shares) >= 100 and min(shares) >= 25, shares
