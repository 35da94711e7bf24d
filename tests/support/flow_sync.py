# SPDX-License-Identifier: BSD-3-Clause
"""The other instance of a balancer, as lib/lb/include/lb/sync.h describes it: hellos, flows, tags."""
import os
import socket
import struct

from scapy.layers.inet import UDP
from scapy.packet import Raw

MASK = (1 << 64) - 1
HELLO, FLOWS = 1, 2
ESTABLISHED, CLOSING, CLOSED = 1, 2, 3
NONE = "0.0.0.0", 0


def siphash(key, data):
    """SipHash-2-4 (Aumasson and Bernstein) of some bytes."""
    v = [key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
         key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573]

    def turn(x, n):
        return (x << n | x >> (64 - n)) & MASK

    def rounds(n):
        a, b, c, d = v
        for _ in range(n):
            a, c = (a + b) & MASK, (c + d) & MASK
            b, d = turn(b, 13) ^ a, turn(d, 16) ^ c
            a = turn(a, 32)
            a, c = (a + d) & MASK, (c + b) & MASK
            d, b = turn(d, 21) ^ a, turn(b, 17) ^ c
            c = turn(c, 32)
        v[:] = a, b, c, d

    whole = len(data) // 8 * 8
    words = [*struct.unpack(f"<{whole // 8}Q", data[:whole]),
             int.from_bytes(data[whole:], "little") | (len(data) & 255) << 56]
    for word in words:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 255
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def key_of(text):
    return tuple(siphash(pair, text.encode()) for pair in ((1, 2), (3, 4)))


class Flow:
    """A record; addresses are texts. A mapping of a masquerade has service and backend NONE."""

    FORM = struct.Struct("!4s4s4s4sHHHHHBBB3x")

    def __init__(self, client, service, backend, age=0, proto=6, state=ESTABLISHED, marks=0,
                 nat=NONE):
        self.client, self.service, self.backend, self.nat = client, service, backend, nat
        self.age, self.proto, self.state, self.marks = age, proto, state, marks

    def pack(self):
        ends = self.client, self.service, self.backend, self.nat
        return self.FORM.pack(*(socket.inet_aton(end[0]) for end in ends),
                              *(end[1] for end in ends),
                              self.age, self.proto, self.state, self.marks)

    @classmethod
    def unpack(cls, data):
        fields = cls.FORM.unpack(data)
        client, service, backend, nat = zip(map(socket.inet_ntoa, fields[:4]), fields[4:8])
        return cls(client, service, backend, *fields[8:], nat=nat)

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __repr__(self):
        return f"Flow({vars(self)})"


class Peer:
    """At the far end of a port, which has its address."""

    def __init__(self, port, key, number=7780):
        self.port, self.key, self.number = port, key_of(key), number
        self.session = int.from_bytes(os.urandom(8), "big") | 1
        self.said = {}
        self.router_session = self.nonce = 0

    def datagram(self, kind, body=b"", slot=0, records=0, session=None, number=None, key=None):
        """The bytes of one: the next of its kind and slot."""
        if number is None:
            number = self.said[kind, slot] = self.said.get((kind, slot), 0) + 1
        data = struct.pack("!2s6BQQ", b"mr", 1, kind, slot, records, Flow.FORM.size * (records > 0),
                           0, self.session if session is None else session, number) + body
        return data + struct.pack("!Q", siphash(key or self.key, data))

    def send(self, data, **fields):
        self.port.send(self.port.to(self.port.router_ip, **fields) /
                       UDP(sport=self.number, dport=self.number) / Raw(data))

    def tell(self, flow, slot):
        self.send(self.datagram(FLOWS, flow.pack(), slot, 1))

    def hear(self, kind):
        """The next datagram of the kind: its head, session, and body."""
        def is_one(frame):
            return UDP in frame and frame[UDP].dport == self.number and \
                bytes(frame[UDP].payload)[3] == kind
        frame = self.port.expect(is_one, 10)
        data = bytes(frame[UDP].payload)[:frame[UDP].len - 8]
        head, session, _ = struct.unpack("!8sQQ", data[:24])
        assert head[:3] == b"mr\1" and siphash(self.key, data[:-8]) == \
            int.from_bytes(data[-8:], "big")
        return head, session, data[24:-8]

    def greet(self):
        """Until the router listens, and tells."""
        knows = 0
        while knows != self.session:
            _, self.router_session, body = self.hear(HELLO)
            self.nonce, _, knows = struct.unpack("!QQQ", body)
            self.say_hello()

    def say_hello(self):
        """Without one for five seconds the router listens no more."""
        self.send(self.datagram(HELLO, struct.pack("!QQQ", os.getpid(), self.nonce,
                                                   self.router_session)))
