# SPDX-License-Identifier: BSD-3-Clause
"""What only a card has: a link, filters, long frames, sums and queues of its own. In the VM alone."""
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from support import lab

pytestmark = pytest.mark.skipif(not lab.NIC, reason="these need a card (MILLRACE_NIC)")

DRIVERS = {"virtio": "net_virtio", "e1000e": "net_e1000_em", "igb": "net_e1000_igb"}
ECHO = {"services": {"echo": {"kind": "tcp-echo", "listen": "0.0.0.0:7"},
                     "dgram": {"kind": "udp-echo", "listen": "0.0.0.0:7"}}}
STRANGER = "02:00:00:00:99:99"


def row(router, name):
    return next(port for port in router.ctl("show", "ports") if port["name"] == name)


def test_its_driver(router):
    assert row(router, "lan")["driver"] == DRIVERS[lab.NIC]


def test_link_that_goes_and_comes(make_router):
    router = make_router()
    guest, card = lab.the_guest(), router.wan.card
    guest.set_link(card, False)
    try:
        router.wait_until(lambda: row(router, "wan")["link"] == "down", 20, "the link is down")
        routes = router.ctl("show", "routes")["routes"]
        assert not any(route["installed"] for route in routes if route["prefix"] == "198.18.1.0/24")
    finally:
        guest.set_link(card, True)
    router.wait_until(lambda: row(router, "wan")["link"] == "up", 20, "the link is up")
    router.await_ready()
    router.wan.introduce()
    router.lan.send(router.lan.to(router.wan.ip) / UDP(sport=1, dport=2) / Raw(b"again"))
    router.wan.expect(lambda f: UDP in f and bytes(f[UDP].payload).startswith(b"again"), 5)


@pytest.mark.parametrize("promiscuous", [False, True])
def test_frames_for_others_stay_out_unless_promiscuous(make_router, promiscuous):
    router = make_router({"ports": {"lan": {"promiscuous": promiscuous}}})
    stranger = router.lan.ether(dst=STRANGER) / IP(src=router.lan.ip, dst=router.wan.ip) / UDP()
    outcome = router.send(router.lan, *[stranger] * 5)
    outcome.nothing(**({"ETH_NOT_OURS": 5} if promiscuous else {}))


def test_long_frames(make_router):
    """Buffers of 2 KiB: the card spreads a frame over several, both ways."""
    router = make_router({**ECHO, "ports": {"lan": {"mtu": 9000}, "wan": {"mtu": 9000}}})
    payload = bytes(range(256)) * 34
    router.lan.send(router.lan.to(router.wan.ip) / UDP(sport=1, dport=2) / Raw(payload))
    got = router.wan.expect(lambda f: UDP in f and f[IP].src == router.lan.ip, 5)
    assert bytes(got[UDP].payload) == payload
    router.lan.send(router.lan.to(router.lan.router_ip, flags="DF") / ICMP() / Raw(payload))
    reply = router.lan.expect(lambda f: ICMP in f and f[ICMP].type == 0, 5)
    assert bytes(reply[ICMP].payload) == payload


def test_bad_sums_are_dropped_whoever_looks(make_router):
    router = make_router(ECHO)
    good = router.lan.to(router.lan.router_ip) / UDP(sport=5, dport=7) / Raw(b"x" * 40)
    bad = router.lan.to(router.lan.router_ip) / UDP(sport=5, dport=7, chksum=1) / Raw(b"x" * 40)
    router.send(router.lan, bad).one_drop("UDP_BAD")
    syn = TCP(sport=99, dport=7, flags="S", chksum=1)
    router.send(router.lan, router.lan.to(router.lan.router_ip) / syn).one_drop("TCP_BAD")
    assert router.send(router.lan, good).only(router.lan)[UDP].sport == 7


def test_bytes_come_back_as_they_went(make_router):
    """The kernel as the client, which verifies every sum that the card has made."""
    router = make_router(ECHO)
    router.lan.become_host()
    script = f"head -c 3000000 /dev/urandom >{router.path}/sent; " \
             f"nc -N {router.lan.router_ip} 7 <{router.path}/sent >{router.path}/came"
    done = router.lan.namespace.run("sh", "-c", script, timeout=120)
    assert done.returncode == 0, done.stderr
    subprocess.run(["cmp", router.path / "sent", router.path / "came"], check=True)


def test_flows_are_spread_by_the_card(make_router):
    """Two queues, where the driver has them: each flow stays on its worker without a hand-over."""
    router = make_router({**ECHO, "system": {"workers": 2}})
    if row(router, "lan")["rx_queues"] < 2:
        pytest.skip(f"QEMU's {lab.NIC} gives this driver one queue")
    before = router.counters()
    for port in range(2000, 2100):
        router.lan.send(router.lan.to(router.lan.router_ip) / UDP(sport=port, dport=7) / Raw(b"q"))
    came = [router.lan.expect(lambda f: UDP in f, 10)[UDP].dport for _ in range(100)]
    assert sorted(came) == list(range(2000, 2100))
    assert router.counters().get("handed_over", 0) == before.get("handed_over", 0)
