# SPDX-License-Identifier: BSD-3-Clause
"""Netlink: the kernel's routes, addresses and neighbours become millrace's, and millrace's the
kernel's, in a namespace where a routing daemon would run.
"""
import contextlib
import json
import random

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from support import lab
from test_routes import datagram, leaves_by

pytestmark = pytest.mark.not_in_vm

MANY = 10000
VIP = "198.18.1.77"
CONFIG = {
    "system": {"loopback": ["198.18.255.1"]},
    "ports": {"lan": {"kernel": "lan-k"}, "wan": {"kernel": "wan-k"},
              "alt": {"kernel": "alt-k", "addresses": ["198.18.2.254/24"]}},
    "routes": [{"prefix": "203.0.113.0/24", "via": "198.18.1.1", "metric": 5},
               {"prefix": "203.0.114.0/24", "via": ["198.18.1.1", "198.18.2.1"]},
               {"prefix": "203.0.115.0/24", "blackhole": True}],
}


class Kernel(lab.Namespace):
    """A namespace of the kernel's with the ports' interfaces, as `ip` sees and changes it."""

    def __init__(self):
        super().__init__("kernel")

    def ip(self, *words, **options):
        return lab.sh("ip", "-n", self.name, *map(str, words), **options)

    def show(self, *words):
        return json.loads(self.ip("-j", *words) or "[]")

    def batch(self, lines):
        self.ip("-batch", "-", input="\n".join(lines), timeout=60 * lab.SLOW)

    def routes(self, *words):
        return {row["dst"]: row for row in self.show("route", "show", *words)}


@contextlib.contextmanager
def started(kernel, changes=None):
    conf = lab.merged(CONFIG, {"system": {"kernel": {"netns": kernel.name}}})
    router = lab.Router(lab.merged(conf, changes or {}))
    try:
        router.wait_until(lambda: netlink(router)["synced"], 10, "the kernel was read")
        yield router
    finally:
        router.stop()


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.delete()


@pytest.fixture(scope="module")
def shared():
    kernel = Kernel()
    try:
        with started(kernel) as router:
            yield router, kernel
    finally:
        kernel.delete()


@pytest.fixture
def pair(shared):
    """Router and kernel, with nothing but their configuration."""
    router, kernel = shared
    yield router, kernel
    for interface in "lan-k", "wan-k", "alt-k":
        kernel.ip("link", "set", interface, "up")
    kernel.ip("nexthop", "flush")  # first: iproute2 cannot flush routes by a blackhole object
    for protocol in "boot", "static", "bgp":
        kernel.ip("route", "flush", "proto", protocol)
    await_routes(router, {})
    router.check_books()


def netlink(router):
    return router.ctl("show", "netlink")


def fates(router):
    return {row["fate"]: row["count"] for row in netlink(router)["fates"] if row["count"]}


def counter(router, name):
    return netlink(router)["counters"][name]


def learnt(router):
    """The kernel's routes as millrace has them: prefix -> its gateways, or its verdict."""
    rows = router.ctl("show", "routes", "origin", "kernel", "limit", str(MANY))["routes"]
    return {row["prefix"]: sorted(hop["via"] for hop in row["next_hops"]) or row["kind"]
            for row in rows}


def await_routes(router, expected):
    router.wait_until(lambda: learnt(router) == expected, 10, f"{expected}, is {learnt(router)}")


def await_kernel(router, holds, what):
    router.wait_until(holds, 10, what)


# --- down ---

def test_what_a_port_is(pair):
    router, kernel = pair
    for port in router.ports.values():
        link, = kernel.show("addr", "show", "dev", f"{port.name}-k")
        assert link["address"] == port.router_mac and link["mtu"] == 1500
        assert "UP" in link["flags"]
        assert [(a["local"], a["prefixlen"]) for a in link["addr_info"]
                if a["family"] == "inet"] == [(port.router_ip, 24)]
    assert "198.18.255.1" in kernel.ip("addr", "show", "dev", "lo")


def test_static_routes_are_there(pair):
    router, kernel = pair
    routes = kernel.routes("proto", "77")
    assert set(routes) == {"203.0.113.0/24", "203.0.114.0/24", "203.0.115.0/24"}
    assert (routes["203.0.113.0/24"]["gateway"], routes["203.0.113.0/24"]["dev"],
            routes["203.0.113.0/24"]["metric"]) == ("198.18.1.1", "wan-k", 5)
    assert [(hop["gateway"], hop["dev"]) for hop in routes["203.0.114.0/24"]["nexthops"]] == [
        ("198.18.1.1", "wan-k"), ("198.18.2.1", "alt-k")]
    assert routes["203.0.115.0/24"]["type"] == "blackhole"
    assert learnt(router) == {}, "what we gave came back"
    assert counter(router, "routes_given") == 3


def test_operators_routes_come_and_go(pair):
    router, kernel = pair
    router.ctl("route", "add", "203.0.116.0/24", "via", "198.18.2.1")
    await_kernel(router, lambda: "203.0.116.0/24" in kernel.routes("proto", "77"), "it is given")
    router.ctl("route", "del", "203.0.116.0/24")
    await_kernel(router, lambda: "203.0.116.0/24" not in kernel.routes(), "it is taken back")


def test_a_route_that_somebody_deletes_comes_back(pair):
    router, kernel = pair
    kernel.ip("route", "del", "203.0.113.0/24")
    await_kernel(router, lambda: "203.0.113.0/24" in kernel.routes("proto", "77"), "it is back")


def test_resolved_neighbours_are_there(pair):
    router, kernel = pair

    def known():
        return {row["dst"]: row for row in kernel.show("neigh", "show")
                if "extern_learn" in row or row.get("extern_learn") is None}

    await_kernel(router, lambda: {p.ip for p in router.ports.values()} <= set(known()), "all")
    row = known()[router.wan.ip]
    assert (row["lladdr"], row["dev"]) == (router.wan.mac, "wan-k")
    assert "extern_learn" in kernel.ip("neigh", "show", router.wan.ip)
    router.ctl("neighbour", "flush", "lan")
    await_kernel(router, lambda: router.lan.ip not in known(), "it is forgotten")
    router.lan.introduce()
    await_kernel(router, lambda: router.lan.ip in known(), "it is given again")


# --- up: routes ---

def test_a_route(pair):
    router, kernel = pair
    kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.1.1", "metric", "20")
    await_routes(router, {"100.64.0.0/24": ["198.18.1.1"]})
    row, = router.ctl("show", "routes", "origin", "kernel")["routes"]
    assert (row["preference"], row["metric"], row["installed"]) == (20, 20, True)
    assert leaves_by(router, "100.64.0.9") == "wan"
    kernel.ip("route", "replace", "100.64.0.0/24", "via", "198.18.2.1", "metric", "20")
    await_routes(router, {"100.64.0.0/24": ["198.18.2.1"]})
    assert leaves_by(router, "100.64.0.9") == "alt"
    kernel.ip("route", "del", "100.64.0.0/24")
    await_routes(router, {})
    router.send(router.lan, datagram(router.lan, "100.64.0.9")).only(router.lan)


def test_the_lowest_metric_counts(pair):
    router, kernel = pair
    kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.1.1", "metric", "20")
    kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.2.1", "metric", "30")
    await_routes(router, {"100.64.0.0/24": ["198.18.1.1"]})
    assert fates(router) == {"TAKEN": 1, "SHADOWED": 1}
    kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.2.1", "metric", "10")
    await_routes(router, {"100.64.0.0/24": ["198.18.2.1"]})
    kernel.ip("route", "del", "100.64.0.0/24", "metric", "10")
    await_routes(router, {"100.64.0.0/24": ["198.18.1.1"]})
    kernel.ip("route", "del", "100.64.0.0/24", "metric", "20")
    await_routes(router, {"100.64.0.0/24": ["198.18.2.1"]})


def test_static_beats_kernel(pair):
    router, kernel = pair
    kernel.ip("route", "add", "203.0.113.0/24", "via", "198.18.2.1", "metric", "1")
    await_routes(router, {"203.0.113.0/24": ["198.18.2.1"]})
    assert leaves_by(router, "203.0.113.9") == "wan"
    assert kernel.routes("proto", "77")["203.0.113.0/24"]["metric"] == 5, "both are there"


def test_somebodys_route_in_the_place_of_ours(pair):
    router, kernel = pair
    kernel.ip("route", "replace", "203.0.113.0/24", "via", "198.18.2.1", "metric", "5",
              "proto", "static")
    await_routes(router, {"203.0.113.0/24": ["198.18.2.1"]})
    assert kernel.routes()["203.0.113.0/24"]["protocol"] == "static", "it is left alone"
    kernel.ip("route", "del", "203.0.113.0/24")
    await_kernel(router, lambda: "203.0.113.0/24" in kernel.routes("proto", "77"), "ours is back")


def test_several_gateways(pair):
    router, kernel = pair
    kernel.ip("route", "add", "100.64.0.0/16", "nexthop", "via", "198.18.1.1",
              "nexthop", "via", "198.18.2.1")
    await_routes(router, {"100.64.0.0/16": ["198.18.1.1", "198.18.2.1"]})
    assert {leaves_by(router, "100.64.0.1", sport) for sport in range(5000, 5032)} == \
        {"wan", "alt"}
    kernel.ip("route", "replace", "100.64.0.0/16", "nexthop", "via", "198.18.1.1", "weight", "3",
              "nexthop", "via", "198.18.2.1", "weight", "1")
    router.wait_until(lambda: fates(router) == {"PARTLY": 1}, 10, "weights are said to be equal")


def test_nexthop_objects(pair):
    """As FRR has it: routes name a group, and the group changes below them."""
    router, kernel = pair
    kernel.ip("nexthop", "add", "id", 1, "via", "198.18.1.1", "dev", "wan-k", "proto", "bgp")
    kernel.ip("nexthop", "add", "id", 2, "via", "198.18.2.1", "dev", "alt-k", "proto", "bgp")
    kernel.ip("nexthop", "add", "id", 3, "group", "1/2", "proto", "bgp")
    kernel.ip("route", "add", "100.64.0.0/24", "nhid", 3, "proto", "bgp")
    kernel.ip("route", "add", "100.64.1.0/24", "nhid", 1, "proto", "bgp")
    both = ["198.18.1.1", "198.18.2.1"]
    await_routes(router, {"100.64.0.0/24": both, "100.64.1.0/24": both[:1]})
    kernel.ip("nexthop", "replace", "id", 1, "via", "198.18.0.1", "dev", "lan-k", "proto", "bgp")
    await_routes(router, {"100.64.0.0/24": ["198.18.0.1", "198.18.2.1"],
                          "100.64.1.0/24": ["198.18.0.1"]})
    kernel.ip("nexthop", "replace", "id", 3, "group", "2", "proto", "bgp")
    await_routes(router, {"100.64.0.0/24": both[1:], "100.64.1.0/24": ["198.18.0.1"]})
    kernel.ip("nexthop", "replace", "id", 3, "group", "1/2", "proto", "bgp")
    kernel.ip("nexthop", "del", "id", 1)  # the kernel drops what it served, without a word
    await_routes(router, {"100.64.0.0/24": both[1:]})
    kernel.ip("nexthop", "add", "id", 4, "blackhole", "proto", "bgp")
    kernel.ip("route", "replace", "100.64.0.0/24", "nhid", 4, "proto", "bgp")
    await_routes(router, {"100.64.0.0/24": "blackhole"})


def test_verdicts(pair):
    router, kernel = pair
    for kind in "blackhole", "unreachable", "prohibit":
        kernel.ip("route", "add", kind, f"100.64.{len(kind)}.0/24")
    await_routes(router, {"100.64.9.0/24": "blackhole", "100.64.11.0/24": "unreachable",
                          "100.64.8.0/24": "unreachable"})
    router.send(router.lan, datagram(router.lan, "100.64.9.9")).nothing(BLACKHOLE=1)
    error = router.send(router.lan, datagram(router.lan, "100.64.8.9")).only(router.lan)
    assert (error[ICMP].type, error[ICMP].code) == (3, 1)


def test_what_is_not_taken_is_counted(pair):
    router, kernel = pair
    kernel.ip("tuntap", "add", "dev", "other", "mode", "tap")
    try:
        kernel.ip("addr", "add", "198.18.3.1/24", "dev", "other")
        kernel.ip("link", "set", "other", "up")
        kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.3.9")
        kernel.ip("route", "add", "100.64.1.0/24", "dev", "wan-k")
        kernel.ip("route", "add", "100.64.2.0/24", "via", "198.18.9.9", "dev", "wan-k", "onlink")
        kernel.ip("route", "add", "100.64.3.0/24", "tos", "0x10", "via", "198.18.1.1")
        kernel.ip("route", "add", "throw", "100.64.4.0/24")
        kernel.ip("route", "add", "100.64.6.0/24", "via", "198.18.1.1", "table", "77")
        router.wait_until(lambda: fates(router) == {
            "OTHER_LINK": 1, "NO_GATEWAY": 1, "NOT_NEIGHBOUR": 1, "TOS": 1, "KIND": 1},
            10, "one of each")
        assert learnt(router) == {}
        kernel.ip("addr", "add", "198.18.9.1/24", "dev", "wan-k")  # now it is a neighbour
        await_routes(router, {"100.64.2.0/24": ["198.18.9.9"]})
    finally:
        kernel.ip("addr", "flush", "to", "198.18.9.0/24")
        kernel.ip("route", "flush", "table", "77")
        kernel.ip("link", "del", "other")


def test_an_interface_that_is_set_down(pair):
    """The kernel drops its routes and says nothing of them; the port itself goes on."""
    router, kernel = pair
    kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.1.1")
    kernel.ip("nexthop", "add", "id", 1, "via", "198.18.1.1", "dev", "wan-k", "proto", "bgp")
    kernel.ip("route", "add", "100.64.1.0/24", "nhid", 1, "proto", "bgp")
    kernel.ip("route", "add", "100.64.2.0/24", "via", "198.18.2.1")
    await_routes(router, {"100.64.0.0/24": ["198.18.1.1"], "100.64.1.0/24": ["198.18.1.1"],
                          "100.64.2.0/24": ["198.18.2.1"]})
    kernel.ip("link", "set", "wan-k", "down")
    await_routes(router, {"100.64.2.0/24": ["198.18.2.1"]})
    assert leaves_by(router, "203.0.113.9") == "wan"
    await_kernel(router, lambda: "nexthops" not in kernel.routes()["203.0.114.0/24"] or
                 len(kernel.routes()["203.0.114.0/24"]["nexthops"]) == 1, "one way less")
    kernel.ip("link", "set", "wan-k", "up")
    await_kernel(router, lambda: "203.0.113.0/24" in kernel.routes("proto", "77") and
                 len(kernel.routes()["203.0.114.0/24"]["nexthops"]) == 2, "ours are given anew")


def test_many_routes(pair):
    """They come, forward, change their gateway and go."""
    router, kernel = pair
    prefixes = [f"100.{64 + n // 256}.{n % 256}.0/24" for n in range(MANY)]
    for gateway, port in ("198.18.1.1", router.wan), ("198.18.2.1", router.alt):
        kernel.batch(f"route replace {prefix} via {gateway}" for prefix in prefixes)
        router.wait_until(
            lambda: learnt(router) == dict.fromkeys(prefixes, [gateway]), 20, f"via {gateway}")
        for n in range(0, MANY, MANY // 20):
            outcome = router.send(
                router.lan, datagram(router.lan, prefixes[n].replace(".0/24", ".7")))
            assert outcome.only(port)
    kernel.batch(f"route del {prefix}" for prefix in prefixes)
    await_routes(router, {})


# --- up: addresses and neighbours ---

def asked(port, ip):
    port.send(port.arp("who-has", pdst=ip))
    return port.expect(lambda f: ARP in f and f[ARP].op == 2 and f[ARP].psrc == ip)


@pytest.mark.parametrize("depth", [24, 32])
def test_a_virtual_address(pair, depth):
    """As keepalived moves it: it is announced, answers ARP and pings, and goes again."""
    router, kernel = pair
    router.wan.drain()
    kernel.ip("addr", "add", f"{VIP}/{depth}", "dev", "wan-k")
    router.wan.expect(lambda f: ARP in f and f[ARP].psrc == f[ARP].pdst == VIP)
    assert asked(router.wan, VIP)[ARP].hwsrc == router.wan.router_mac
    ping = router.lan.to(VIP) / ICMP(id=9) / Raw(b"who")
    reply = router.send(router.lan, ping).only(router.lan)
    assert (reply[IP].src, reply[ICMP].type) == (VIP, 0)
    assert counter(router, "addresses") == 1
    kernel.ip("addr", "del", f"{VIP}/{depth}", "dev", "wan-k")
    router.wait_until(lambda: counter(router, "addresses") == 0, 10, "it is gone")
    router.send(router.wan, router.wan.arp("who-has", pdst=VIP)).nothing(ARP_NOT_OURS=1)


def test_our_address_comes_back(pair):
    router, kernel = pair
    kernel.ip("addr", "flush", "dev", "wan-k")
    await_kernel(router, lambda: "198.18.1.254/24" in kernel.ip("addr", "show", "dev", "wan-k") and
                 "203.0.113.0/24" in kernel.routes("proto", "77"), "address and route are back")
    assert leaves_by(router, "203.0.113.9") == "wan"


def test_a_loopback_address(pair):
    router, kernel = pair
    kernel.ip("addr", "add", "198.18.255.9/32", "dev", "lo")
    router.wait_until(lambda: counter(router, "addresses") == 1, 10, "it is ours")
    reply = router.send(router.wan, router.wan.to("198.18.255.9") / ICMP(id=9)).only(router.wan)
    assert reply[IP].src == "198.18.255.9"
    kernel.ip("addr", "del", "198.18.255.9/32", "dev", "lo")
    router.wait_until(lambda: counter(router, "addresses") == 0, 10, "it is gone")


def test_a_permanent_neighbour(pair):
    router, kernel = pair
    mac = "02:00:00:00:00:99"
    kernel.ip("neigh", "add", "198.18.1.9", "lladdr", mac, "dev", "wan-k", "nud", "permanent")
    router.wait_until(lambda: counter(router, "neighbours") == 1, 10, "it is ours")
    out = router.send(router.lan, datagram(router.lan, "198.18.1.9")).only(router.wan)
    assert out.dst == mac
    with pytest.raises(lab.CtlError):
        router.ctl("neighbour", "del", "198.18.1.9", "wan")
    assert "PERMANENT" in kernel.ip("neigh", "show", "198.18.1.9")
    kernel.ip("neigh", "del", "198.18.1.9", "dev", "wan-k")
    router.wait_until(lambda: counter(router, "neighbours") == 0, 10, "it is gone")


# --- the operator ---

def test_a_permanent_neighbour_before_its_network(pair):
    router, kernel = pair
    kernel.ip("neigh", "add", "198.18.9.9", "lladdr", "02:00:00:00:00:99", "nud", "permanent",
              "dev", "wan-k")
    kernel.ip("addr", "add", "198.18.9.1/24", "dev", "wan-k")
    await_kernel(router, lambda: counter(router, "neighbours") == 1, "it is known")
    kernel.ip("neigh", "del", "198.18.9.9", "dev", "wan-k")
    kernel.ip("addr", "del", "198.18.9.1/24", "dev", "wan-k")
    await_kernel(router, lambda: counter(router, "neighbours") == 0, "it is forgotten")


def test_save_leaves_out_what_came_from_the_kernel(pair, tmp_path):
    router, kernel = pair
    kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.1.1")
    kernel.ip("addr", "add", f"{VIP}/24", "dev", "wan-k")
    kernel.ip("neigh", "add", "198.18.1.9", "lladdr", "02:00:00:00:00:99", "dev", "wan-k",
              "nud", "permanent")
    await_routes(router, {"100.64.0.0/24": ["198.18.1.1"]})
    router.wait_until(lambda: counter(router, "neighbours") == counter(router, "addresses") == 1,
                      10, "they are ours")
    router.ctl("route", "add", "203.0.117.0/24", "via", "198.18.1.1")
    router.ctl("config", "save", str(tmp_path / "saved.yaml"))
    saved = (tmp_path / "saved.yaml").read_text()
    assert "203.0.117.0/24" in saved
    for word in "100.64.0.0", VIP, "198.18.1.9":
        assert word not in saved
    router.ctl("route", "del", "203.0.117.0/24")
    kernel.ip("addr", "del", f"{VIP}/24", "dev", "wan-k")
    kernel.ip("neigh", "del", "198.18.1.9", "dev", "wan-k")
    router.wait_until(lambda: counter(router, "neighbours") == counter(router, "addresses") == 0,
                      10, "they are gone")


def test_a_link_that_goes_down(pair):
    """The far end of the port is set down: the kernel sees it, and the routes do not serve."""
    router, kernel = pair
    kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.2.1")
    await_routes(router, {"100.64.0.0/24": ["198.18.2.1"]})
    lab.sh("ip", "-n", router.alt.namespace.name, "link", "set", "alt0", "down")
    try:
        await_kernel(router, lambda: "NO-CARRIER" in kernel.ip("link", "show", "alt-k"), "no link")
        router.wait_until(lambda: not any(
            row["best"] for row in router.ctl("show", "routes", "origin", "kernel")["routes"]),
            10, "it waits")
    finally:
        lab.sh("ip", "-n", router.alt.namespace.name, "link", "set", "alt0", "up")
    await_kernel(router, lambda: "NO-CARRIER" not in kernel.ip("link", "show", "alt-k"), "a link")
    router.wait_until(lambda: all(
        row["installed"] for row in router.ctl("show", "routes", "origin", "kernel")["routes"]),
        10, "it serves again")


def test_off_and_on(kernel):
    """By `config apply`: nothing of the kernel's is left, and all of it comes again."""
    with started(kernel) as router:
        kernel.ip("route", "add", "blackhole", "100.64.1.0/24")
        kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.1.1")
        await_routes(router, {"100.64.0.0/24": ["198.18.1.1"], "100.64.1.0/24": "blackhole"})
        router.apply({"ports": {name: {"kernel": None} for name in ("lan", "wan", "alt")}})
        await_routes(router, {})
        await_kernel(router, lambda: not kernel.routes("proto", "77"), "ours are gone, too")
        assert not netlink(router)["on"]
        router.apply({})
        await_routes(router, {"100.64.1.0/24": "blackhole"})
        await_kernel(router, lambda: len(kernel.routes("proto", "77")) == 3, "ours are there")
        router.apply({"system": {"kernel": {"take_routes": False, "give_routes": False}}})
        await_routes(router, {})
        await_kernel(router, lambda: not kernel.routes("proto", "77"), "ours are gone")
        router.apply({"system": {"kernel": {"preference": 0}}})
        await_routes(router, {"100.64.1.0/24": "blackhole"})
        row, = router.ctl("show", "routes", "origin", "kernel")["routes"]
        assert row["preference"] == 0


def test_a_port_that_goes(kernel):
    """With an interface that the kernel's routes go by; and the port comes back."""
    with started(kernel) as router:
        kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.2.1")
        kernel.ip("route", "add", "100.64.1.0/24", "via", "198.18.1.1")
        await_routes(router, {"100.64.0.0/24": ["198.18.2.1"], "100.64.1.0/24": ["198.18.1.1"]})
        without = [r for r in CONFIG["routes"] if "198.18.2.1" not in r.get("via", [])]
        router.apply({"ports": {"alt": None}, "routes": without})
        await_routes(router, {"100.64.1.0/24": ["198.18.1.1"]})
        assert leaves_by_wan(router)
        assert {row["interface"] for row in netlink(router)["interfaces"]} == \
            {"lo", "lan-k", "wan-k"}


def leaves_by_wan(router):
    router.lan.send(datagram(router.lan, "100.64.1.9"))
    return router.wan.expect(lambda f: UDP in f and f[IP].dst == "100.64.1.9")


# --- bad moments ---

@contextlib.contextmanager
def saying(what):
    try:
        yield
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{what()}") from None


def test_messages_that_are_lost(kernel):
    """A buffer that holds a handful of messages: what was missed is read again."""
    with started(kernel, {"system": {"kernel": {"buffer": 4096}}}) as router:
        prefixes = [f"100.{64 + n // 256}.{n % 256}.0/24" for n in range(MANY)]
        with saying(lambda: (len(learnt(router)), netlink(router))):
            kernel.batch(f"route add {prefix} via 198.18.1.1" for prefix in prefixes)
            router.wait_until(lambda: learnt(router) == dict.fromkeys(prefixes, ["198.18.1.1"]),
                              20, "all of them")
            assert counter(router, "overruns") > 0
            kernel.batch(f"route del {prefix}" for prefix in prefixes[:-1])
            router.wait_until(lambda: learnt(router) == {prefixes[-1]: ["198.18.1.1"]}, 20, "one")


GATEWAYS = {"lan-k": "198.18.0.1", "wan-k": "198.18.1.1", "alt-k": "198.18.2.1"}


def some_change(dice):
    """A line for `ip -batch`; what cannot be done is passed over there."""
    hops = dice.sample(sorted(GATEWAYS.items()), dice.randint(1, 3))
    prefix, identity = f"100.64.{dice.randrange(64)}.0/24", dice.randint(1, 6)
    route = f"{prefix} metric {dice.choice((10, 20, 30))}"
    paths = " ".join(f"nexthop via {gateway} dev {dev}" for dev, gateway in hops)
    dev, gateway = hops[0]
    return dice.choice([
        f"route add {route} via {gateway}", f"route append {route} via {gateway}",
        f"route prepend {route} via {gateway}", f"route replace {route} {paths}",
        f"route replace {route} nhid {dice.choice((identity, 9))}", f"route replace {prefix} nhid 9",
        f"route add blackhole {route}", f"route del {prefix}", f"route del {route}",
        f"nexthop replace id {identity} via {gateway} dev {dev}", f"nexthop del id {identity}",
        f"nexthop replace id 9 group {identity}/{identity % 6 + 1}",
        f"addr add {VIP}/24 dev wan-k", f"addr del {VIP}/24 dev wan-k",
    ] + dice.choices([f"link set {dev} down", f"link set {dev} up",
                      f"addr flush dev {dev}"], k=dice.random() < 0.2))


def expected_of(kernel):
    """What of the kernel's routes counts, by its own words."""
    best = {}
    for row in kernel.show("route", "show", "table", "main"):
        if row.get("protocol") in ("kernel", "77"):
            continue
        hops = row.get("nexthops") or [row]
        via = sorted({h["gateway"] for h in hops
                      if "dead" not in h.get("flags", []) and "gateway" in h})
        kind = row.get("type", "unicast")
        prefix, metric = row["dst"], row.get("metric", 0)
        if "/" not in prefix:
            prefix += "/32"
        if (via or kind != "unicast") and (prefix not in best or metric < best[prefix][0]):
            best[prefix] = metric, via or kind
    return {prefix: hops for prefix, (_, hops) in best.items()}


def difference(router, kernel):
    has, expected = learnt(router), expected_of(kernel)
    return "\n".join(f"{prefix} is {has.get(prefix)}, not {expected.get(prefix)}: " +
                     kernel.ip("route", "show", "exact", prefix)
                     for prefix in sorted({*has, *expected})
                     if has.get(prefix) != expected.get(prefix)) + kernel.ip("route")[-500:]


@pytest.mark.parametrize("buffer", ["4M", 4096])
def test_it_comes_out_right(kernel, buffer):
    """Whatever happens, at whatever pace, in the end both have the same."""
    dice = random.Random(5)
    with started(kernel, {"system": {"kernel": {"buffer": buffer}}}) as router:
        for _ in range(200 if lab.SOAK else 4):
            lines = [some_change(dice) for _ in range(dice.choice((1, 10, 300)))]
            kernel.run("ip", "-force", "-batch", "-", input="\n".join(lines))
            for dev in GATEWAYS:
                kernel.ip("link", "set", dev, "up")
            with saying(lambda: difference(router, kernel)):
                router.wait_until(lambda: learnt(router) == expected_of(kernel), 20, "the same")
                router.wait_until(lambda: len(kernel.routes("proto", "77")) == 3, 20, "and ours")


def test_a_restart(kernel):
    """Interfaces that outlive millrace, with what the kernel has learnt meanwhile."""
    for interface in "lan-k", "wan-k", "alt-k":
        kernel.ip("tuntap", "add", "dev", interface, "mode", "tap")
    with started(kernel) as router:
        kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.1.1")
        await_routes(router, {"100.64.0.0/24": ["198.18.1.1"]})
    kernel.ip("route", "add", "100.64.1.0/24", "via", "198.18.1.1")
    with started(kernel, {"routes": CONFIG["routes"][1:]}) as router:
        await_routes(router, {"100.64.0.0/24": ["198.18.1.1"], "100.64.1.0/24": ["198.18.1.1"]})
        await_kernel(router, lambda: set(kernel.routes("proto", "77")) ==
                     {"203.0.114.0/24", "203.0.115.0/24"}, "what was ours before is taken back")


def test_an_interface_that_is_deleted(kernel):
    with started(kernel) as router:
        kernel.ip("route", "add", "100.64.0.0/24", "via", "198.18.1.1")
        kernel.ip("addr", "add", f"{VIP}/24", "dev", "wan-k")
        await_routes(router, {"100.64.0.0/24": ["198.18.1.1"]})
        router.wait_until(lambda: counter(router, "neighbours_given") == 3, 10, "all are given")
        kernel.ip("link", "del", "wan-k")
        await_routes(router, {})
        router.wait_until(lambda: counter(router, "neighbours_given") == 2, 10, "wan's is gone")
        assert counter(router, "refused") == 0
        router.wait_until(lambda: counter(router, "addresses") == 0, 10, "the address is gone")
        assert leaves_by(router, "203.0.113.9") == "wan"
