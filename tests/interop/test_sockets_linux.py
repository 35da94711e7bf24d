# SPDX-License-Identifier: BSD-3-Clause
"""What a program sees of its sockets, held against Linux: the same steps on ours and the kernel's.

Each case is a function of a local socket and its peer that returns what it saw.
"""
import errno
import os
import select
import socket
import struct

import pytest

from support import lab, mrs
from support.socket_lab import (  # noqa: F401: fixtures, too
    PEER, US, connections, host, in_thread, kernel, mr)

ALL = mrs.POLLIN | mrs.POLLPRI | mrs.POLLOUT | mrs.POLLRDHUP
NAMES = {n: getattr(mrs, n) for n in dir(mrs) if n.startswith("POLL") and n != "POLLfd"
         and isinstance(getattr(mrs, n), int)}
RESET = struct.pack("ii", 1, 0)
PATIENCE_MS = 20000 * lab.SLOW


class Ours:
    """A socket of millrace."""

    def __init__(self, mr, s=None):
        self.mr, self.s = mr, s or mr.socket()

    def poll(self, events, timeout_ms=0):
        return self.mr.poll({self.s: events}, timeout_ms).get(self.s, 0)

    def peer(self):
        return self.s.name("getpeername")

    def error(self):
        return self.s.get(socket.SOL_SOCKET, socket.SO_ERROR)

    def set(self, *option):
        self.s.set(*option)

    def nonblock(self):
        self.s.nonblock()

    def connect(self, *name):
        self.s.connect(*name)

    def listen_at(self):
        self.s.bind(US, 0).listen()
        return self.s.name()

    def accept(self):
        return Ours(self.mr, self.s.accept()[0])

    def __getattr__(self, name):  # connect, recv, send, shutdown, close
        return getattr(self.s, name)


class Linux(Ours):
    """The kernel's, with the same calls."""

    def __init__(self, kernel, s=None):
        self.kernel, self.s = kernel, s or kernel()
        self.s.settimeout(None)  # or Python waits where the call would not

    def poll(self, events, timeout_ms=0):
        p = select.poll()
        p.register(self.s, events)
        got = p.poll(timeout_ms)
        return got[0][1] if got else 0

    def peer(self):
        return self.s.getpeername()

    def error(self):
        return self.s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def set(self, *option):
        self.s.setsockopt(*option)

    def nonblock(self):
        self.s.setblocking(False)

    def connect(self, *name):
        self.s.connect(name)

    def listen_at(self):
        self.s.bind((PEER, 0))
        self.s.listen(16)
        return self.s.getsockname()

    def accept(self):
        return Linux(self.kernel, self.s.accept()[0])


def tried(function, *args):
    """What came of a call: its result, or the error's name."""
    try:
        return function(*args)
    except OSError as e:
        return errno.errorcode[e.errno]


def ready(s, events=ALL):
    got = s.poll(events)
    return sorted(n for n, bit in NAMES.items() if got & bit)


def send(s, data=b"x"):
    return tried(s.send, data, socket.MSG_NOSIGNAL)


def recv(s, size=100, flags=socket.MSG_DONTWAIT):
    return tried(s.recv, size, flags)


def all_of(s):
    """Everything that can be asked at once."""
    return [ready(s), recv(s), recv(s), ready(s), send(s), ready(s), s.error(), ready(s),
            tried(s.shutdown, socket.SHUT_RDWR), isinstance(tried(s.peer), str)]


# --- the cases: (a local socket, its peer's), connected ---

def idle(s, _):
    return [ready(s), recv(s), recv(s, 0, 0), s.error()]


def half_closed_by_the_peer(s, peer):
    peer.shutdown(socket.SHUT_WR)
    s.poll(mrs.POLLRDHUP, PATIENCE_MS)
    return [ready(s), recv(s), send(s), ready(s), s.error(), tried(s.shutdown, socket.SHUT_WR),
            ready(s), recv(s)]


def reset(s, peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()
    s.poll(0, PATIENCE_MS)


def reset_by_the_peer(s, peer):
    reset(s, peer)
    return all_of(s)


def reset_and_sent_first(s, peer):
    reset(s, peer)
    return [send(s), send(s), recv(s), ready(s)]


def reset_behind_data(s, peer):
    peer.sendall(b"unread")
    s.poll(mrs.POLLIN, PATIENCE_MS)
    reset(s, peer)
    return all_of(s)


def reset_after_its_fin(s, peer):
    peer.shutdown(socket.SHUT_WR)
    s.poll(mrs.POLLRDHUP, PATIENCE_MS)
    reset(s, peer)
    return all_of(s)


def shut_for_reading(s, peer):
    s.shutdown(socket.SHUT_RD)
    saw = [ready(s), recv(s, flags=0)]
    peer.sendall(b"late")
    while (got := recv(s)) in (b"", "EAGAIN"):
        s.poll(mrs.POLLIN, 10)
    return saw + [got, recv(s), send(s), ready(s), s.error()]


def shut_for_writing(s, peer):
    s.shutdown(socket.SHUT_WR)
    saw = [ready(s), send(s), recv(s), peer.recv(1), tried(s.shutdown, socket.SHUT_WR)]
    peer.sendall(b"still")
    s.poll(mrs.POLLIN, PATIENCE_MS)
    saw += [ready(s), recv(s)]
    peer.close()
    s.poll(mrs.POLLRDHUP, PATIENCE_MS)
    return saw + all_of(s)


def shut_for_both(s, peer):
    s.shutdown(socket.SHUT_RDWR)
    saw = [ready(s), recv(s), send(s)]
    peer.close()
    return saw + [recv(s), send(s), s.error()]


def peeked(s, peer):
    peer.sendall(b"abcdef")
    s.poll(mrs.POLLIN, PATIENCE_MS)
    return [recv(s, 3, socket.MSG_PEEK), recv(s, 6, socket.MSG_PEEK | socket.MSG_WAITALL),
            recv(s, 4, socket.MSG_WAITALL), recv(s, 100, socket.MSG_WAITALL | socket.MSG_DONTWAIT),
            recv(s, 1, socket.MSG_WAITALL | socket.MSG_DONTWAIT)]


def waits_for_all_until_the_end(s, peer):
    peer.sendall(b"abc")
    peer.shutdown(socket.SHUT_WR)
    return [recv(s, 100, socket.MSG_WAITALL), recv(s, 100, socket.MSG_WAITALL)]


CASES = [idle, half_closed_by_the_peer, reset_by_the_peer, reset_and_sent_first, reset_behind_data,
         reset_after_its_fin, shut_for_reading, shut_for_writing, shut_for_both, peeked,
         waits_for_all_until_the_end]


@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_connected(mr, kernel, case, server):
    saw = []
    for make in lambda: Ours(mr), lambda: Linux(kernel):
        s = make()
        if server:
            listener, peer = s, kernel()
            peer.connect(listener.listen_at())
            s = listener.accept()
        else:
            other = kernel(listening=True)
            s.connect(*other.getsockname())
            peer, _ = other.accept()
        peer.settimeout(20 * lab.SLOW)
        saw.append(case(s, peer))
        peer.close()
        s.close()
    assert saw[0] == saw[1]


# --- those that are not connected ---

def fresh(s, _):
    return all_of(s)


def refused(s, kernel):
    s.nonblock()
    began = tried(s.connect, *kernel(bound=0).getsockname())
    s.poll(0, PATIENCE_MS)
    return [began] + all_of(s)


def refused_and_connected_again(s, kernel):
    there = kernel(bound=0)
    s.nonblock()
    tried(s.connect, *there.getsockname())
    s.poll(0, PATIENCE_MS)
    saw = [tried(s.connect, *there.getsockname()), s.error()]
    there.listen()
    tried(s.connect, *there.getsockname())
    s.poll(mrs.POLLOUT, PATIENCE_MS)
    return saw + [s.error(), ready(s), tried(s.connect, *there.getsockname())]


def listening(s, _):
    s.listen_at()
    return [ready(s), recv(s), send(s), tried(s.connect, PEER, 1), s.error(),
            isinstance(tried(s.peer), str)]


def listener_shut(s, _):
    """As threads that accept are woken."""
    s.listen_at()
    result = in_thread(tried, s.accept)
    return [tried(s.shutdown, socket.SHUT_RDWR), result(), tried(s.accept)]


@pytest.mark.parametrize("case", [fresh, refused, refused_and_connected_again, listening,
                                  listener_shut], ids=lambda c: c.__name__)
def test_unconnected(mr, kernel, case):
    saw = []
    for s in Ours(mr), Linux(kernel):
        saw.append(case(s, kernel))
        s.close()
    assert saw[0] == saw[1]


# --- the wire is cut: nothing is answered any more ---

@pytest.fixture
def cut(host):
    """Cuts the wire, and mends it at the end or when it is called with False."""
    peer = host.lan.namespace.name

    def set_(down=True):
        lab.sh("ip", "-n", peer, "link", "set", host.lan.iface, "down" if down else "up")
        if not down:
            host.wait_until(host.ready, 20, "the link is up")

    yield set_
    set_(False)


@pytest.fixture
def pair(mr, kernel):
    listener = kernel(listening=True)
    ours = mr.socket().connect(*listener.getsockname())
    theirs, _ = listener.accept()
    return ours, theirs


def dies_of(ours, error):
    assert ours.library.poll({ours: mrs.POLLIN}, PATIENCE_MS)[ours] & mrs.POLLERR
    mrs.fails_with(error, ours.recv, 1)
    ours.close()


def test_user_timeout(pair, cut):
    ours, _ = pair
    ours.set(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500)
    cut()
    ours.send(b"nobody hears")
    dies_of(ours, errno.ETIMEDOUT)


def test_keepalive(pair, cut):
    ours, _ = pair
    for option in socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT:
        ours.set(socket.IPPROTO_TCP, option, 1)
    ours.set(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    cut()
    dies_of(ours, errno.ETIMEDOUT)


def test_simultaneous_close(host, pair, cut):
    """Each FIN is on its way before the other's is seen: both ends come to TIME_WAIT."""
    ours, theirs = pair
    name = theirs.getsockname()
    cut()
    ours.shutdown()
    theirs.shutdown(socket.SHUT_WR)
    cut(False)
    assert ours.recv(1) == b"" and theirs.recv(1) == b""

    def waits():
        at_home = [c["state"] for c in host.ctl("show", "connections")["connections"]
                   if c["remote"] == f"{name[0]}:{name[1]}"]
        there = host.lan.namespace.run("ss", "-tanH", "sport", "=", str(name[1])).stdout
        return at_home == ["TIME_WAIT"] and "TIME-WAIT" in there

    host.wait_until(waits, 20, "both ends wait")
    ours.close()
    theirs.close()


def test_silent_host(mr):
    """That nobody answers for the address is no reason to give up (RFC 1122 4.2.3.9); time is."""
    s = mr.socket().set(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500)
    mrs.fails_with(errno.ETIMEDOUT, s.connect, "198.18.0.77", 80)
    s.close()
