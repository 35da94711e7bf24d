# SPDX-License-Identifier: BSD-3-Clause
"""curl through full NAT and masquerade, to a server that says from where it was asked."""
import concurrent.futures
import socketserver
import threading

import pytest

from support import lab

VIP, POOL, OWN = "198.18.0.100", "198.18.1.110", "198.18.1.254"
SERVER = "198.18.1.1"

CONFIG = {
    "system": {"workers": 2},
    "balancers": {
        "pools": {"inner": {"addresses": [POOL]}},
        "services": {"web": {"address": VIP, "port": 80, "mode": "full-nat", "pool": "inner",
                             "backends": [{"address": SERVER, "port": 8080}]}},
        "masquerades": {"home": {"inside": "198.18.0.0/24", "out": "wan"}},
    },
}


class Teller(socketserver.StreamRequestHandler):
    """Answers any request with its sender's address, some data, and a close."""

    def handle(self):
        while self.rfile.readline().strip():
            pass
        body = f"{self.client_address[0]}\n".encode() + b"x" * 100_000
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                         % len(body) + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 256


@pytest.fixture(scope="module")
def site():
    router = lab.Router(CONFIG, introduce=False)
    for port in router.ports.values():
        port.become_host()
    wan = router.wan.namespace
    # what is not translated finds no way back
    lab.sh("ip", "-n", wan.name, "route", "del", "default")
    with wan.entered():
        server = Server((SERVER, 8080), Teller)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield router
    server.shutdown()
    server.server_close()
    router.stop()


def asked_from(site, url):
    done = site.lan.namespace.run("curl", "-sS", "--max-time", "20", url)
    address, data = done.stdout.split("\n", 1)
    assert len(data) == 100_000
    return address


@pytest.mark.parametrize("url, address", [(f"http://{VIP}/", POOL),
                                          (f"http://{SERVER}:8080/", OWN)])
def test_curl(site, url, address):
    before = site.drops()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: asked_from(site, url), range(60)))
    assert seen == [address] * 60
    came = lab.moved(before, site.drops())
    assert not any(name.startswith("LB_") for name in came), came
    site.check_books()


def test_ping_and_traceroute(site):
    """Echoes by id, and the errors that a traceroute lives on."""
    ping = site.lan.namespace.run("ping", "-c", "5", "-i", "0.2", "-W", "10", SERVER)
    assert "5 received" in ping.stdout
    trace = site.lan.namespace.run("traceroute", "-n", "-w", "5", "-q", "1", "-m", "4", SERVER)
    hops = [line.split()[1] for line in trace.stdout.splitlines()[1:]]
    assert hops == ["198.18.0.254", SERVER], trace.stdout
    site.check_books()
