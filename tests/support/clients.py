# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's TCP as a client of the router: connected sockets, and what is sent through them."""
import hashlib
import socket
import threading
from pathlib import Path

from support import lab

ROUTER = "198.18.0.254"
ECHO, DISCARD, SOURCE = 7, 9, 19
SERVICES = {"services": {
    "echo": {"kind": "tcp-echo", "listen": "0.0.0.0:7"},
    "discard": {"kind": "tcp-discard", "listen": "0.0.0.0:9"},
    "source": {"kind": "tcp-source", "listen": "0.0.0.0:19"}}}

OPTIONS = {
    "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF),
    "nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "mss": (socket.IPPROTO_TCP, socket.TCP_MAXSEG),
}


def kernel_router(changes=None, **options):
    """A router with SERVICES and `changes`, and kernel hosts at its ports."""
    router = lab.Router(lab.merged(SERVICES, changes or {}), introduce=False, **options)
    for port in router.ports.values():
        port.become_host()
    return router


def connected(namespace, port, timeout=20, **options):
    """A socket in the namespace, connected to the router; options by their names in OPTIONS."""
    with namespace.entered():
        s = socket.socket()
    s.settimeout(timeout * lab.SLOW)
    for name, value in options.items():
        s.setsockopt(*OPTIONS[name], value)
    s.connect((ROUTER, port))
    return s


def listens(namespace, port):
    """Whether, now: after an apply the workers open and close listeners in passes of their own."""
    try:
        connected(namespace, port).close()
        return True
    except ConnectionRefusedError:
        return False


def pattern(size, seed=1):
    return (hashlib.shake_256(bytes([seed])).digest(65536) * (size // 65536 + 1))[:size]


def send_all(s, data):
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)


def echo(s, data):
    """What comes back for the data, both ways at once."""
    sender = threading.Thread(target=send_all, args=(s, data))
    sender.start()
    back = read_all(s)
    sender.join()
    return back


def read_exactly(s, size):
    got = b""
    while len(got) < size and (part := s.recv(size - len(got))):
        got += part
    return got


def read_all(s):
    parts = []
    while part := s.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def forget_at_close(namespace):
    """No TIME_WAIT for clients here: who has closed knows nothing more of it, and resets."""
    with namespace.entered():
        Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("0")


# --- what the router says of them ---

def connections(router, *words):
    return router.ctl("show", "connections", *words)["connections"]


def await_no_state(router, seconds=30):
    """Every connection is gone, and so are the buffers and packets that they held."""
    try:
        router.wait_until(lambda: not connections(router), seconds, "no connection is left")
    except AssertionError as error:
        raise AssertionError(f"left: {connections(router)[:3]}, {router.counters()}") from error
    router.wait_until(lambda: router.counters()["held"] == 0, seconds, "nothing is held")
    router.check_books()
