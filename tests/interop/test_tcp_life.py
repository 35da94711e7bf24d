# SPDX-License-Identifier: BSD-3-Clause
"""How connections live and end: probes, urgent data, and every way of closing."""
import contextlib
import socket
import struct
import time

import pytest

from support import clients, lab
from support.clients import DISCARD, ECHO, SOURCE, connections

ROUNDS = 20 if lab.SOAK else 4  # of little memory, a probe's time after the other
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # for SO_LINGER


@pytest.fixture(scope="module")
def host():
    # eight sleepers are not half of it: nobody is let go for want of memory, however slow we are
    router = clients.kernel_router({"system": {"limits": {"mbufs": 65536}}})
    clients.forget_at_close(router.lan.namespace)  # or nmap may meet a port that is remembered
    # listeners that stay take the new settings, too: they are in force when the new one is there
    router.apply({"tcp": {"keepalive": "1s"},
                  "services": {"new": {"kind": "tcp-echo", "listen": "0.0.0.0:1000"}}})
    router.wait_until(lambda: clients.listens(router.lan.namespace, 1000), 30, "the new service")
    yield router
    router.stop()


def peer(s):
    """The socket as the router's tables name it."""
    return "%s:%d" % s.getsockname()


def row_of(host, s):
    return next((row for row in connections(host) if row["remote"] == peer(s)), None)


def await_gone(host, s):
    name = peer(s)
    s.close()
    host.wait_until(lambda: name not in {row["remote"] for row in connections(host)}, 30,
                    f"the connection of {name} is gone")


def sees(host, s, flags, count):
    """Waits until so many segments with just these flags and no data came from the router."""
    port = s.getsockname()[1]

    def is_one(frame):
        size = int.from_bytes(frame[16:18], "big") - 20 - (frame[46] >> 4) * 4
        return frame[12:14] == b"\x08\x00" and frame[23] == 6 and size == 0 and \
            frame[36:38] == port.to_bytes(2, "big") and frame[47] & 0x3f == flags

    while count > 0:
        frame = host.lan.recv_bytes(30 * lab.SLOW)
        assert frame is not None, "no such segment came"
        count -= is_one(frame)


def test_the_router_asks_whether_we_are_there(host, connect):
    """tcp.keepalive: the kernel answers, and the connection lives."""
    s = connect(ECHO)
    before = host.counters()["tcp_keepalives"]
    host.wait_until(lambda: host.counters()["tcp_keepalives"] > before, 30, "a probe")
    assert clients.echo(s, b"I am") == b"I am"


def test_who_has_forgotten_the_connection_ends_it(host, connect):
    """A host that was restarted answers the probe with a reset: nothing is left."""
    s = connect(ECHO)
    name = peer(s)
    neighbour = "ip", "-n", host.lan.namespace.name, "neigh"
    where = host.lan.router_ip, "dev", host.lan.iface
    lab.sh(*neighbour, "replace", *where, "lladdr", "02:00:00:00:00:99")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    s.close()  # its reset goes to nobody
    lab.sh(*neighbour, "del", *where)
    assert name in {row["remote"] for row in connections(host)}
    host.wait_until(lambda: name not in {row["remote"] for row in connections(host)}, 120,
                    f"the connection of {name} is gone")


def test_we_ask_whether_the_router_is_there(host, connect):
    """SO_KEEPALIVE of the kernel: three probes answered, where two without answer are the end."""
    s = connect(DISCARD)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), \
            (socket.TCP_KEEPCNT, 2):
        s.setsockopt(socket.IPPROTO_TCP, option, seconds)
    host.lan.drain_bytes()
    sees(host, s, 16, 4)
    assert row_of(host, s)["state"] == "ESTABLISHED"
    s.sendall(b"alive")
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""


@pytest.mark.end_to_end
def test_urgent_data_stay_in_line(host, connect):
    """The urgent byte is a byte of the stream like all others (RFC 6093)."""
    s, sent = connect(ECHO), b""
    for n in range(50):
        s.send(b"plain %d " % n)
        s.send(b"urgent!", socket.MSG_OOB)
        sent += b"plain %d urgent!" % n
    s.shutdown(socket.SHUT_WR)
    assert clients.read_all(s) == sent


@pytest.mark.end_to_end
@pytest.mark.parametrize("port", [ECHO, DISCARD, SOURCE])
def test_reset_in_the_middle(host, connect, port):
    """SO_LINGER of zero, with data under way in both directions: nothing is left of it."""
    s = connect(port)
    s.setblocking(False)
    try:
        while True:
            s.send(bytes(65536))
    except BlockingIOError:
        pass
    except ConnectionResetError:
        pytest.fail("reset by the router")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    await_gone(host, s)


def test_close_with_data_unread(host, connect):
    """The kernel resets when a program closes without having read all (RFC 2525 2.17)."""
    s = connect(ECHO)
    s.sendall(bytes(100_000))
    assert s.recv(1)
    await_gone(host, s)


def test_source_ends_when_we_do(host, connect):
    """Half closed by us, the router closes too, behind all that it has queued."""
    s = connect(SOURCE)
    assert clients.read_exactly(s, 74)
    s.shutdown(socket.SHUT_WR)
    rest = clients.read_all(s)
    assert len(rest) % 74 == 0
    await_gone(host, s)


@pytest.mark.end_to_end
def test_fin_with_the_data(host, connect):
    """Data and FIN before the handshake's last ACK is taken: everything at once (TCP_CORK)."""
    for n in range(200):
        s = connect(ECHO)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        s.send(b"%d" % n)
        s.shutdown(socket.SHUT_WR)
        assert clients.read_all(s) == b"%d" % n
        s.close()
    clients.await_no_state(host)


def test_half_open_and_gone(host):
    """nmap's SYN scan leaves half-open connections; its resets end them at once."""
    for _ in range(5):
        done = host.lan.namespace.run(
            "nmap", "-n", "-Pn", "--disable-arp-ping", "-sS", "--initial-rtt-timeout", "2s",
            "--max-retries", 10, "-p", "7,9,19", clients.ROUTER, timeout=200)
        assert done.stdout.count("open") == 3, done.stdout
    clients.await_no_state(host)


@pytest.mark.end_to_end
def test_sixty_four_readers_that_sleep(make_router):
    """With the quickstart's memory: they share what there is, and whoever reads is served."""
    router = make_router(lab.merged(clients.SERVICES, {"system": {"limits": {"mbufs": 8192}}}),
                         introduce=False)
    namespace, data = router.lan.namespace, clients.pattern(1 << 16)
    router.lan.become_host()

    def sleeper(port):
        s = clients.connected(namespace, port, rcvbuf=4096)
        s.setblocking(False)
        return s

    def stuff():
        """Until each of them is full, which is when the router takes no more for a second."""
        quiet = time.monotonic() + 1
        while time.monotonic() < quiet:
            for s in sleepers[:32]:
                with contextlib.suppress(BlockingIOError, ConnectionResetError):
                    if s.send(data):
                        quiet = time.monotonic() + 0.2

    sleepers = [sleeper(port) for port in (ECHO, SOURCE) for _ in range(32)]
    stuff()
    honest = [clients.connected(namespace, ECHO) for _ in range(8)]
    for n in range(ROUNDS):  # each byte of it comes back, and nobody is reset
        for s in honest:  # all at once: what one of them waits for, the others do, too
            s.sendall(data[n:n + 20000])
        for s in honest:
            assert clients.read_exactly(s, 20000) == data[n:n + 20000]
    with clients.connected(namespace, SOURCE) as s:
        assert len(clients.read_exactly(s, 1 << 20)) == 1 << 20
    assert router.counters()["mbufs"]["in_use"] < 8192 * 3 // 4
    for s in honest:
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
    for s in sleepers + honest:
        s.close()
    clients.await_no_state(router)


@pytest.mark.end_to_end
def test_eight_readers_that_sleep(host, connect):
    """They hold what they may; somebody else is served meanwhile, and nothing of theirs is lost."""
    data, sleepers = clients.pattern(1 << 20), [connect(ECHO) for _ in range(8)]
    for s in sleepers:
        s.setblocking(False)
    sent = [0] * len(sleepers)
    for _ in range(100):
        for n, s in enumerate(sleepers):
            try:
                sent[n] += s.send(data[sent[n] % len(data):])
            except BlockingIOError:
                pass
        awake = connect(ECHO)
        assert clients.echo(awake, b"awake") == b"awake"
        awake.close()
    for n, s in enumerate(sleepers):
        s.setblocking(True)
        s.settimeout(60 * lab.SLOW)
        s.shutdown(socket.SHUT_WR)
        assert clients.read_all(s) == (data * (sent[n] // len(data) + 1))[:sent[n]], n
    for s in sleepers:
        s.close()
    clients.await_no_state(host)
