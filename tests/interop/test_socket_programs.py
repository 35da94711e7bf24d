# SPDX-License-Identifier: BSD-3-Clause
"""Programs that use millrace's sockets, as they come: mrnc, killed ones, many, and garbage."""
import errno
import hashlib
import signal
import socket
import struct
import subprocess
import sys

import pytest

from support import lab, mrs
from support.socket_lab import (  # noqa: F401: fixtures, too
    ECHO, PEER, US, await_no_connections, connections, host, in_thread, kernel, mr, pair, pattern)

MRNC = lab.BUILD / "app/mrnc"


def mrnc(host, *words, **options):
    return subprocess.Popen([MRNC, "-S", host.sockets, *map(str, words)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("size", [65536, 16 << 20])
def test_mrnc_and_nc(host, size):
    """The kernel's nc connects to ours; what each sends arrives whole."""
    there, back = pattern(size, 3), pattern(size, 4)
    server = mrnc(host, "-N", "-l", 6001)
    job = in_thread(server.communicate, back)

    done = []

    def served():  # refused until it listens
        done[:] = [host.lan.namespace.run("nc", "-N", US, 6001, input=there, text=False)]
        return done[0].returncode == 0

    host.wait_until(served, 10, "it listens")
    done, = done
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(back).digest()
    out, err = job()
    assert hashlib.sha256(out).digest() == hashlib.sha256(there).digest() and not err


def test_nc_and_mrnc(host):
    there, back = pattern(16 << 20, 5), pattern(1 << 20, 6)
    server = subprocess.Popen([*host.lan.namespace.entering, "socat", "-",
                               f"TCP-LISTEN:6002,bind={PEER}"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    job = in_thread(server.communicate, back)
    host.wait_until(lambda: ":6002" in host.lan.namespace.run("ss", "-tln").stdout, 10, "listens")
    out, err = mrnc(host, "-N", PEER, 6002).communicate(there, timeout=60)
    assert out == back and not err
    assert job()[0] == there


def test_mrnc_udp(host):
    out, err = mrnc(host, "-u", "-w", "2", US, ECHO).communicate(b"datagram", timeout=30)
    assert out == b"datagram" and not err


def test_mrnc_says_what_is_wrong(host):
    client = mrnc(host, PEER, 4321)
    out, err = client.communicate(b"", timeout=30)
    assert client.returncode == 1 and b"refused" in err.lower() and not out
    assert subprocess.run([MRNC], capture_output=True, check=False).returncode == 2


VICTIM = """
import sys, threading
sys.path.insert(0, {tests!r})
from support import mrs
m = mrs.Library({path!r})
s = m.socket()
{code}
"""

KILLED_IN = {
    "recv": "s.connect({peer!r}, {port}); print(flush=True); s.recv(1)",
    "send": "s.connect({peer!r}, {port}); print(flush=True); s.send(bytes(64 << 20))",
    "accept": "s.bind('0.0.0.0', 6100).listen(); print(flush=True); s.accept()",
    "connect": "print(flush=True); s.connect('198.18.0.77', 80)",
    "poll": "s.connect({peer!r}, {port}); print(flush=True); m.poll({{s: mrs.POLLIN}}, -1)",
    "close": "s.connect({peer!r}, {port}); s.set(1, 13, b'\\1\\0\\0\\0\\x50\\0\\0\\0'); "
             "print(flush=True); [s.send(bytes(65536)) for _ in range(4)]; s.close()",
}


@pytest.mark.parametrize("call", KILLED_IN)
def test_killed(host, mr, kernel, pair, call):
    """Everything of a program that is killed is aborted, and nobody else's is."""
    listener = kernel(listening=True)
    code = KILLED_IN[call].format(peer=PEER, port=listener.getsockname()[1])
    before = {c["local"] for c in connections(host)}
    victim = subprocess.Popen(
        [sys.executable, "-B", "-c", VICTIM.format(tests=str(lab.TOP / "tests"),
                                                   path=str(host.sockets), code=code)],
        stdout=subprocess.PIPE)
    assert victim.stdout.readline() == b"\n"
    if call not in ("accept", "connect"):
        theirs, _ = listener.accept()
    if call == "accept":
        theirs = kernel()
        theirs.connect((US, 6100))
    if call == "connect":
        host.wait_until(lambda: any(c["state"] == "SYN_SENT" for c in connections(host)), 10,
                        "it connects")
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    host.wait_until(lambda: {c["local"] for c in connections(host)} <= before, 10,
                    "its connections are gone")
    if call not in ("connect",):
        with pytest.raises(ConnectionResetError):
            while theirs.recv(65536):
                pass
    ours, theirs = pair
    ours.send(b"unhurt")
    assert theirs.recv(10) == b"unhurt"


def test_killed_with_a_child_left(host, kernel):
    """A child that goes on does not keep its parent's sockets."""
    listener = kernel(listening=True)
    code = f"import os\ns.connect({PEER!r}, {listener.getsockname()[1]})\n" \
        "if os.fork() == 0: sys.stdin.read(); os._exit(0)\nprint(flush=True); s.recv(1)"
    with subprocess.Popen(
            [sys.executable, "-B", "-c", VICTIM.format(tests=str(lab.TOP / "tests"),
                                                       path=str(host.sockets), code=code)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as victim:
        assert victim.stdout.readline() == b"\n"
        theirs, _ = listener.accept()
        victim.send_signal(signal.SIGKILL)
        with pytest.raises(ConnectionResetError):
            theirs.recv(1)


def test_a_thousand_programs(host, kernel):
    """Each has a connection; all of them are echoed; then all are gone at once."""
    listener = kernel(listening=True)
    listener.listen(1024)
    programs = [mrs.Raw(host.sockets) for _ in range(1000)]
    where = mrs.raw_name(*listener.getsockname())
    for p in programs:
        p.send("socket", flags=socket.SOCK_STREAM)
        p.send("connect", 0, args=where)
        p.send("send", 0, args=bytes(8) + b"program %3d" % programs.index(p))
        p.send("recv", 0, args=struct.pack("=I", 100))
    theirs = []
    for _ in programs:
        s, _ = listener.accept()
        theirs.append(s)
        s.settimeout(20 * lab.SLOW)
        s.sendall(s.recv(11, socket.MSG_WAITALL))
    for n, p in enumerate(programs):
        results = [p.answer()[1:] for _ in range(4)]
        assert [r for r, _ in results] == [0, 0, 11, 11]
        assert results[3][1][8:] == b"program %3d" % n
    for p in programs:
        p.close()
    for s in theirs:
        with pytest.raises(ConnectionResetError):
            s.recv(1)
        s.close()


GARBAGE = {
    "zeros": bytes(64),
    "text": b"GET / HTTP/1.1\r\nHost: millrace\r\n\r\n",
    "length below": struct.pack("=IIBBHiiI", 23, 7, 1, 0, 0, 0, 0, 1),
    "length beyond": struct.pack("=IIBBHiiI", 1 << 31, 7, 1, 0, 6, 0, 0, 0),
    "another version": struct.pack("=IIBBHiiI", 24, 7, 2, 0, 0, 0, 0, 1),
    "no such call": struct.pack("=IIBBHiiI", 24, 7, 1, 0, 99, 0, 0, 1),
    "too much": mrs.request("listen", 7, args=b"x"),
    "too little": mrs.request("bind", 7, args=b"xxxx"),
    "half a poll": mrs.request("poll", 7, args=bytes(12)),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(host, kernel, name):
    """An error, the end, and all of it is aborted."""
    listener = kernel(listening=True)
    p = mrs.Raw(host.sockets)
    assert p.ask("socket", flags=socket.SOCK_STREAM)[0] == 0
    assert p.ask("connect", 0, args=mrs.raw_name(*listener.getsockname()))[0] == 0
    theirs, _ = listener.accept()
    p.stream.sendall(GARBAGE[name])
    assert p.answer()[1] == -errno.EBADMSG
    assert p.answer() is None
    with pytest.raises(ConnectionResetError):
        theirs.recv(1)
    theirs.close()


def test_half_a_request_is_waited_for(host):
    p = mrs.Raw(host.sockets)
    whole = mrs.request("socket", flags=socket.SOCK_STREAM)
    p.stream.sendall(whole[:10])
    p.stream.sendall(whole[10:])
    assert p.answer() == (1, 0, b"")
    p.close()


def test_calls_on_what_is_no_socket(host):
    p = mrs.Raw(host.sockets)
    for call in "bind", "connect":
        assert p.ask(call, 5, args=bytes(8))[0] == -errno.EBADF
    for number in -1, 0, 1 << 30:
        assert p.ask("listen", number)[0] == -errno.EBADF
    assert p.ask("socket", flags=77)[0] == -errno.EPROTOTYPE
    p.close()


def test_too_many_calls_wait(host, kernel):
    listener = kernel(listening=True)
    p = mrs.Raw(host.sockets)
    p.ask("socket", flags=socket.SOCK_STREAM)
    p.ask("connect", 0, args=mrs.raw_name(*listener.getsockname()))
    idents = [p.send("recv", 0, args=struct.pack("=I", 1)) for _ in range(1025)]
    assert p.answer() == (idents[-1], -errno.ENOBUFS, b"")
    p.close()


def test_answers_that_nobody_takes(host, mr, pair):
    """A program that only asks is not listened to for ever, and hurts nobody."""
    p = mrs.Raw(host.sockets)
    p.ask("socket", flags=socket.SOCK_STREAM)
    p.stream.setblocking(False)
    one = mrs.request("getopt", flags=1) * 100
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 64 << 20:
            sent += p.stream.send(one)
    assert sent < 16 << 20
    ours, theirs = pair
    ours.send(b"unhurt")
    assert theirs.recv(10) == b"unhurt"
    p.close()


def test_a_service_gets_its_port_when_the_socket_goes(host, mr, kernel):
    """Configured while a program listens there, it waits for the port."""
    listener = mr.socket().bind("0.0.0.0", 6200).listen()
    host.apply({"services": {"late": {"kind": "tcp-echo", "listen": "0.0.0.0:6200"}}})
    theirs = kernel()
    theirs.connect((US, 6200))
    ours, _ = listener.accept()
    ours.send(b"the program's")
    assert theirs.recv(100) == b"the program's"
    ours.close()
    listener.close()

    def echoes():
        try:
            s = kernel()
            s.connect((US, 6200))
            s.sendall(b"the service's")
            return s.recv(100) == b"the service's"
        except ConnectionError:
            return False

    for _ in range(8):  # whichever worker it comes to
        host.wait_until(echoes, 20, "the service listens")
    host.apply({})


def test_nothing_is_left(host):
    await_no_connections(host)
    assert host.counters()["balanced"]


def test_off_by_default(tmp_path):
    out = subprocess.run([lab.BUILD / "app/millrace", "--config-reference"], capture_output=True,
                         text=True, check=True).stdout
    assert 'socket_service: ""' in out
    done = subprocess.run([MRNC, "-S", tmp_path / "none", US, "7"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1 and "Network is down" in done.stderr
