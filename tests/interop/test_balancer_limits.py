# SPDX-License-Identifier: BSD-3-Clause
"""Limits of virtual services with real clients: the SYN proxy, a flood beside them, full backends."""
import contextlib
import hashlib
import os
import socket
import socketserver
import sys
import threading

import pytest

from support import flood, lab

SYNS = 300_000 if lab.SOAK else 20_000
VIP, VPORT, BPORT = "198.18.0.100", 80, 8080
NOBODY = "198.18.64.0/18"  # whom a flood pretends to be: routed to where it comes from
PAGE = os.urandom(300_000)


class Backend(socketserver.ThreadingTCPServer):
    """Greets, then reads requests of a line: `get` is answered by PAGE, `put N` by a digest."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 4096

    def __init__(self, namespace, addr):
        super().__init__((addr, BPORT), None, bind_and_activate=False)
        self.socket.close()
        with namespace.entered():
            self.socket = socket.socket()
        self.server_bind()
        self.server_activate()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Clients of a flood come and go."""

    def finish_request(self, request, client_address):
        request.settimeout(60)
        request.sendall(b"hello\n")
        with request.makefile("rb") as lines:
            for line in lines:
                if line.startswith(b"get"):
                    request.sendall(b"%d\n" % len(PAGE) + PAGE)
                elif line.startswith(b"put"):
                    data = lines.read(int(line.split()[1]))
                    request.sendall(hashlib.md5(data).hexdigest().encode() + b"\n")

    def stop(self):
        self.shutdown()
        self.server_close()


@pytest.fixture(scope="module")
def site():
    router = lab.Router({"system": {"workers": 2, "limits": {"flows": 1000}},
                         "routes": [{"prefix": NOBODY, "via": "198.18.0.1"}]}, introduce=False)
    backends = []
    try:
        for port in router.ports.values():
            port.become_host()
        for i in range(3):
            addr = f"198.18.1.{11 + i}"
            lab.sh("ip", "-n", router.wan.namespace.name, "addr", "add", f"{addr}/32", "dev",
                   router.wan.iface)
            backends.append(Backend(router.wan.namespace, addr))
        yield router
        router.apply({})
    finally:
        for backend in backends:
            backend.stop()
        router.stop()


def shop(site, backend=None, vip=VIP, **service):
    """The service with these options is in force."""
    site.apply({"balancers": {"services": {"shop": {
        "address": vip, "port": VPORT, "scheduler": "round-robin", **service,
        "backends": [{"address": f"198.18.1.{11 + i}", "port": BPORT, **(backend or {})}
                     for i in range(3)]}}}})


@contextlib.contextmanager
def connected(site, vip=VIP):
    """A connection that has been greeted, and its file."""
    with site.lan.namespace.entered():
        s = socket.socket()
    with s:
        s.settimeout(60)
        s.connect((vip, VPORT))
        with s.makefile("rwb") as f:
            assert f.readline() == b"hello\n"
            yield f


def talk(f):
    """A page each way."""
    f.write(b"get\n")
    f.flush()
    assert f.read(int(f.readline())) == PAGE
    f.write(b"put %d\n" % len(PAGE) + PAGE)
    f.flush()
    assert f.readline().decode().strip() == hashlib.md5(PAGE).hexdigest()


def test_syn_proxy(site):
    """Who speaks first does not matter, nor how much is said; both ends close in order."""
    shop(site, syn_proxy="always")
    before = site.counters()
    for _ in range(6):
        with connected(site) as f:
            talk(f)
            talk(f)
    moved = lab.moved(before, site.counters())
    assert moved["lb_proxied"] >= 6 and "lb_proxy_failed" not in moved, moved
    site.check_books()


@pytest.mark.parametrize("mode", ["always", "auto"])
def test_curl_through_the_syn_proxy(site, mode, tmp_path):
    """A real client and a real server of HTTP, which know nothing of it."""
    (tmp_path / "page").write_bytes(PAGE)
    shop(site, syn_proxy=mode, syn_rate=1, backend={"port": 8088})
    before, words = site.counters(), ["-B", "-m", "http.server", "-d", tmp_path, "8088"]
    with site.wan.namespace.running(sys.executable, *map(str, words)):
        site.wait_until(lambda: "8088" in site.wan.namespace.run("ss", "-Hltn").stdout, 30,
                        "the server listens")
        for _ in range(9):
            done = site.lan.namespace.run("curl", "-sS", "-m", 60, "-o", "/dev/stdout",
                                          f"http://{VIP}/page", text=False)
            assert done.returncode == 0 and done.stdout == PAGE, done.stderr
    assert lab.moved(before, site.counters())["lb_proxied"] >= (9 if mode == "always" else 1)
    site.check_books()


def test_a_backend_that_refuses(site):
    shop(site, syn_proxy="always", backend={"port": 8099})
    with pytest.raises(ConnectionResetError), connected(site):
        pass


@pytest.mark.parametrize("mode", ["off", "auto", "always"])
def test_syn_flood(site, figure, mode):
    """In a table of 1,000 flows every honest connection succeeds, and what was before goes on."""
    shop(site, syn_proxy=mode, syn_rate=500)
    before = site.counters()
    words = [sys.executable, "-B", flood.__file__, "flood", SYNS, site.lan.iface, site.lan.mac,
             site.lan.router_mac, VIP, VPORT, NOBODY]
    what = "lb_flows_displaced" if mode == "off" else "lb_cookies_sent"
    done = 0
    with connected(site) as old:
        talk(old)
        with site.lan.namespace.running(*map(str, words)) as attack:
            site.wait_until(lambda: site.counters()[what] > before[what], 60, what)
            while done < 10 or (attack.poll() is None and done < 1000):
                with connected(site) as f:
                    talk(f)
                done += 1
            lost = int(attack.stdout.read())
        talk(old)
    moved = lab.moved(before, site.counters())
    assert moved[what] > 1000, moved
    figure(f"{SYNS} SYNs at a service, SYN proxy {mode}",
           f"{lost} not taken by the TAP, {done} honest connections, "
           f"{moved.get('lb_cookies_sent', 0)} cookies, "
           f"{moved.get('lb_flows_displaced', 0)} flows displaced")
    site.check_books()


def patiently(site, vip):
    """A connection as `connected` has it, by SYNs that come again soon and from another port."""
    for _ in range(60):
        with site.lan.namespace.entered():
            s = socket.socket()
        s.settimeout(1)
        try:
            s.connect((vip, VPORT))
        except TimeoutError:
            s.close()
            continue
        s.settimeout(60)
        f = s.makefile("rwb")
        assert f.readline() == b"hello\n"
        return s, f
    raise AssertionError((site.drops(), site.ctl("show", "flows")))


def test_full_backends(site):
    """Three backends with two each: nobody else gets in until one has gone."""
    vip = "198.18.0.101"  # nobody has flows there
    shop(site, vip=vip, backend={"max_flows": 2})
    held = [patiently(site, vip) for _ in range(6)]
    dropped = site.drops().get("LB_LIMIT", 0)
    with site.lan.namespace.entered():
        seventh = socket.socket()
    seventh.settimeout(2)
    with pytest.raises(TimeoutError):
        seventh.connect((vip, VPORT))
    seventh.close()
    assert site.drops()["LB_LIMIT"] > dropped
    for s, f in held[:1]:
        f.close()
        s.close()
    held.append(patiently(site, vip))
    for s, f in held[1:]:
        talk(f)
        f.close()
        s.close()


def test_acl(site):
    """Whom the list does not let in hears nothing; whom an apply shuts out loses what he has."""
    shop(site)
    with connected(site) as f:
        talk(f)
        shop(site, acl=[{"prefix": "198.18.0.0/24"}, {"prefix": "198.18.0.1/32", "allow": False}])
        site.wait_until(lambda: not site.ctl("show", "flows")["flows"], 60, "its flow is gone")
        dropped = site.drops().get("LB_ACL", 0)
        f.write(b"get\n")
        f.flush()
        site.wait_until(lambda: site.drops().get("LB_ACL", 0) > dropped, 30, "it is dropped")
        shop(site, acl=[{"prefix": "198.18.0.0/24"}])
        with connected(site) as other:
            talk(other)
