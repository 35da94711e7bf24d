# SPDX-License-Identifier: BSD-3-Clause
"""Local programs on millrace's sockets, with the kernel's sockets as their peers.

The library is called as C programs call it. What POSIX and Linux say of each call is held against
the kernel's own socket at the other end.
"""
import errno
import select
import socket
import struct

import pytest

from support import lab, mrs
from support.mrs import fails_with
from support.socket_lab import (  # noqa: F401: fixtures, too
    ECHO, PEER, US, accepted, connections, host, in_thread, kernel, mr, pair, pattern, read_all)

SIZES = [0, 1, 65535, 65536, 65537, 16 << 20]


# --- streams ---

def both_ways(ours, theirs, size):
    there, back = pattern(size, 1), pattern(size, 2)
    jobs = [in_thread(read_all, theirs), in_thread(ours.recv_all),
            in_thread(lambda: (theirs.sendall(back), theirs.shutdown(socket.SHUT_WR)))]
    if size:
        assert ours.send(there) == size
    ours.shutdown()
    assert jobs[0]() == there and jobs[1]() == back
    jobs[2]()


@pytest.mark.parametrize("size", SIZES)
def test_both_ways_as_a_client(pair, size):
    both_ways(*pair, size)


@pytest.mark.parametrize("size", SIZES)
def test_both_ways_as_a_server(accepted, size):
    both_ways(*accepted, size)


def test_a_reader_that_sleeps(pair):
    """The window follows what the program has really read."""
    ours, theirs = pair
    data = pattern(8 << 20)
    job = in_thread(lambda: (theirs.sendall(data), theirs.shutdown(socket.SHUT_WR)))
    assert ours.recv(1) == data[:1]
    assert ours.recv_all() == data[1:]
    job()


def test_half_close_by_the_peer(pair):
    ours, theirs = pair
    theirs.shutdown(socket.SHUT_WR)
    assert ours.recv(10) == b""
    ours.send(b"still here")
    assert theirs.recv(100) == b"still here"


def test_peek_waitall_dontwait(pair):
    ours, theirs = pair
    fails_with(errno.EAGAIN, ours.recv, 10, socket.MSG_DONTWAIT)
    theirs.sendall(b"hello")
    assert ours.recv(3, socket.MSG_PEEK) == b"hel"
    assert ours.recv(10) == b"hello"
    job = in_thread(ours.recv_exactly, 300000)
    for _ in range(3):
        theirs.sendall(pattern(100000))
    assert job() == pattern(100000) * 3


def test_more_is_held_back(pair):
    ours, theirs = pair
    ours.send(b"one ", socket.MSG_MORE)
    ours.send(b"segment")
    assert theirs.recv(100) == b"one segment"


def test_fionread_and_outq(pair):
    ours, theirs = pair
    theirs.sendall(b"12345")
    assert ours.recv(1, socket.MSG_PEEK) == b"1"
    assert ours.count(mrs.FIONREAD) == 5
    ours.recv(2)
    assert ours.count(mrs.FIONREAD) == 3
    assert ours.count(mrs.SIOCOUTQ) == 0


def test_reset_by_the_peer(pair):
    ours, theirs = pair
    job = in_thread(ours.recv, 10)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    with pytest.raises(ConnectionResetError):
        job()
    assert ours.recv(10) == b""
    fails_with(errno.EPIPE, ours.send, b"x", socket.MSG_NOSIGNAL)


def test_linger_zero_resets(pair):
    ours, theirs = pair
    ours.set(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ours.close()
    with pytest.raises(ConnectionResetError):
        theirs.recv(10)


def test_close_with_unread_data_resets(pair):
    ours, theirs = pair
    theirs.sendall(b"never read")
    ours.recv(1, socket.MSG_PEEK)
    ours.close()
    with pytest.raises(ConnectionResetError):
        theirs.recv(10)


def test_linger_waits_for_the_peer(pair):
    """close() returns when all was acknowledged: the kernel has it then."""
    ours, theirs = pair
    data = pattern(20000)  # less than the window: it is acknowledged without being read
    ours.set(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
    assert ours.get(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 20)
    ours.send(data)
    ours.close()
    assert theirs.recv(1 << 20, socket.MSG_PEEK | socket.MSG_DONTWAIT) == data
    assert read_all(theirs) == data


def test_linger_gives_up(mr, kernel):
    listener = kernel(listening=True)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ours = mr.socket().connect(*listener.getsockname())
    theirs, _ = listener.accept()
    ours.set(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    ours.set(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1))
    ours.send(bytes(1 << 20))  # far more than the peer takes without reading
    assert ours.count(mrs.SIOCOUTQ) > 0
    ours.close()
    assert len(read_all(theirs)) == 1 << 20  # it goes on in the background
    theirs.close()


def test_shutdown_then_epipe(pair):
    ours, theirs = pair
    ours.shutdown()
    fails_with(errno.EPIPE, ours.send, b"x", socket.MSG_NOSIGNAL)
    theirs.sendall(b"the other way")
    assert ours.recv(100) == b"the other way"
    ours.shutdown(socket.SHUT_RD)
    assert ours.recv(100) == b""


def test_urgent(pair):
    ours, theirs = pair
    theirs.sendall(b"before")
    theirs.send(b"!", socket.MSG_OOB)
    theirs.sendall(b"after")
    assert ours.library.poll({ours: mrs.POLLPRI}, 10000) == {ours: mrs.POLLPRI}
    assert ours.recv(1, socket.MSG_OOB) == b"!"
    fails_with(errno.EINVAL, ours.recv, 1, socket.MSG_OOB)
    got = b""
    while not ours.count(mrs.SIOCATMARK):
        got += ours.recv(100)
    assert got == b"before"
    assert ours.recv(5, socket.MSG_WAITALL) == b"after"


def test_urgent_inline(pair):
    ours, theirs = pair
    ours.set(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    theirs.sendall(b"before")
    theirs.send(b"!", socket.MSG_OOB)
    assert ours.library.poll({ours: mrs.POLLPRI}, 10000)
    assert ours.recv_exactly(6) == b"before"
    assert ours.count(mrs.SIOCATMARK) == 1
    assert ours.recv(10) == b"!"


def test_urgent_sent(pair):
    ours, theirs = pair
    ours.send(b"before!", socket.MSG_OOB)
    ours.send(b"after")
    assert select.select([], [], [theirs], 10)[2]
    assert theirs.recv(1, socket.MSG_OOB) == b"!"
    assert theirs.recv(100) == b"before"


# --- connecting and accepting ---

def test_refused(mr, kernel):
    port = kernel(bound=0).getsockname()[1]
    s = mr.socket()
    fails_with(errno.ECONNREFUSED, s.connect, PEER, port)
    fails_with(errno.ENOTCONN, s.name, "getpeername")
    s.close()


def test_again_after_a_refusal(mr, kernel):
    bound = kernel(bound=0)
    s = mr.socket()
    fails_with(errno.ECONNREFUSED, s.connect, *bound.getsockname())
    bound.listen()
    s.connect(*bound.getsockname())
    fails_with(errno.EISCONN, s.connect, *bound.getsockname())
    s.close()


def test_nonblocking(mr, kernel):
    listener = kernel(listening=True)
    s = mr.socket().nonblock()
    try:
        s.connect(*listener.getsockname())  # the peer may be that fast
    except BlockingIOError as e:
        assert e.errno == errno.EINPROGRESS
    assert mr.poll({s: mrs.POLLOUT}, 10000) == {s: mrs.POLLOUT}
    assert s.get(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    fails_with(errno.EAGAIN, s.recv, 1)
    theirs, _ = listener.accept()
    theirs.settimeout(20)
    sent = 0
    while True:  # until both buffers are full
        try:
            sent += s.send(bytes(65536))
        except BlockingIOError:
            break
    assert mr.poll({s: mrs.POLLOUT}, 0) == {}
    got = 0
    while got < sent:
        got += len(theirs.recv(1 << 20))
    assert mr.poll({s: mrs.POLLOUT}, 10000) == {s: mrs.POLLOUT}
    s.close()


def test_nonblocking_refused(mr, kernel):
    s = mr.socket().nonblock()
    fails_with(errno.EINPROGRESS, s.connect, *kernel(bound=0).getsockname())
    ready = mr.poll({s: mrs.POLLOUT}, 10000)[s]
    assert ready & (mrs.POLLERR | mrs.POLLHUP) == mrs.POLLERR | mrs.POLLHUP
    assert s.get(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    assert s.get(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    s.close()


def test_unreachable(mr):
    s = mr.socket()
    fails_with(errno.ENETUNREACH, s.connect, "203.0.113.1", 80)
    s.close()


def test_timeouts(pair, mr):
    ours, _ = pair
    ours.set(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 50000))
    fails_with(errno.EAGAIN, ours.recv, 1)
    listener = mr.socket().bind(US, 0).listen()
    listener.set(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 50000))
    fails_with(errno.EAGAIN, listener.accept)
    assert mr.poll({listener: mrs.POLLIN}, 50) == {}
    listener.close()


def test_addresses_in_use(mr):
    s = mr.socket()
    fails_with(errno.EADDRINUSE, s.bind, "0.0.0.0", ECHO)
    fails_with(errno.EADDRINUSE, s.bind, US, ECHO)
    fails_with(errno.EADDRNOTAVAIL, s.bind, PEER, 5000)
    first = mr.socket().bind(US, 5000).listen()
    fails_with(errno.EADDRINUSE, s.bind, US, 5000)
    fails_with(errno.EADDRINUSE, s.bind, "0.0.0.0", 5000)
    s.bind("198.18.1.254", 5000)
    udp = mr.socket(socket.SOCK_DGRAM).bind(US, 5000)
    for x in s, first, udp:
        x.close()


def test_many_accepted_in_order(mr, kernel):
    listener = mr.socket().bind("0.0.0.0", 0).listen(100)
    _, port = listener.name()
    clients = [kernel() for _ in range(100)]
    for c in clients:
        c.connect((US, port))
    for _ in clients:
        s, _ = listener.accept()
        s.send(b"welcome")
        s.close()
    for c in clients:
        assert read_all(c) == b"welcome"
    listener.close()


def test_a_full_backlog_delays(mr, kernel):
    """Those beyond it try again, and are accepted when there is room."""
    listener = mr.socket().bind(US, 0).listen(2)
    clients = [kernel() for _ in range(8)]
    for c in clients:
        c.setblocking(False)
        c.connect_ex(listener.name())
    done = 0
    for _ in clients:
        s, _ = listener.accept()
        s.close()
        done += 1
    assert done == len(clients)
    listener.close()


def test_listener_close_resets_children(mr, kernel):
    listener = mr.socket().bind(US, 0).listen()
    theirs = kernel()
    theirs.connect(listener.name())
    assert mr.poll({listener: mrs.POLLIN}, 10000) == {listener: mrs.POLLIN}
    listener.close()
    with pytest.raises(ConnectionResetError):
        theirs.recv(1)


def test_a_port_of_its_own(mr, kernel):
    """With two workers the answers may come to the one that did not send."""
    listener = kernel(listening=True)
    for _ in range(8):
        s = mr.socket().bind(US, 0)
        name = s.name()
        s.connect(*listener.getsockname())
        theirs, peer = listener.accept()
        assert peer == name
        s.send(b"mine")
        assert theirs.recv(10) == b"mine"
        s.close()
        theirs.close()


def test_services_of_millrace_itself(mr):
    for _ in range(4):
        s = mr.socket().connect(US, ECHO)
        data = pattern(200000)
        job = in_thread(s.recv_all)
        s.send(data)
        s.shutdown()
        assert job() == data
        s.close()


# --- options ---

def test_options(pair):
    ours, theirs = pair
    for level, name, value in (
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.IPPROTO_TCP, socket.TCP_CORK, 0),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 7),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 12345),
            (socket.SOL_SOCKET, socket.SO_SNDBUF, 70000),
            (socket.SOL_SOCKET, socket.SO_RCVBUF, 80000),
            (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), (socket.IPPROTO_IP, socket.IP_TTL, 33),
            (socket.IPPROTO_IP, socket.IP_TOS, 0x28)):
        assert ours.set(level, name, value).get(level, name) == value
    assert ours.get(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    assert 500 < ours.get(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1460
    assert ours.get(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"cubic"
    fails_with(errno.ENOPROTOOPT, ours.get, socket.SOL_SOCKET, 12345)
    fails_with(errno.EINVAL, ours.set, socket.IPPROTO_IP, socket.IP_TTL, 300)
    ours.send(b"goes on")
    assert theirs.recv(100) == b"goes on"


def test_maxseg_and_congestion_before(host, mr, kernel):
    listener = kernel(listening=True)
    s = mr.socket().set(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 600)
    s.set(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"newreno")
    s.connect(*listener.getsockname())
    theirs, _ = listener.accept()
    assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 600
    remote = f"{PEER}:{listener.getsockname()[1]}"
    assert [c["cc"] for c in connections(host) if c["remote"] == remote] == ["newreno"]
    s.close()
    theirs.close()


def test_tcp_info(pair):
    ours, theirs = pair
    ours.send(b"x" * 1000)
    theirs.recv(1000)
    theirs.sendall(b"y")
    ours.recv(1)
    info = ours.get(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    state, _, _, _, _, options = struct.unpack("6B", info[:6])
    rto, _, mss = struct.unpack("3I", info[8:20])
    rtt, = struct.unpack("I", info[68:72])
    cwnd, = struct.unpack("I", info[80:84])
    assert state == 1 and options & 1 and 0 < rtt < 5000000 and rto >= 200000
    assert 500 < mss <= 1460 and cwnd >= 2


# --- datagrams ---

def test_udp_both_ways(mr, kernel):
    theirs = kernel(socket.SOCK_DGRAM, bound=0)
    ours = mr.socket(socket.SOCK_DGRAM).bind("0.0.0.0", 0)
    _, port = ours.name()
    for size in 0, 1, 1472, 1473, 20000, 65507:
        theirs.sendto(pattern(size), (US, port))
        data, sender, _ = ours.recvfrom(65536)
        assert data == pattern(size) and sender == theirs.getsockname()
        ours.sendto(pattern(size, 2), *sender)
        back, name = theirs.recvfrom(65536)
        assert back == pattern(size, 2) and name == (US, port)
    fails_with(errno.EMSGSIZE, ours.sendto, bytes(65508), *sender)
    ours.close()


def test_udp_truncates_and_counts(mr, kernel):
    theirs = kernel(socket.SOCK_DGRAM, bound=0)
    ours = mr.socket(socket.SOCK_DGRAM).bind(US, 0)
    theirs.sendto(b"0123456789", ours.name())
    theirs.sendto(b"next", ours.name())
    assert ours.recvfrom(4, socket.MSG_PEEK)[0] == b"0123"
    assert ours.count(mrs.FIONREAD) == 10
    assert ours.recvfrom(4, socket.MSG_TRUNC)[::2] == (b"0123", 10)
    assert ours.recv(100) == b"next"
    ours.close()


def test_udp_connected(mr, kernel):
    """It hears its peer alone, and that nobody is there."""
    theirs, other = kernel(socket.SOCK_DGRAM, bound=0), kernel(socket.SOCK_DGRAM, bound=0)
    ours = mr.socket(socket.SOCK_DGRAM).connect(*theirs.getsockname())
    assert ours.name()[0] == US
    ours.send(b"hello")
    assert theirs.recvfrom(100) == (b"hello", ours.name())
    other.sendto(b"not for you", ours.name())
    theirs.sendto(b"for you", ours.name())
    assert ours.recv(100) == b"for you"
    theirs.close()
    ours.send(b"into the void")
    assert mr.poll({ours: mrs.POLLIN}, 10000)[ours] & mrs.POLLERR
    fails_with(errno.ECONNREFUSED, ours.recv, 100)
    ours.disconnect()
    fails_with(errno.EDESTADDRREQ, ours.send, b"to whom?")
    other.sendto(b"now you too", ours.name() if ours.name()[0] != "0.0.0.0" else
                 (US, ours.name()[1]))
    assert ours.recv(100) == b"now you too"
    ours.close()


def test_udp_queue_is_bounded(host, mr, kernel):
    theirs = kernel(socket.SOCK_DGRAM, bound=0)
    ours = mr.socket(socket.SOCK_DGRAM).set(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    ours.bind(US, 0)
    before = host.drops().get("UDP_QUEUE_FULL", 0)
    for n in range(200):
        theirs.sendto(b"%d" % n, ours.name())
    host.wait_until(lambda: host.drops().get("UDP_QUEUE_FULL", 0) > before, 10, "some are dropped")
    assert ours.recv(10) == b"0"
    ours.close()


def test_udp_closed_port_is_refused(mr, kernel):
    theirs = kernel(socket.SOCK_DGRAM)
    ours = mr.socket(socket.SOCK_DGRAM).bind(US, 0)
    name = ours.name()
    ours.close()
    theirs.connect(name)
    theirs.send(b"gone?")
    with pytest.raises(ConnectionRefusedError):
        theirs.recv(10)


def test_threads_do_not_wait_for_each_other(mr, pair):
    ours, theirs = pair
    jobs = [in_thread(ours.recv, 1) for _ in range(8)]
    other = mr.socket().connect(US, ECHO)
    for n in range(50):
        other.send(b"%d" % n)
        assert other.recv(10) == b"%d" % n
    theirs.sendall(b"12345678")
    assert sorted(job() for job in jobs) == [b"%d" % n for n in range(1, 9)]
    other.close()
