# SPDX-License-Identifier: BSD-3-Clause
"""Many bytes: over a good wire and a bad one, and with links of any MTU. tests/soak sends more."""
import hashlib
import struct
import subprocess
import threading
import time

import pytest

from support import clients, lab, relay
from support.clients import DISCARD, ECHO, ROUTER, SOURCE

SIZE = (1 << 30) if lab.SOAK else (64 << 20)
BAD_SIZE = 16 << 20
BLOCK = 1 << 16


def blocks(size):
    """Bytes of which no two blocks are alike, so that none can stand in for another."""
    body = clients.pattern(BLOCK)
    for n in range(size // BLOCK):
        yield struct.pack("!Q", n) + body[8:]


def hash_of(parts):
    digest, size = hashlib.sha256(), 0
    for part in parts:
        digest.update(part)
        size += len(part)
    return size, digest.hexdigest()


def sent_by(write, close, size):
    """A thread that writes size bytes, then closes."""
    def send():
        for block in blocks(size):
            write(block)
        close()

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def through_socket(s, size):
    """What comes back of size bytes: how many, and their hash."""
    sender = sent_by(s.sendall, lambda: s.shutdown(1), size)
    came = hash_of(iter(lambda: s.recv(1 << 17), b""))
    sender.join()
    return came


def through_program(namespace, size, *words):
    """The same by a program's standard input and output."""
    with subprocess.Popen([*namespace.entering, *words], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as program:
        sender = sent_by(program.stdin.write, program.stdin.close, size)
        came = hash_of(iter(lambda: program.stdout.read1(1 << 17), b""))
        sender.join()
    return came


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def host(request):
    router = clients.kernel_router({"system": {"workers": request.param}})
    yield router
    router.stop()


@pytest.fixture
def rate(figure, request):
    """rate(what, bytes) at the end of what began with the test: a figure, nothing asserted."""
    begun = time.monotonic()
    return lambda what, size: figure(
        f"{what} ({request.node.callspec.id})",
        f"{size / (time.monotonic() - begun) / 1e6:.0f} MB/s")


def test_there_and_back(connect, rate):
    assert through_socket(connect(ECHO), SIZE) == hash_of(blocks(SIZE))
    rate("echo", SIZE)


@pytest.mark.parametrize("words", [["nc", "-N", ROUTER, "7"],
                                   ["socat", "-t", "60", "-", f"TCP4:{ROUTER}:7"]],
                         ids=["nc", "socat"])
def test_by_programs(host, words, rate):
    assert through_program(host.lan.namespace, SIZE, *words) == hash_of(blocks(SIZE))
    rate("echo", SIZE)


def test_up(connect, rate):
    s = connect(DISCARD)
    sent_by(s.sendall, lambda: s.shutdown(1), SIZE).join()
    assert s.recv(1) == b""  # its FIN comes when it has had all
    rate("to discard", SIZE)


def test_down(connect, rate):
    """Every line of tcp-source is where it belongs."""
    letters = bytes(range(32, 127)) * 2
    period = b"".join(letters[n:n + 72] + b"\r\n" for n in range(95))
    s, left, at = connect(SOURCE), SIZE, 0
    expected = period * (1 + (1 << 17) // len(period) + 1)
    while left > 0:
        part = s.recv(1 << 17)
        assert part and part == expected[at:at + len(part)]
        at, left = (at + len(part)) % len(period), left - len(part)
    rate("from source", SIZE)


def test_eight_at_once(connect, rate):
    expected, came = hash_of(blocks(SIZE // 8)), []
    ends = [connect(ECHO) for _ in range(8)]
    threads = [threading.Thread(target=lambda s=s: came.append(through_socket(s, SIZE // 8)))
               for s in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert came == [expected] * 8
    rate("eight echoes", SIZE)


# --- a bad wire ---

@pytest.mark.parametrize("shares", [(0.01, 0.05, 0.01), (0.05, 0.01, 0.0)],
                         ids=["reordering", "loss"])
def test_there_and_back_by_a_bad_wire(make_router, shares, rate):
    """A kernel host behind our relay, which loses, reorders and doubles these shares."""
    wire = relay.BadWire(make_router(clients.SERVICES, introduce=False).lan, 1, *shares)
    try:
        s = clients.connected(wire.namespace, ECHO, timeout=120)
        assert through_socket(s, BAD_SIZE) == hash_of(blocks(BAD_SIZE))
        s.close()
    finally:
        wire.stop()
    assert all(way["lost"] > 50 and way["reordered"] > 50 for way in wire.did), wire.did
    rate("echo by a bad wire", BAD_SIZE)


# --- MTU ---

@pytest.mark.parametrize("mtu", [576, 1280])
def test_mtu(make_router, mtu):
    """Segments of the link's size, and then smaller ones for a client whose end is narrower."""
    router = make_router(lab.merged(clients.SERVICES, {"ports": {"lan": {"mtu": mtu}}}),
                         introduce=False)
    data, namespace = clients.pattern(4 << 20), router.lan.namespace
    router.lan.become_host()
    for narrower in 0, 20:
        lab.sh("ip", "-n", namespace.name, "link", "set", router.lan.iface, "mtu",
               str(mtu - narrower))
        with clients.connected(namespace, ECHO) as s:
            assert clients.echo(s, data) == data
