# SPDX-License-Identifier: BSD-3-Clause
"""A virtual DNS service, UDP and TCP, with dnsmasq behind it, asked by dnsperf."""
import re
import subprocess
import threading
import time

import pytest

from support import lab

VIP, NAME, PORT = "198.18.0.100", "shop.example", 5353
ADDRS = [f"198.18.1.{11 + i}" for i in range(3)]
CHECK = {"kind": "dns", "host": NAME, "interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 2}
SECONDS = 60 if lab.SOAK else 3
UDP = "-l", SECONDS, "-c", 60, "-q", 60


class Dnsmasq:
    def __init__(self, namespace, addr):
        self.words = ["setpriv", "--pdeathsig", "KILL", *namespace.entering, "dnsmasq",
                      "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root",
                      "--no-resolv", "--no-hosts", "--bind-interfaces", f"--listen-address={addr}",
                      f"--port={PORT}", f"--address=/{NAME}/192.0.2.1"]
        self.addr = addr
        self.start()

    def start(self):
        self.program = subprocess.Popen(self.words, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def stop(self):
        self.program.kill()
        self.program.wait()


class Site:
    def __init__(self, directory):
        self.router = lab.Router({"system": {"workers": 2}}, introduce=False)
        for port in self.router.ports.values():
            port.become_host()
        wan = self.router.wan
        for addr in ADDRS:
            lab.sh("ip", "-n", wan.namespace.name, "addr", "add", f"{addr}/32", "dev", wan.iface)
        self.servers = [Dnsmasq(wan.namespace, addr) for addr in ADDRS]
        self.queries = directory / "queries"
        self.queries.write_text(f"{NAME} A\n")

    def stop(self):
        for server in self.servers:
            server.stop()
        self.router.stop()

    def balance(self, *drained, **more):
        backends = [{"address": addr, "port": PORT, **({"state": "drain"} if addr in drained else {})}
                    for addr in ADDRS]
        self.router.apply({"balancers": {"services": {"dns": {
            "address": VIP, "port": 53, "protocol": "both", "scheduler": "round-robin",
            "check": CHECK, "backends": backends, **more}}}})

    def await_state(self, addr, state):
        """It is known, and in force for who is new."""
        self.router.wait_until(
            lambda: all(row["state"] == state and (row["effective_weight"] > 0) == (state == "up")
                        for row in self.rows(addr)), 10, f"{addr} is {state}")

    def rows(self, addr):
        return [row for row in self.router.ctl("show", "backends") if row["address"] == addr]

    def asked(self):
        """How many packets each backend has got."""
        return [sum(row["packets_in"] for row in self.rows(addr)) for addr in ADDRS]

    def dnsperf(self, *more):
        done = self.router.lan.namespace.run(
            "dnsperf", "-s", VIP, "-d", self.queries, "-t", 5, *more, timeout=SECONDS + 60)
        found = {key: int(value) for key, value in re.findall(
            r"Queries (sent|completed|lost): +(\d+)", done.stdout)}
        assert found.keys() == {"sent", "completed", "lost"}, done.stdout + done.stderr
        return found, done.stdout

    def expect_all_answered(self, *more):
        found, words = self.dnsperf(*more)
        assert found["lost"] == 0 and found["completed"] == found["sent"] > 300, words
        assert re.search(r"Response codes: +NOERROR \d+ \(100\.00%\)", words), words
        return found["completed"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("dns"))
    yield site
    site.stop()


@pytest.fixture
def balanced(site):
    site.balance()
    for addr in ADDRS:
        site.await_state(addr, "up")
    yield site
    site.router.apply({})
    site.router.check_books()


# dnsmasq ends a connection after a hundred queries, and has twenty at a time
@pytest.mark.parametrize("words", [UDP, ("-m", "tcp", "-c", 30, "-n", 2000)], ids=["udp", "tcp"])
def test_every_query_is_answered(balanced, figure, words):
    figure(f"queries by dnsperf {' '.join(map(str, words))}", balanced.expect_all_answered(*words))
    assert all(balanced.asked())


def test_changes_under_queries(balanced, figure):
    """One backend after the other drains and comes back; no query is lost."""
    over = threading.Event()
    found, turns = [], 0

    def ask():
        try:
            found.append(balanced.expect_all_answered(*UDP))
        finally:
            over.set()

    load = threading.Thread(target=ask)
    load.start()
    while not over.is_set():
        balanced.balance(ADDRS[turns % 3])
        turns += 1
        time.sleep(0.2)
    load.join()
    assert found, "queries were lost"
    figure(f"queries during {turns} applies, none lost", found[0])


def test_a_killed_server(balanced):
    """Once it is known to be down its clients are asked to nobody's loss: datagrams go elsewhere."""
    victim = balanced.servers[1]
    try:
        victim.stop()
        balanced.await_state(victim.addr, "down")
        balanced.expect_all_answered(*UDP)
    finally:
        victim.start()
    balanced.await_state(victim.addr, "up")
