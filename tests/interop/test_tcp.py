# SPDX-License-Identifier: BSD-3-Clause
"""millrace's own TCP beside Linux': the kernel's clients against services on the router."""
import hashlib
import socket
import struct
import threading

import pytest

from support import lab
from support.clients import (DISCARD, ECHO, ROUTER, SOURCE, connected, echo, kernel_router, pattern,
                             read_all, read_exactly, send_all)

CLOSED = 4321


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def host(request):
    router = kernel_router({"system": {"workers": request.param}})
    yield router
    router.stop()


@pytest.mark.parametrize("size", [0, 1, 535, 536, 1448, 1449, 65535, 1 << 20])
def test_echo(connect, size):
    data = pattern(size)
    assert echo(connect(ECHO), data) == data


def test_echo_of_8_mib(connect):
    data = pattern(8 << 20)
    assert hashlib.sha256(echo(connect(ECHO), data)).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("options", [{"mss": 536}, {"mss": 100}, {"rcvbuf": 2048}, {"nodelay": 1}])
def test_echo_with(connect, options):
    data = pattern(300000)
    assert echo(connect(ECHO, **options), data) == data


def test_byte_by_byte(connect):
    s = connect(ECHO, nodelay=1)
    for n in range(200):
        s.send(bytes([n]))
    assert read_exactly(s, 200) == bytes(range(200))


def test_questions_and_answers(connect):
    s = connect(ECHO, nodelay=1)
    for n in range(500):
        question = struct.pack("!I", n) * 16
        s.sendall(question)
        assert read_exactly(s, 64) == question


def test_a_reader_that_sleeps(connect):
    """The window closes in both directions, and opens again."""
    data, s = pattern(6 << 20), connect(ECHO, rcvbuf=4096)
    sender = threading.Thread(target=send_all, args=(s, data))
    sender.start()
    sender.join(1.0)
    assert sender.is_alive()  # there is no room for all of it anywhere
    assert read_all(s) == data
    sender.join()


def test_half_close(connect):
    s = connect(ECHO)
    s.sendall(b"the last words")
    s.shutdown(socket.SHUT_WR)
    assert read_all(s) == b"the last words"


def test_discard(connect):
    s = connect(DISCARD)
    s.sendall(pattern(4 << 20))
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""


def test_source(connect):
    s = connect(SOURCE)
    got = read_exactly(s, 2 << 20)
    letters = bytes(range(32, 127))
    for number in range(95):
        line = (letters + letters)[number:number + 72] + b"\r\n"
        assert got[number * 74:(number + 1) * 74] == line


def test_closed_port(connect):
    with pytest.raises(ConnectionRefusedError):
        connect(CLOSED)


def test_abort(host, connect):
    s = connect(ECHO)
    s.sendall(b"x" * 1000)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    assert host.counters()["balanced"]


def test_abort_by_an_operator(host, connect):
    """The one that is named is reset, and no other."""
    doomed, other = connect(ECHO), connect(ECHO)
    ends = [f"{ROUTER}:{ECHO}", "{}:{}".format(*doomed.getsockname())]
    assert echo_once(doomed) and echo_once(other)
    shown = [row for row in host.ctl("show", "connections")["connections"]
             if [row["local"], row["remote"]] == ends]
    assert [row["state"] for row in shown] == ["ESTABLISHED"]
    host.ctl("connection", "abort", *ends)
    with pytest.raises(ConnectionResetError):
        doomed.recv(1)
    assert echo_once(other)
    with pytest.raises(lab.CtlError, match="there is no connection of"):
        host.ctl("connection", "abort", *ends)


def echo_once(s):
    s.sendall(b"hello")
    return read_exactly(s, 5) == b"hello"


def test_many_at_once(connect):
    sockets = [connect(ECHO) for _ in range(300)]
    for n, s in enumerate(sockets):
        s.sendall(b"%d " % n * 50)
        s.shutdown(socket.SHUT_WR)
    for n, s in enumerate(sockets):
        assert read_all(s) == b"%d " % n * 50


def test_one_after_the_other(host, connect):
    for n in range(1000):
        s = connect(ECHO)
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"hello", n
        s.close()
    assert host.counters()["balanced"]


def test_curl_and_nc(host):
    done = host.lan.namespace.run("nc", "-N", "-w", "5", ROUTER, ECHO, input="hello\n")
    assert (done.returncode, done.stdout) == (0, "hello\n")


def test_a_reader_that_never_reads():
    """Its window is closed and answers probes; who shares the host with it hears nothing of that."""
    router = kernel_router({"tcp": {"stall_timeout": "1s"}})
    try:
        with connected(router.lan.namespace, SOURCE) as stuck, \
                connected(router.lan.namespace, ECHO) as quiet:
            router.wait_until(lambda: router.counters()["tcp_stalled"], 10, "it is let go")
            with pytest.raises(ConnectionResetError):
                while stuck.recv(65536):
                    pass
            quiet.sendall(b"hello")
            assert read_exactly(quiet, 5) == b"hello"
        assert router.counters()["tcp_stalled"] == 1
    finally:
        router.stop()
