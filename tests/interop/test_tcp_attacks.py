# SPDX-License-Identifier: BSD-3-Clause
"""TCP under attack, with honest clients beside: a flood of SYNs, garbage, and who guesses."""
import random
import re
import socket
import struct
import sys
import threading

import pytest

from support import clients, flood, lab
from support.clients import ECHO, ROUTER, connections
from support.packets import internet_sum

SYNS = 1_000_000 if lab.SOAK else 100_000
SEGMENTS = 600_000 if lab.SOAK else 30_000
CLOSED = 4321


@pytest.fixture(scope="module")
def host():
    # what is sent to those whom the flood pretends to be goes back where it came from
    router = clients.kernel_router({"routes": [{"prefix": "198.18.0.0/15", "via": "198.18.0.1"}],
                                    "system": {"workers": 2}, "tcp": {"keepalive": "1s"}})
    clients.forget_at_close(router.lan.namespace)
    yield router
    router.stop()


class Honest:
    """A client beside the attack: connects, asks and closes until told to end, and all succeeds."""

    def __init__(self, host):
        self.namespace, self.done, self.error = host.lan.namespace, 0, None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while self.done < 10 or not self.ended.is_set():
                data = b"honest %d" % self.done * 10
                with clients.connected(self.namespace, ECHO, timeout=120) as s:
                    assert clients.echo(s, data) == data
                self.done += 1
        except (OSError, AssertionError) as error:
            self.error = error

    def stop(self):
        self.ended.set()
        self.thread.join()
        assert self.error is None, (self.error, self.done)


@pytest.mark.end_to_end
def test_syn_flood(host, figure):
    """Every honest connection succeeds, and `show` says what is happening."""
    before, honest = host.counters(), [Honest(host) for _ in range(4)]
    words = [sys.executable, "-B", flood.__file__, "flood", SYNS, host.lan.iface, host.lan.mac,
             host.lan.router_mac, ROUTER, ECHO, "198.19.0.0/16"]
    with host.lan.namespace.running(*map(str, words)) as attack:
        host.wait_until(lambda: host.counters()["tcp_cookies_sent"] > 0, 60, "cookies are sent")
        half_open = connections(host, "state", "SYN_RCVD", "limit", "10000")
        assert len(half_open) > 500
        lost = int(attack.stdout.read())
        assert attack.wait() == 0
    for client in honest:
        client.stop()
    moved = lab.moved(before, host.counters())
    assert moved["tcp_cookies_sent"] > (SYNS - lost) / 10, (moved, lost)
    # An ACK that came late, after all else of its connection, is a good cookie still: what it opens
    # has nobody at its other end, and ends when that is asked (keepalive).
    assert moved["tcp_accepted"] >= sum(client.done for client in honest)
    figure(f"{SYNS} SYNs", f"{lost} not taken by the TAP, {moved['tcp_cookies_sent']} cookies sent,"
           f" {moved.get('tcp_cookies_taken', 0)} taken,"
           f" {sum(client.done for client in honest)} honest connections")
    if not lab.SOAK:  # as the service goes, its half-open connections are reset
        host.apply({"services": None})
    host.wait_until(lambda: not connections(host), 240, "the half-open are gone")
    host.apply({})
    host.wait_until(lambda: clients.listens(host.lan.namespace, ECHO), 30, "the service is back")


# --- garbage ---

HEADER = struct.Struct("!HHIIBBHHH")


def segment(lan, sport, fields, options=b"", data=b"", src=None):
    """A frame to the echo service; fields: seq, ack, flags, window, urgent."""
    seq, ack, flags, window, urgent = fields
    options += bytes(-len(options) % 4)
    offset = (20 + len(options)) << 2 & 0xf0
    tcp = HEADER.pack(sport, ECHO, seq & 0xffffffff, ack & 0xffffffff, offset, flags & 0xff,
                      window, 0, urgent) + options + data
    src, dst = (socket.inet_aton(a) for a in (src or lan.ip, ROUTER))
    pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", internet_sum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, src, dst)
    ip = ip[:10] + struct.pack("!H", internet_sum(ip)) + ip[12:]
    macs = bytes.fromhex((lan.router_mac + lan.mac).replace(":", ""))
    return macs + b"\x08\x00" + ip + tcp


def options_of(chance):
    """Options that are right, wrong, cut off or nothing at all."""
    kind = chance.randrange(6)
    if kind < 2:
        return b""
    if kind == 2:
        return chance.randbytes(chance.randint(1, 40))
    known = [b"\x02\x04\x05\xb4", b"\x03\x03\x07", b"\x04\x02", b"\x08\x0a" + chance.randbytes(8),
             b"\x05\x0a" + chance.randbytes(8), b"\x01", b"\x00"]
    return b"".join(chance.choices(known, k=chance.randint(1, 4)))[:40]


def near(chance, number):
    """Often the number itself, or beside it; else anything."""
    return chance.choice([number, number, number + chance.randint(-3000, 3000),
                          number + chance.randint(-1 << 20, 1 << 20), chance.getrandbits(32)])


class Stranger:
    """One end of a connection that does as it likes, at an address of its own."""

    def __init__(self, lan, number, chance):
        self.lan, self.chance, self.sport = lan, chance, 20000 + number
        self.src = f"198.19.7.{number % 200 + 1}"
        self.open()

    def open(self):
        self.sport, self.refused = self.sport + 200, False
        self.seq = self.chance.getrandbits(32)
        self.lan.send(segment(self.lan, self.sport, (self.seq, 0, 2, 8192, 0),
                              b"\x02\x04\x05\xb4", src=self.src))
        self.seq, self.ack = self.seq + 1, self.their_isn() + 1
        fields = self.seq, self.ack, 16, 8192, 0
        self.lan.send(segment(self.lan, self.sport, fields, src=self.src))

    def their_isn(self):
        """Of the SYN and ACK that answers; other frames are passed over."""
        while frame := self.lan.recv_bytes(30 * lab.SLOW):
            if frame[12:14] == b"\x08\x00" and frame[23] == 6:
                _, dport, isn, _, _, flags, *_ = HEADER.unpack_from(frame, 34)
                if dport == self.sport and flags & 2:
                    return isn
        raise AssertionError("no answer to a SYN")

    def frame(self):
        chance = self.chance
        flags = chance.choice([16, 16, 16, 24, 24, 24, 17, 48, 2, 18, chance.getrandbits(8) & ~4])
        fields = (near(chance, self.seq), near(chance, self.ack), flags,
                  chance.choice([0, 1, 8192, 65535]), chance.getrandbits(16))
        data = chance.randbytes(chance.choice([0, 0, 1, 100, 1400]))
        return segment(self.lan, self.sport, fields, options_of(chance), data, self.src)


def hear(frames, strangers):
    """Strangers learn where their connections have got to, and so hit the mark again."""
    by_port = {stranger.sport: stranger for stranger in strangers}
    for frame in frames:
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        _, dport, seq, ack, offset, flags, *_ = HEADER.unpack_from(frame, 34)
        if dport in by_port and flags & 16:
            size = int.from_bytes(frame[16:18], "big") - 20 - (offset >> 4) * 4
            by_port[dport].seq, by_port[dport].ack = ack, seq + size + (flags & 1)
        if dport in by_port and flags & 4:
            by_port[dport].refused = True


def blind_frames(lan, chance, sport):
    """Guesses at somebody else's connection (RFC 5961): resets, SYNs and data."""
    for _ in range(20):
        fields = chance.getrandbits(32), chance.getrandbits(32), chance.choice([4, 20, 2, 24]), \
            8192, 0
        yield segment(lan, sport, fields, data=chance.randbytes(20))


@pytest.mark.end_to_end
def test_garbage(host):
    """On connections of their own, strangers send what they like; one of ours lives beside them."""
    chance, sent = random.Random(11), 0
    quiet = clients.connected(host.lan.namespace, ECHO, timeout=120)
    before, honest = host.counters(), Honest(host)
    strangers = [Stranger(host.lan, number, chance) for number in range(20)]
    while sent < SEGMENTS:
        stranger = chance.choice(strangers)
        if stranger.refused or chance.random() < 0.02:
            stranger.open()
        frames = [stranger.frame() for _ in range(80)]
        frames += blind_frames(host.lan, chance, quiet.getsockname()[1])
        for frame in frames:
            host.lan.socket.send(frame)
        quiet.sendall(b"still %d" % sent)
        assert clients.read_exactly(quiet, len(b"still %d" % sent)) == b"still %d" % sent
        hear(host.lan.drain_bytes(), strangers)
        sent += len(frames)
    honest.stop()
    quiet.close()
    host.check_books()
    moved = lab.moved(before, host.counters())
    assert all(moved[what] > 10 for what in (
        "tcp_accepted", "tcp_out_of_order", "tcp_challenges", "tcp_duplicates")), moved


# --- nmap ---

def test_sequence_numbers_are_hard_to_guess(host, figure):
    """nmap's rating of the ISNs, and of the IP ids as they matter for idle scans."""
    done = host.lan.namespace.run("nmap", "-n", "-Pn", "-O", "-v", "--max-os-tries", 1, "-p",
                                  f"{ECHO},{CLOSED}", ROUTER, timeout=200)
    words = done.stdout + done.stderr
    assert done.returncode == 0 and "7/tcp    open" in words, words
    difficulty = re.search(r"TCP Sequence Prediction: Difficulty=(\d+) \((.*)\)", words)
    figure("TCP sequence prediction", difficulty[0])
    assert difficulty[2] == "Good luck!", words
