# SPDX-License-Identifier: BSD-3-Clause
"""millrace with its socket service, the library, and the kernel's sockets as peers: fixtures."""
import errno
import hashlib
import socket
import threading

import pytest

from support import lab, mrs

US, PEER = "198.18.0.254", "198.18.0.1"
ECHO = 7


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def host(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("sockets") / "s"
    router = lab.Router({
        "system": {"workers": request.param, "socket_service": str(path)},
        "services": {"echo": {"kind": "tcp-echo", "listen": f"0.0.0.0:{ECHO}"},
                     "uecho": {"kind": "udp-echo", "listen": f"0.0.0.0:{ECHO}"}}},
        introduce=False)
    router.sockets = path
    for port in router.ports.values():
        port.become_host()
    yield router
    router.stop()


@pytest.fixture(scope="module")
def mr(host):
    return mrs.Library(host.sockets)


@pytest.fixture
def kernel(host):
    """Makes the kernel's sockets in the peer's namespace; closes them at the end."""
    made = []

    def make(kind=socket.SOCK_STREAM, bound=None, listening=False):
        with host.lan.namespace.entered():
            s = socket.socket(socket.AF_INET, kind)
        made.append(s)
        s.settimeout(20 * lab.SLOW)
        if bound is not None or listening:
            s.bind((PEER, bound or 0))
        if listening:
            s.listen(64)
        return s

    yield make
    for s in made:
        s.close()


@pytest.fixture
def pair(mr, kernel):
    """A socket of ours, connected to one of the kernel's; (ours, the kernel's)."""
    listener = kernel(listening=True)
    ours = mr.socket().connect(*listener.getsockname())
    theirs, _ = listener.accept()
    theirs.settimeout(20 * lab.SLOW)
    yield ours, theirs
    theirs.close()
    try:
        ours.close()
    except OSError as e:
        assert e.errno == errno.EBADF  # the test has closed it


@pytest.fixture
def accepted(mr, kernel):
    """The same, and ours is the server."""
    listener = mr.socket().bind(US, 0).listen()
    theirs = kernel()
    theirs.connect(listener.name())
    ours, name = listener.accept()
    assert name == theirs.getsockname() and ours.name() == theirs.getpeername()
    listener.close()
    yield ours, theirs
    ours.close()


def pattern(size, seed=1):
    return (hashlib.shake_256(bytes([seed])).digest(65536) * (size // 65536 + 1))[:size]


def in_thread(function, *args):
    """Runs it meanwhile; the returned function waits for its result."""
    got = {}

    def run():
        try:
            got["value"] = function(*args)
        except OSError as e:
            got["error"] = e

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(30 * lab.SLOW)
        assert not thread.is_alive(), "still waits"
        if "error" in got:
            raise got["error"]
        return got["value"]

    return result


def read_all(s):
    return b"".join(iter(lambda: s.recv(1 << 16), b""))


def connections(host):
    return [c for c in host.ctl("show", "connections")["connections"]
            if c["state"] != "TIME_WAIT"]


def await_no_connections(host):
    host.wait_until(lambda: not connections(host), 10, "no connection is left")
