# SPDX-License-Identifier: BSD-3-Clause
"""Virtual services with nginx behind them: shares, and changes that no request notices."""
import collections
import http.client
import socket
import sys
import threading
import time

import pytest

from support import flood, lab
from support.backends import PORTS, Backends, wrk_errors

SECONDS = 120 if lab.SOAK else 10  # under changes
REQUESTS, OFF = 10000, 0.05  # of many ends
WEIGHTS = [1, 2, 3, 4]
VIP = {"round-robin": "198.18.0.100", "least-connections": "198.18.0.101",
       "maglev": "198.18.0.102", "source-hash": "198.18.0.103"}
CLIENTS = "198.18.64.0/18"  # addresses of the client beside its own

CONFIG = {"system": {"workers": 2},
          "routes": [{"prefix": CLIENTS, "via": "198.18.0.1"}]}


PORTS = {name: port for name, port in zip([*VIP, "other"], PORTS)}  # of the backends


def service(vip, backends, scheduler="round-robin", **more):
    return {"address": vip, "port": 80, "scheduler": scheduler, "backends": backends, **more}


@pytest.fixture(scope="module")
def site():
    """A router, the client behind lan, four backends behind wan."""
    router = lab.Router(CONFIG, introduce=False)
    for port in router.ports.values():
        port.become_host()
    client = router.lan.namespace
    lab.sh("ip", "-n", client.name, "route", "add", "local", CLIENTS, "dev", "lo")
    for knob in "net.ipv4.ip_local_port_range=1024 65000", "net.ipv4.tcp_tw_reuse=1":
        client.run("sysctl", "-qw", knob)
    router.backends = Backends(router.wan, 4)
    yield router
    router.backends.stop()
    router.stop()


@pytest.fixture
def balanced(site):
    """balanced(services): in force."""
    def apply(services):
        site.apply({"balancers": {"seed": "interop", "services": services}})
    yield apply
    apply({})
    site.check_books()


def all_services(site, weights=None, **states):
    return {name: service(vip, site.backends.conf(PORTS[name], weights, **states), name)
            for name, vip in VIP.items()}


def expect_shares(got, weights, what, figure, off=0.05):
    worst = max(abs(n * sum(weights) / (sum(got) * w) - 1) for n, w in zip(got, weights))
    figure(f"requests by weights {weights}, {what}", f"{got}, at most {worst:.1%} off")
    assert worst <= off, (what, got)


@pytest.mark.parametrize("scheduler", ["round-robin", "least-connections"])
def test_shares(site, balanced, figure, scheduler):
    balanced(all_services(site, WEIGHTS))
    before = site.backends.served()
    done = site.lan.namespace.run("ab", "-q", "-n", 10000, "-c", 200, f"http://{VIP[scheduler]}/")
    assert "Failed requests:        0" in done.stdout, done.stdout + done.stderr
    got = [now - was for now, was in zip(site.backends.served(sum(before) + 10000), before)]
    # who has few flows answers a little sooner, and so gets more of them
    expect_shares(got, WEIGHTS, scheduler, figure, 0.05 if scheduler == "round-robin" else 0.1)


def ask(site, vip, addr, port):
    """One request from an address and port of the client's; who answered."""
    with site.lan.namespace.entered():
        s = socket.socket()
    with s:
        s.settimeout(10)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((addr, port))
        s.connect((vip, 80))
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := s.recv(4096):
            answer += piece
    return answer.rsplit(b"\n", 2)[1].decode()


def ask_all(site, vip, ends):
    """Who answered how many of the requests from those ends; in four threads."""
    came, failures = collections.Counter(), []

    def some(part):
        try:
            for addr, port in part:
                came[ask(site, vip, addr, port)] += 1
        except OSError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=some, args=(ends[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    return came


def client_ends(n):
    """Ends that are the same in every run, so that a hash is."""
    return [(f"198.18.{64 + i * 7 % 64}.{1 + i * 11 % 254}", 2000 + i * 13 % 30000) for i in range(n)]


@pytest.mark.parametrize("scheduler", ["maglev", "source-hash"])
def test_shares_by_hash(site, balanced, figure, scheduler):
    balanced(all_services(site, WEIGHTS))
    came = ask_all(site, VIP[scheduler], client_ends(REQUESTS))
    expect_shares([came[f"b{i}"] for i in range(4)], WEIGHTS, scheduler, figure, OFF)


def test_a_source_has_one_backend(site, balanced):
    balanced(all_services(site, WEIGHTS))
    for addr in "198.18.64.1", "198.18.70.9", "198.18.99.1":
        came = ask_all(site, VIP["source-hash"], [(addr, port) for port in range(3000, 3020)])
        assert len(came) == 1 and sum(came.values()) == 20


class Keeper(threading.Thread):
    """A client that keeps its connection and asks again and again, until it is told to end."""

    def __init__(self, site, vip):
        super().__init__()
        self.ended, self.failure, self.asked = threading.Event(), None, 0
        with site.lan.namespace.entered():
            self.connection = http.client.HTTPConnection(vip, timeout=10)
            self.connection.connect()
        self.backend = self.ask()
        self.start()

    def ask(self):
        self.connection.request("GET", "/")
        answer = self.connection.getresponse()
        answer.read()
        self.asked += 1
        return answer.headers["X-Backend"]

    def run(self):
        try:
            while not self.ended.wait(0.02):
                assert self.ask() == self.backend
        except (OSError, http.client.HTTPException, AssertionError) as failure:
            self.failure = failure

    def end(self):
        self.ended.set()
        self.join()
        self.connection.close()


class Wrk(threading.Thread):
    """wrk for so many seconds: (socket errors, bad answers, good ones) in .result."""

    def __init__(self, site, vip, seconds, *more):
        super().__init__()
        self.words = ["wrk", "-t1", "-c16", f"-d{seconds}", "--timeout", "20", *more,
                      f"http://{vip}/"]
        self.site, self.seconds, self.result = site, seconds, None
        self.start()

    def run(self):
        done = self.site.lan.namespace.run(*self.words, timeout=self.seconds + 60)
        self.result = wrk_errors(done.stdout)

    def expect_no_failure(self):
        self.join()
        errors, bad, good = self.result
        assert errors == 0 and bad == 0 and good > 50 * self.seconds, self.result


CLOSING = "-H", "Connection: close"


def test_changes_under_load(site, balanced, figure):
    """One apply after the other: weights, drains, other services; nobody notices."""
    def services(turn):
        state = {f"b{turn % 4}": "drain"} if turn % 3 == 1 else {}
        weights = [1 + (turn + i) % 4 for i in range(4)] if turn % 2 else [1, 1, 1, 1]
        more = {} if turn % 4 else {
            "other": service("198.18.0.110", site.backends.conf(PORTS["other"]))}
        return {**all_services(site, weights, **state), **more}

    balanced(services(0))
    keepers = [Keeper(site, vip) for vip in VIP.values() for _ in range(4)]
    load = [Wrk(site, VIP["round-robin"], SECONDS), Wrk(site, VIP["maglev"], SECONDS, *CLOSING),
            Wrk(site, VIP["least-connections"], SECONDS, *CLOSING)]
    turn = 0
    while any(wrk.is_alive() for wrk in load):
        turn += 1
        balanced(services(turn))
        time.sleep(1)
    for wrk in load:
        wrk.expect_no_failure()
    for keeper in keepers:
        keeper.end()
    assert [k.failure for k in keepers if k.failure] == []
    figure(f"requests during {turn} applies, not one failed",
           sum(wrk.result[2] for wrk in load) + sum(k.asked for k in keepers))


def test_a_killed_backend(site, balanced):
    """Who was on it fails, nobody else; once it is drained nobody is sent there."""
    balanced(all_services(site))
    keepers = [Keeper(site, VIP["round-robin"]) for _ in range(16)]
    assert {k.backend for k in keepers} == {"b0", "b1", "b2", "b3"}
    victim = site.backends.list[2]
    try:
        victim.kill()
        balanced(all_services(site, b2="drain"))
        load = [Wrk(site, vip, 2, *CLOSING) for vip in VIP.values()]
        for wrk in load:
            wrk.expect_no_failure()
        for keeper in keepers:
            keeper.end()
        assert all((k.failure is None) == (k.backend != "b2") for k in keepers)
    finally:
        victim.start()
    balanced(all_services(site))
    came = ask_all(site, VIP["round-robin"], [("198.18.65.1", 5000 + i) for i in range(16)])
    assert set(came) == {"b0", "b1", "b2", "b3"}


def test_a_removed_backend(site, balanced):
    """Its connections are reset, all others go on; it comes back as a new one."""
    balanced(all_services(site))
    keepers = [Keeper(site, VIP["maglev"]) for _ in range(24)]
    load = Wrk(site, VIP["round-robin"], 2)
    fewer = all_services(site)
    fewer["maglev"]["backends"].pop()
    balanced(fewer)
    load.expect_no_failure()
    for keeper in keepers:
        keeper.end()
    assert any(k.backend == "b3" for k in keepers)
    for keeper in keepers:
        assert (keeper.failure is None) == (keeper.backend != "b3")
        assert keeper.failure is None or isinstance(keeper.failure, ConnectionResetError)


def test_a_removed_service(site, balanced):
    """Of two at one address: the one's connections are reset, the other's go on."""
    both = {"web": service(VIP["maglev"], site.backends.conf(PORTS["maglev"])),
            "alt": service(VIP["maglev"], site.backends.conf(PORTS["other"]), port=81)}
    balanced(both)
    keepers = [Keeper(site, VIP["maglev"]) for _ in range(4)]
    other = Keeper(site, VIP["maglev"] + ":81")
    balanced({"alt": both["alt"]})
    for keeper in keepers:
        keeper.join(10)
        assert isinstance(keeper.failure, ConnectionResetError)
    asked = other.asked
    site.wait_until(lambda: other.asked > asked + 5, 10, "the other goes on")
    other.end()
    assert other.failure is None


# --- a table of flows that is full ---

CHURN = 180 if lab.SOAK else 3  # seconds
FLOWS = 131072 if lab.SOAK else 4096  # on each worker
HALF_OPEN = "30s" if lab.SOAK else "2s"  # what is sent in this time is more than there is room for


@pytest.fixture
def small_site(make_router):
    """A site with little room and little patience."""
    router = make_router({
        **CONFIG, "system": {"workers": 2, "limits": {"flows": FLOWS}},
        "balancers": {"timeouts": {"tcp_half_open": HALF_OPEN, "tcp_closed": "1s",
                                   "tcp_closing": "2s", "tcp_established": "1m"}}}, introduce=False)
    for port in router.ports.values():
        port.become_host()
    client = router.lan.namespace  # answers to the flood end there
    lab.sh("ip", "-n", client.name, "route", "add", "blackhole", CLIENTS)
    router.backends = Backends(router.wan, 3)
    yield router
    router.backends.stop()


def flood_for(site, seconds, dport):
    """SYNs from thousands of addresses, some seconds long; how many times so many were sent."""
    turns, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        done = site.lan.namespace.run(
            sys.executable, "-B", flood.__file__, f"churn {turns}", 20000, site.lan.iface,
            site.lan.mac, site.lan.router_mac, VIP["round-robin"], dport, CLIENTS)
        assert done.returncode == 0, done.stderr
        turns += 1
    return turns


def test_a_full_table(small_site, figure):
    """Who is established goes on; then all flows come to their end, and nothing is left of them."""
    site = small_site
    services = {"web": service(VIP["round-robin"], site.backends.conf(PORTS["round-robin"]))}
    site.apply({"balancers": {"services": services}})
    keepers = [Keeper(site, VIP["round-robin"]) for _ in range(12)]
    before = site.counters()["mbufs"]["in_use"]
    turns = flood_for(site, CHURN, 80)
    flows = site.counters()["flows"]
    for keeper in keepers:
        keeper.end()
    assert [k.failure for k in keepers if k.failure] == []
    assert flows["displaced"] > 0 and flows["now"] <= 2 * FLOWS * 5 / 3 + 64, flows
    figure(f"flows of {turns * 20000} SYNs, {FLOWS} places a worker", flows)
    site.wait_until(lambda: site.counters()["flows"]["now"] == 0, 120, "every flow has ended")
    assert [row["flows"] for row in site.ctl("show", "backends")] == [0, 0, 0]
    site.wait_until(lambda: site.counters()["mbufs"]["in_use"] <= before, 30, "buffers are back")
    site.check_books()
