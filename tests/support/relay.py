# SPDX-License-Identifier: BSD-3-Clause
"""A bad wire: carries frames between two interfaces, and loses, delays and doubles some of them.

As a program, `relay.py SEED LOSS REORDER DOUBLE IFACE IFACE`, it runs in the namespace that has
both interfaces, says "ready", and ends with its standard input; then it prints what it did as JSON.
LOSS, REORDER and DOUBLE are shares of 1, of the IPv4 packets in each direction by itself. What is
delayed goes on after the next 2 to 20 frames of its direction, or after 5 ms without one.

BadWire is the whole of it for a test: a namespace with a kernel host behind a router's port.
"""
import contextlib
import json
import random
import select
import socket
import subprocess
import sys

ETH_P_ALL, PACKET_IGNORE_OUTGOING = 3, 23
IDLE_MS = 5


class Way:
    """One direction."""

    def __init__(self, seed, shares, source, target):
        self.chance = random.Random(seed)
        self.loss, self.reorder, self.double = shares
        self.source, self.target = source, target
        self.late = []  # [frames to let pass, frame]
        self.did = {"seen": 0, "lost": 0, "reordered": 0, "doubled": 0}

    def send(self, frame):
        with contextlib.suppress(BlockingIOError, OSError):  # a full queue loses, as a wire does
            self.target.send(frame)

    def carry(self, frame):
        self.did["seen"] += 1
        dice = self.chance.random() if frame[12:14] == b"\x08\x00" else 1.0
        if dice < self.loss:
            self.did["lost"] += 1
        elif dice < self.loss + self.reorder:
            self.did["reordered"] += 1
            self.late.append([self.chance.randint(2, 20), frame])
            return
        else:
            self.send(frame)
            if dice > 1.0 - self.double:
                self.did["doubled"] += frame[12:14] == b"\x08\x00"
                self.send(frame)
        for waiting in self.late:
            waiting[0] -= 1
        self.release(lambda waiting: waiting[0] <= 0)

    def release(self, due=lambda waiting: True):
        for waiting in filter(due, self.late):
            self.send(waiting[1])
        self.late = [waiting for waiting in self.late if not due(waiting)]

    def pump(self):
        """What has come by now; False: nothing."""
        for n in range(64):
            try:
                self.carry(self.source.recv(65536))
            except BlockingIOError:
                return n > 0
        return True


def opened(iface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    s.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)
    s.bind((iface, 0))
    s.setblocking(False)
    return s


def main(seed, loss, reorder, double, *ifaces):
    a, b = map(opened, ifaces)
    shares = float(loss), float(reorder), float(double)
    ways = Way(f"{seed} there", shares, a, b), Way(f"{seed} back", shares, b, a)
    print("ready", flush=True)
    while True:
        ready = select.select([a, b, sys.stdin], [], [], IDLE_MS / 1000)[0]
        if sys.stdin in ready:
            break
        for way in ways:
            if not way.pump():
                way.release()
    print(json.dumps([way.did for way in ways]), flush=True)


class BadWire:
    """A relay in the namespace of `port`, and a kernel host in one of its own behind it."""

    def __init__(self, port, seed, loss, reorder, double):
        from support import lab
        self.namespace = lab.Namespace("far")
        self.did = None
        for words in (
                ("-n", port.namespace.name, "link", "add", "wire0", "type", "veth",
                 "peer", "name", "far0", "netns", self.namespace.name),
                ("-n", port.namespace.name, "link", "set", "wire0", "up"),
                ("-n", self.namespace.name, "link", "set", "far0", "address", port.mac, "up"),
                ("-n", self.namespace.name, "addr", "add", f"{port.ip}/24", "dev", "far0"),
                ("-n", self.namespace.name, "route", "add", "default", "via", port.router_ip)):
            lab.sh("ip", *words)
        lab.quiet(port.namespace, port.iface)
        lab.quiet(port.namespace, "wire0")
        lab.quiet(self.namespace, "far0")
        words = [*port.namespace.entering, sys.executable, "-B", __file__, seed, loss, reorder,
                 double, port.iface, "wire0"]
        self.program = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        assert self.program.stdout.readline() == "ready\n"

    def stop(self):
        """Ends it; `did` says afterwards what it did, for each direction."""
        words, _ = self.program.communicate()
        self.namespace.delete()
        self.did = json.loads(words)


if __name__ == "__main__":
    main(*sys.argv[1:])
