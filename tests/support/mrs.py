# SPDX-License-Identifier: BSD-3-Clause
"""millrace's sockets for tests: libmillrace_sockets by ctypes, and its messages written by hand."""
import ctypes
import errno
import itertools
import os
import shutil
import socket
import struct
import tempfile

from support import lab

LIBRARY = lab.BUILD / "lib/sockets/libmillrace_sockets.so"

F_GETFL, F_SETFL, FIONREAD, SIOCATMARK, SIOCOUTQ = 3, 4, 0x541B, 0x8905, 0x5411
POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL, POLLRDHUP = 1, 2, 4, 8, 16, 32, 0x2000


class Pollfd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


def packed(host, port):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + \
        socket.inet_aton(host) + bytes(8)


def unpacked(name):
    return socket.inet_ntoa(name[4:8]), struct.unpack("!H", name[2:4])[0]


class Library:
    """The library, connected to a service: a copy of its own, for it has one connection a process.

    Its sockets raise OSError as Python's do.
    """

    def __init__(self, path):
        self.directory = tempfile.TemporaryDirectory(prefix="mrt-")
        copy = shutil.copy(LIBRARY, self.directory.name)
        self.c = ctypes.CDLL(str(copy), use_errno=True)
        for name in "read", "write", "recv", "send", "recvfrom", "sendto":
            getattr(self.c, f"mrs_{name}").restype = ctypes.c_ssize_t
        self.call("open", str(path).encode())

    def call(self, name, *args):
        rc = getattr(self.c, f"mrs_{name}")(*args)
        if rc < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return rc

    def socket(self, kind=socket.SOCK_STREAM):
        return Socket(self, self.call("socket", socket.AF_INET, kind, 0))

    def poll(self, wanted, timeout_ms):
        """wanted: {socket: events}; {socket: revents} of those that have any."""
        fds = (Pollfd * len(wanted))(*[(s.number, e) for s, e in wanted.items()])
        self.call("poll", fds, ctypes.c_ulong(len(wanted)), timeout_ms)
        return {s: fd.revents for s, fd in zip(wanted, fds) if fd.revents}


class Socket:
    def __init__(self, library, number):
        self.library, self.number = library, number

    def call(self, name, *args):
        return self.library.call(name, self.number, *args)

    def bind(self, host, port):
        self.call("bind", packed(host, port), 16)
        return self

    def listen(self, backlog=16):
        self.call("listen", backlog)
        return self

    def connect(self, host, port):
        self.call("connect", packed(host, port), 16)
        return self

    def disconnect(self):
        self.call("connect", bytes(16), 16)

    def accept(self):
        name, length = ctypes.create_string_buffer(16), ctypes.c_uint(16)
        return Socket(self.library, self.call("accept", name, ctypes.byref(length))), \
            unpacked(name.raw)

    def name(self, which="getsockname"):
        name, length = ctypes.create_string_buffer(16), ctypes.c_uint(16)
        self.call(which, name, ctypes.byref(length))
        return unpacked(name.raw)

    def recv(self, size, flags=0):
        data = ctypes.create_string_buffer(max(size, 1))
        n = self.call("recv", data, ctypes.c_size_t(size), flags)
        return data.raw[:min(size, n)]

    def recvfrom(self, size, flags=0):
        data = ctypes.create_string_buffer(max(size, 1))
        name, length = ctypes.create_string_buffer(16), ctypes.c_uint(16)
        n = self.call("recvfrom", data, ctypes.c_size_t(size), flags, name, ctypes.byref(length))
        return data.raw[:min(n, size)], unpacked(name.raw), n

    def recv_all(self):
        return b"".join(iter(lambda: self.recv(1 << 16), b""))

    def recv_exactly(self, size):
        return self.recv(size, socket.MSG_WAITALL)

    def send(self, data, flags=0):
        return self.call("send", data, ctypes.c_size_t(len(data)), flags)

    def sendto(self, data, host, port):
        return self.call("sendto", data, ctypes.c_size_t(len(data)), 0, packed(host, port), 16)

    def shutdown(self, how=socket.SHUT_WR):
        self.call("shutdown", how)

    def close(self):
        self.call("close")

    def set(self, level, name, value):
        value = struct.pack("i", value) if isinstance(value, int) else value
        self.call("setsockopt", level, name, value, len(value))
        return self

    def get(self, level, name, size=4):
        value, length = ctypes.create_string_buffer(size), ctypes.c_uint(size)
        self.call("getsockopt", level, name, value, ctypes.byref(length))
        got = value.raw[:length.value]
        return struct.unpack("i", got)[0] if size == 4 else got

    def count(self, request):
        value = ctypes.c_int()
        self.call("ioctl", ctypes.c_ulong(request), ctypes.byref(value))
        return value.value

    def nonblock(self):
        self.call("fcntl", F_SETFL, self.call("fcntl", F_GETFL, 0) | os.O_NONBLOCK)
        return self


CALLS = ("socket", "bind", "listen", "accept", "connect", "recv", "send", "shutdown", "close",
         "getopt", "setopt", "count", "name", "poll")


class Raw:
    """A program that speaks for itself (service/sockets.h): one connection, as many as are made."""

    def __init__(self, path):
        self.ids = itertools.count(1)
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(20 * lab.SLOW)
        self.stream.connect(str(path))

    def send(self, call, number=0, timeout_ms=-1, flags=0, args=b""):
        """A request; its id."""
        ident = next(self.ids)
        self.stream.sendall(request(call, ident, number, timeout_ms, flags, args))
        return ident

    def answer(self):
        """(id, result, what it gives) of the next answer; None at the end."""
        head = self.exactly(16)
        if head is None:
            return None
        length, ident, result, _ = struct.unpack("=IIiI", head)
        return ident, result, self.exactly(length - 16)

    def ask(self, *words, **options):
        ident = self.send(*words, **options)
        got = self.answer()
        assert got[0] == ident
        return got[1:]

    def exactly(self, size):
        got = b""
        while len(got) < size:
            part = self.stream.recv(size - len(got))
            if not part:
                return None
            got += part
        return got

    def close(self):
        self.stream.close()


def request(call, ident=1, number=0, timeout_ms=-1, flags=0, args=b""):
    call = CALLS.index(call) if isinstance(call, str) else call
    return struct.pack("=IIBBHiiI", 24 + len(args), ident, 1, 0, call, number, timeout_ms,
                       flags) + args


def raw_name(host, port):
    return struct.pack("=IHH", struct.unpack("!I", socket.inet_aton(host))[0], port, 0)


def fails_with(error, function, *args):
    try:
        function(*args)
    except OSError as e:
        assert e.errno == error, f"{errno.errorcode[e.errno]}, not {errno.errorcode[error]}"
        return
    raise AssertionError(f"no {errno.errorcode[error]}")
