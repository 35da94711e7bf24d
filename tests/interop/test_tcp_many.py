# SPDX-License-Identifier: BSD-3-Clause
"""Many connections: at once, and one after the other; nothing is left of them."""
import re
import resource
import select
import socket
import time
from pathlib import Path

import pytest

from support import clients, lab
from support.clients import ECHO, ROUTER, connections

MANY = 10_000
TURNS = 100_000 if lab.SOAK else 5_000
QUEUES = {"system": {"workers": 2}, "ports": {"lan": {"queues": 1}}}


@pytest.fixture(scope="module", params=[{}, QUEUES], ids=["1 worker", "2 workers, 1 queue"])
def host(request):
    router = clients.kernel_router(request.param)
    with router.lan.namespace.entered():  # ports may serve again, while the closer remembers them
        Path("/proc/sys/net/ipv4/tcp_tw_reuse").write_text("1")
    yield router
    router.stop()


@pytest.fixture
def enough_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, MANY + 1000), max(hard, MANY + 1000)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident_kib(router):
    status = Path(f"/proc/{router.daemon.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


def all_at_once(sockets, event, act, seconds=120):
    """Calls act(socket) for each when the event comes to it, until act says that it is done."""
    poll, left = select.epoll(), {s.fileno(): s for s in sockets}
    for fd in left:
        poll.register(fd, event)
    deadline = time.monotonic() + seconds * lab.SLOW
    while left:
        assert time.monotonic() < deadline, f"{len(left)} sockets are not done"
        for fd, _ in poll.poll(1):
            if act(left[fd]):
                poll.unregister(fd)
                del left[fd]
    poll.close()


def is_connected(s):
    error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert error == 0, error
    return True


def begin(namespace, n):
    """n sockets that are connected, all of them."""
    with namespace.entered():
        sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.setblocking(False)
        s.connect_ex((ROUTER, ECHO))
    all_at_once(sockets, select.EPOLLOUT, is_connected)
    return sockets


def echo_each(sockets, word):
    """Each gets its own words back."""
    expected, came = {}, {}
    for n, s in enumerate(sockets):
        expected[s] = b"%s %d" % (word, n) * 3
        s.send(expected[s])

    def take(s):
        came[s] = came.get(s, b"") + s.recv(4096)
        return len(came[s]) >= len(expected[s])

    all_at_once(sockets, select.EPOLLIN, take)
    assert came == expected


def home_of(router):
    """Which worker each client's port is on; a port that two workers know is an error."""
    rows = connections(router, "limit", str(MANY), "state", "ESTABLISHED")
    home = {row["remote"]: row["worker"] for row in rows}
    assert len(home) == len(rows)
    return home


def test_open_at_once(host, enough_files, figure, request):
    """Each echoes, twice; each is on one worker, all its life; then nothing is left of them."""
    before = resident_kib(host)
    sockets = begin(host.lan.namespace, MANY)
    echo_each(sockets, b"first")
    during = resident_kib(host)
    home = home_of(host)
    assert len(home) == MANY
    workers = host.conf["system"]["workers"]
    assert set(home.values()) == set(range(workers))
    echo_each(sockets, b"second")
    assert home_of(host) == home
    for s in sockets:
        s.shutdown(socket.SHUT_WR)
    all_at_once(sockets, select.EPOLLIN, lambda s: s.recv(4096) == b"")
    for s in sockets:
        s.close()
    clients.await_no_state(host)
    figure(f"memory of {MANY} connections ({request.node.callspec.id})",
           f"{before} KiB before, {during} with them, {resident_kib(host)} after")


def test_one_after_the_other(host, figure, request):
    """Connect, ask, close: the client first, so that it has the TIME_WAIT."""
    before, begun = host.counters(), time.monotonic()
    for n in range(TURNS):
        s = clients.connected(host.lan.namespace, ECHO)
        s.sendall(b"%d" % n)
        s.shutdown(socket.SHUT_WR)
        assert clients.read_all(s) == b"%d" % n
        s.close()
    rate = TURNS / (time.monotonic() - begun)
    clients.await_no_state(host)
    assert lab.moved(before, host.counters())["tcp_accepted"] == TURNS
    figure(f"connect, ask, close ({request.node.callspec.id})", f"{rate:.0f} a second")
