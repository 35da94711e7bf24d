# SPDX-License-Identifier: BSD-3-Clause
"""Health checks of balanced backends: real servers that live, die, hang and come back."""
import contextlib
import re
import socket
import struct
import tempfile
import threading
from pathlib import Path

import pytest

from support import lab

VIP = "198.18.0.100"
BACKENDS = ["198.18.1.1", "198.18.1.2", "198.18.1.3"]
QUICK = {"interval": "200ms", "timeout": "150ms"}


class Server:
    """Listens on a port of a backend's until it is stopped; `answer` is given each connection."""

    def __init__(self, namespace, address, port, answer):
        with namespace.entered():
            self.listener = socket.create_server((address, port))
        self.answer, self.asked, self.held = answer, [], []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self.listener.accept()
                self.held.append(connection)
                with contextlib.suppress(OSError):
                    self.asked.append((peer[0], self.answer(connection)))

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for s in [self.listener, *self.held]:
            s.close()


def says(text, keep=False):
    """Reads a request's head, and answers with these bytes."""
    def answer(connection):
        connection.settimeout(5)
        head = b""
        while b"\r\n\r\n" not in head and (piece := connection.recv(4096)):
            head += piece
        connection.sendall(text)
        if not keep:
            connection.close()
        return head
    return answer


def page(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def hangs(_):
    """Says nothing."""


class Site:
    """A router with one service, and backends that tests start."""

    def __init__(self, workers=1):
        self.router = lab.Router({"system": {"workers": workers}}, introduce=False)
        for port in self.router.ports.values():
            port.become_host()
        self.back = self.router.wan.namespace
        for address in [*BACKENDS[1:], *(f"198.18.1.{20 + i}" for i in range(len(NOT_WELL)))]:
            lab.sh("ip", "-n", self.back.name, "addr", "add", f"{address}/24", "dev",
                   self.router.wan.iface)
        self.servers, self.applies = {}, 0

    def stop(self):
        for address in list(self.servers):
            self.end(address)
        self.router.stop()

    def serve(self, address, answer, port=80):
        self.servers[address] = server = Server(self.back, address, port, answer)
        return server

    def end(self, address):
        self.servers.pop(address).stop()

    def clear(self):
        for address in list(self.servers):
            self.end(address)
        self.router.apply({})

    def balance(self, check, backends=BACKENDS, **options):
        """The service in force, of a name of its own: what is said of others is not about it."""
        self.applies += 1
        self.name = f"shop{self.applies}"
        service = {"address": VIP, "port": 80, "scheduler": "round-robin",
                   "backends": [b if isinstance(b, dict) else {"address": b} for b in backends],
                   **options}
        if check:
            service["check"] = {**QUICK, **check}
        self.router.apply({"balancers": {"services": {self.name: service}}})

    def told(self, address):
        """What was said of a backend's states, in order: "up", "down: connection refused"."""
        return re.findall(rf"service {self.name}: backend {address}(?::\d+)? is (.*)",
                          self.router.log.read_text())

    def await_told(self, address, *states, seconds=10):
        self.router.wait_until(lambda: self.told(address) == list(states), seconds,
                               f"{address} of {self.name}: {states}")

    def who_answers(self, times=12):
        """The bodies of so many requests to the service; None for one that was refused."""
        return [self.get() for _ in range(times)]

    def get(self):
        with self.router.lan.namespace.entered():
            s = socket.socket()
        with s:
            s.settimeout(5)
            try:
                s.connect((VIP, 80))
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                text = b""
                while piece := s.recv(4096):
                    text += piece
            except ConnectionError:
                return None
        return text.partition(b"\r\n\r\n")[2].decode()


@pytest.fixture(scope="module", params=[1, 2] if lab.SOAK else [2])
def whole_site(request):
    site = Site(request.param)
    yield site
    site.stop()


@pytest.fixture
def site(whole_site):
    yield whole_site
    whole_site.clear()


@pytest.mark.parametrize("check", [
    {"kind": "tcp"},
    {"kind": "http", "path": "/health?x=1", "host": "shop.example", "body": "I am 198.18.1"},
])
def test_a_backend_dies_and_comes_back(site, check):
    servers = [site.serve(b, says(page(f"I am {b}"))) for b in BACKENDS]
    site.balance(check)
    for b in BACKENDS:
        site.await_told(b, "up")
    assert set(site.who_answers()) == {f"I am {b}" for b in BACKENDS}
    if check["kind"] == "http":
        head = next(head for peer, head in servers[0].asked if peer == "198.18.1.254")
        assert head.startswith(b"GET /health?x=1 HTTP/1.1\r\nHost: shop.example\r\n")
        assert b"\r\nConnection: close\r\n" in head
    site.end(BACKENDS[1])
    site.await_told(BACKENDS[1], "up", "down: connection refused")
    assert set(site.who_answers()) == {f"I am {b}" for b in (BACKENDS[0], BACKENDS[2])}
    site.serve(BACKENDS[1], says(page(f"I am {BACKENDS[1]}")))
    site.await_told(BACKENDS[1], "up", "down: connection refused", "up")
    assert set(site.who_answers()) == {f"I am {b}" for b in BACKENDS}


NOT_WELL = [
    (hangs, "timed out"),
    (says(b"", keep=True), "timed out"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Le", keep=True), "timed out"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nwe", keep=True), "timed out"),
    (says(b"HTTP/1.1 200"), "closed before it had answered"),
    (says(page("well", "503 Service Unavailable")), "status 503"),
    (says(page("well", "302 Found")), "status 302"),
    (says(page("ill")), "body without the text"),
    (says(b"HTTP/1.0 200 OK\r\n\r\nill"), "body without the text"),
    (says(b"SSH-2.0-x\r\n"), "no answer that can be read"),
    (lambda c: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
     or c.close(), "connection reset"),
]


def test_what_is_not_well(site):
    sick = {f"198.18.1.{20 + i}": case for i, case in enumerate(NOT_WELL)}
    for address, (answer, _) in sick.items():
        site.serve(address, answer)
    site.serve(BACKENDS[0], says(page("well")))
    site.balance({"kind": "http", "body": "well"}, [BACKENDS[0], *sick])
    site.await_told(BACKENDS[0], "up")
    for address, (_, why) in sick.items():
        site.await_told(address, f"down: {why}")
    assert site.who_answers(4) == ["well"] * 4


def test_pieces_and_chunks(site):
    """A body that comes chunk by chunk, in many segments."""
    def answer(connection):
        says(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
             keep=True)(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"3\r\nI a", b"\r\n2;x=y\r\n", b"m \r\n3\r\nwel\r\n1\r\n", b"l\r\n0\r\n\r\n"):
            connection.sendall(piece)
        connection.close()

    site.serve(BACKENDS[0], answer)
    site.balance({"kind": "http", "body": "I am well"}, BACKENDS[:1])
    site.await_told(BACKENDS[0], "up")


def test_ping(site):
    site.balance({"kind": "icmp"}, [*BACKENDS, "198.18.1.77"], port="any")
    for b in BACKENDS:
        site.await_told(b, "up")
    site.await_told("198.18.1.77", "down: timed out")
    lab.sh("ip", "-n", site.back.name, "addr", "del", f"{BACKENDS[2]}/24", "dev",
           site.router.wan.iface)
    try:
        site.await_told(BACKENDS[2], "up", "down: timed out")
    finally:
        lab.sh("ip", "-n", site.back.name, "addr", "add", f"{BACKENDS[2]}/24", "dev",
               site.router.wan.iface)
    site.await_told(BACKENDS[2], "up", "down: timed out", "up")


class Names:
    """A name server at a backend's address: `answer` makes of a query what it says, if anything."""

    def __init__(self, namespace, address, answer):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.socket.settimeout(0.05)  # to see the end
        self.answer, self.ends = answer, False
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while not self.ends:
            with contextlib.suppress(TimeoutError):
                query, peer = self.socket.recvfrom(512)
                for text in self.answer(query):
                    self.socket.sendto(text, peer)

    def stop(self):
        self.ends = True
        self.thread.join()
        self.socket.close()


def response(query, rcode=0, tail=b""):
    """To this query, as a server sends it: its id and question, and letters in another case."""
    assert query[2:12] == struct.pack("!5H", 0x0100, 1, 0, 0, 0) and query[-4:] == b"\0\1\0\1"
    return query[:2] + struct.pack("!5H", 0x8180 | rcode, 1, 0, 0, 0) + query[12:].upper() + tail


ANSWERS = [
    (lambda q: [response(q)], "up"),
    (lambda q: [response(q, tail=b"x" * 900)], "up"),
    (lambda q: [b"", b"\0" * 600, q, response(b"\0\0" + q[2:]), response(q)], "up"),
    (lambda q: [response(q, 3)], "down: rcode 3"),
    (lambda q: [response(q, 5)], "down: rcode 5"),
    (lambda q: [response(q)[:-1], q], "down: timed out"),
    (lambda q: [], "down: timed out"),
]


def test_dns(site):
    servers = {f"198.18.1.{20 + i}": case for i, case in enumerate(ANSWERS)}
    names = [Names(site.back, address, answer) for address, (answer, _) in servers.items()]
    try:
        site.balance({"kind": "dns", "host": "shop.example"}, servers, protocol="udp", port=53)
        for address, (_, state) in servers.items():
            site.await_told(address, state)
    finally:
        for name in names:
            name.stop()


def test_dns_is_refused(site):
    """Nobody has the port: so says ICMP, which Linux would not say to every query."""
    site.back.run("sysctl", "-w", "net.ipv4.icmp_ratemask=0")
    site.balance({"kind": "dns", "host": "x"}, BACKENDS[:1], protocol="udp", port=53)
    site.await_told(BACKENDS[0], "down: connection refused")


def test_a_hang_costs_its_own_time_alone(site):
    """Two that say nothing, for longer than the good one's checks take: that is asked on time."""
    good = site.serve(BACKENDS[0], says(page("well")))
    for b in BACKENDS[1:]:
        site.serve(b, hangs)
    site.balance({"kind": "http", "interval": "200ms", "timeout": "200ms"})
    site.await_told(BACKENDS[0], "up")
    for b in BACKENDS[1:]:
        site.await_told(b, "down: timed out")
    before = len(good.asked)
    site.router.wait_until(lambda: len(good.asked) >= before + 5, 10, "five more checks")
    assert site.told(BACKENDS[0]) == ["up"]


def test_passive(site):
    """No check at all: what clients' flows meet takes a backend out for a while."""
    for b in BACKENDS[1:]:
        site.serve(b, says(page("well")))
    site.balance(None, passive_fails=3, passive_hold="1s")
    site.who_answers(12)
    site.router.wait_until(
        lambda: any(s.endswith("flows in a row refused") for s in site.told(BACKENDS[0])), 5, "down")
    assert site.who_answers(6) == ["well"] * 6
    site.serve(BACKENDS[0], says(page("well")))
    site.router.wait_until(lambda: site.told(BACKENDS[0])[-1] == "not known to be up", 10, "again")


def test_nobody_is_up(site):
    """A client is refused at once, by reset or ICMP, and that is counted."""
    site.balance({"kind": "tcp"})
    for b in BACKENDS:
        site.await_told(b, "down: connection refused")
    before = site.router.drops().get("LB_NO_BACKEND", 0)
    assert site.who_answers(3) == [None] * 3
    assert site.router.drops()["LB_NO_BACKEND"] == before + 3
    site.balance({"kind": "icmp"}, ["198.18.1.77"], protocol="udp", port=53)
    site.await_told("198.18.1.77", "down: timed out")
    with site.router.lan.namespace.entered(), \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((VIP, 53))
        s.send(b"anything")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)


def test_a_drain_ends(site):
    """What is left of a draining backend's flows is reset when its time is over."""
    site.serve(BACKENDS[0], says(b"first", keep=True))
    site.serve(BACKENDS[1], says(page("second")))
    site.balance(None, BACKENDS[:1], drain="1s")
    with site.router.lan.namespace.entered():
        s = socket.create_connection((VIP, 80), timeout=10)
    with s:
        s.sendall(b"x\r\n\r\n")
        assert s.recv(100) == b"first"
        name, site.applies = site.name, site.applies - 1
        site.balance(None, [{"address": BACKENDS[0], "state": "drain"}, BACKENDS[1]], drain="1s")
        assert site.name == name
        assert site.who_answers(3) == ["second"] * 3
        before = site.router.drops().get("LB_BACKEND_GONE", 0)
        with pytest.raises(ConnectionResetError):
            for _ in range(100 * lab.SLOW):
                s.sendall(b"y")
                s.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    s.recv(100)
        assert site.router.drops()["LB_BACKEND_GONE"] > before


def test_nginx_is_killed(site):
    """Once that is noticed, not one request goes there; and it is again one of three."""
    with contextlib.ExitStack() as stack:
        nginx = {b: stack.enter_context(run_nginx(site.back, b)) for b in BACKENDS}
        site.balance({"kind": "http", "body": "nginx"})
        for b in BACKENDS:
            site.await_told(b, "up")
        nginx[BACKENDS[1]].kill()
        nginx[BACKENDS[1]].wait()
        site.await_told(BACKENDS[1], "up", "down: connection refused")
        row = next(r for r in site.router.ctl("show", "backends") if r["address"] == BACKENDS[1])
        assert row["health"] == "down" and row["last_failure"] == "connection refused"
        assert row["checks"] > row["checks_failed"] >= 3 and row["latency_us"] > 0
        bodies = site.who_answers(60)
        assert all(body and "nginx" in body for body in bodies), bodies
        stack.enter_context(run_nginx(site.back, BACKENDS[1]))
        site.await_told(BACKENDS[1], "up", "down: connection refused", "up")


@contextlib.contextmanager
def run_nginx(namespace, address):
    """One process, in the foreground, that shows its welcome."""
    with tempfile.TemporaryDirectory(prefix="mrt-nginx-") as folder:
        conf = Path(folder, "conf")
        conf.write_text(f"""daemon off; master_process off; user root; pid {folder}/pid;
            error_log {folder}/error; events {{}}
            http {{ access_log off; server {{ listen {address}:80;
                   location / {{ return 200 "nginx at {address}\\n"; }} }} }}""")
        with namespace.running("nginx", "-e", f"{folder}/error", "-c", conf) as program:
            yield program
