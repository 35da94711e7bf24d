# SPDX-License-Identifier: BSD-3-Clause
"""Listeners come and go ten times a second: no connection notices whose service stays."""
import threading

import pytest

from support import clients, lab
from support.clients import DISCARD, ECHO

APPLIES = 1000 if lab.SOAK else 40
COMING, MOVING = 1000, 1007


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def host(request):
    router = clients.kernel_router({"system": {"workers": request.param}})
    yield router
    router.stop()


def services(turn):
    """What stays is in every one; twenty ports come and go, and one changes its service."""
    changing = {f"s{n}": {"kind": "tcp-echo", "listen": f"0.0.0.0:{COMING + 100 + n}"}
                for n in range(20) if (n + turn) % 3}
    changing["moving"] = {"kind": ("tcp-echo", "tcp-discard")[turn % 2],
                          "listen": f"0.0.0.0:{MOVING}"}
    changing["both"] = {"kind": ("tcp-echo", "udp-echo")[turn % 2], "listen": "198.18.0.254:1008"}
    return {"services": changing, "tcp": {"delayed_ack": f"{20 + turn % 3 * 10}ms"}}


class Work:
    """Threads that repeat something until they are told to end; what went wrong."""

    def __init__(self, *tasks):
        self.ended, self.errors, self.turns = threading.Event(), [], [0] * len(tasks)
        self.threads = [threading.Thread(target=self.repeat, args=(n, task))
                        for n, task in enumerate(tasks)]
        for thread in self.threads:
            thread.start()

    def repeat(self, n, task):
        try:
            while not self.ended.is_set():
                task()
                self.turns[n] += 1
        except Exception as error:
            self.errors.append(repr(error))

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors and all(self.turns), (self.errors, self.turns)


def test_no_connection_is_reset(host, connect):
    """New connections, one that lives through all of it, and one that sends all the time."""
    long, upload, data = connect(ECHO, timeout=60), connect(DISCARD, timeout=60), \
        clients.pattern(100_000)

    def short():
        with clients.connected(host.lan.namespace, ECHO, timeout=60) as s:
            assert clients.echo(s, data) == data

    def go_on():
        long.sendall(data[:10_000])
        assert clients.read_exactly(long, 10_000) == data[:10_000]

    before = host.counters()
    work = Work(short, go_on, lambda: upload.sendall(data))
    for turn in range(APPLIES):
        host.apply(services(turn))
        work.ended.wait(0.1)
    work.stop()
    upload.shutdown(1)
    assert upload.recv(1) == b""
    moved = lab.moved(before, host.counters())
    assert "tcp_resets_sent" not in moved, moved


def test_a_service_that_went_leaves_its_connections(host, connect):
    """Who connects afterwards is refused; who was there is served as long as he stays."""
    port = COMING + 100
    host.apply(services(1))
    host.wait_until(lambda: clients.listens(host.lan.namespace, port), 30, "the service is there")
    s = connect(port)
    s.sendall(b"served")
    assert clients.read_exactly(s, 6) == b"served"
    host.apply({})
    host.wait_until(lambda: not clients.listens(host.lan.namespace, port), 30,
                    "the service is gone")
    assert clients.echo(s, b"still served") == b"still served"
