# SPDX-License-Identifier: BSD-3-Clause
"""millrace with punt interfaces in a namespace where routing daemons speak for it; between a client
and two neighbours:

    client 198.18.0.1 --- lan [millrace, FRR] up1 --- 198.18.1.1 Linux, FRR
                                              up2 --- 198.18.2.1 Linux, FRR
"""
import contextlib
import itertools
import select
import socket
import struct
import threading
import time

from support import lab
from support.frr import Frr, await_true

ECHO = 7
CLIENTS = "198.18.0.0/24"
SHARED = "198.18.128.0/24"  # both neighbours have it
THERE = "198.18.128.9"


class Site:
    """A router with a punt interface k-NAME for each port, and its daemons; `more` is laid over its
    configuration."""

    def __init__(self, ports, workers=1, more=None):
        self.namespace = lab.Namespace("frr")
        self.router = self.frr = None
        self.peers = []
        conf = {name: {**conf, "kernel": f"k-{name}"} for name, conf in ports.items()}
        try:
            self.router = lab.Router(lab.merged({
                "system": {"workers": workers, "kernel": {"netns": self.namespace.name}},
                "ports": {"lan": None, "wan": None, **conf}}, more or {}), introduce=False)
        except BaseException:
            self.namespace.delete()
            raise

    def stop(self):
        try:
            for speaker in self, *self.peers:
                if speaker.frr:
                    speaker.frr.stop()
            self.router.stop()
        finally:
            self.namespace.delete()

    def speak(self, conf):
        self.frr = Frr(self.namespace, conf)

    def await_ways_back(self):
        """Until the peers' kernels know the client's network."""
        for peer in self.peers:
            await_true(lambda: peer.namespace.run("ip", "route", "show", CLIENTS).stdout, 60,
                       f"{peer.ip} has a route to {CLIENTS}", peer.frr.words)

    def reroute(self, outage, gateway):
        """When datagrams were lost that were sent since the outage (a context) began, in seconds
        after that; it lasts until they leave by the gateway."""
        with Stream(self) as stream:
            stream.wait_for(200)
            with outage:
                begun = time.monotonic()
                self.await_gateways(SHARED, [gateway])
                stream.wait_for(200)
                stream.end()
        return [when - begun for when in stream.lost() if when >= begun]

    def restart_router(self):
        """millrace ends and starts again, and its TAPs with it; the daemons go on."""
        self.router.daemon.terminate()
        assert self.router.daemon.wait(20 * lab.SLOW) == 0, self.router.words()
        for port in self.router.ports.values():
            port.socket.close()
        self.router.start()
        self.router.await_ready()
        self.client.become_host()
        for peer in self.peers:
            peer.connect()

    def routes(self, within, limit=100):
        """The kernel's routes that are in force: {prefix: [gateway]}."""
        rows = self.router.ctl("show", "routes", within, "origin", "kernel", "limit", str(limit))
        return {row["prefix"]: sorted(hop["via"] for hop in row["next_hops"] if hop["port"])
                for row in rows["routes"] if row["best"] and row["installed"]}

    def await_gateways(self, prefix, gateways):
        """Until packets to the prefix leave by these; none: until the prefix is gone."""
        want = {prefix: gateways} if gateways else {}
        await_true(lambda: self.routes(prefix) == want, 60, f"{prefix} by way of {gateways}",
                   self.frr.words)


def join(*ports, addresses):
    """Bridges two ports' far ends into one network; the host with the addresses is in the last
    one's namespace, which is returned."""
    there, here = (port.namespace for port in ports)
    lab.sh("ip", "-n", here.name, "link", "add", "name", "wire", "type", "veth",
           "peer", "name", "wire", "netns", there.name)
    for port in ports:
        name = port.namespace.name
        lab.sh("ip", "-n", name, "link", "add", "bridge0", "type", "bridge")
        for iface in port.iface, "wire":
            lab.quiet(port.namespace, iface)
            lab.sh("ip", "-n", name, "link", "set", iface, "master", "bridge0", "up")
        lab.sh("ip", "-n", name, "link", "set", "bridge0", "up")
    for address in addresses:
        lab.sh("ip", "-n", here.name, "addr", "add", f"{address}/24", "dev", "bridge0")
    return here


@contextlib.contextmanager
def between_neighbours(workers, ours, theirs):
    """A Site with two Peers that have SHARED; configurations are `ours` and theirs(peer)."""
    site = Site({"lan": {"addresses": ["198.18.0.254/24"]},
                 "up1": {"addresses": ["198.18.1.254/24"]},
                 "up2": {"addresses": ["198.18.2.254/24"]}}, workers)
    try:
        site.client, *far = site.router.ports.values()
        site.client.become_host()
        for port in far:
            site.peers.append(Peer(port))
            site.peers[-1].announce(SHARED)
            site.peers[-1].speak(theirs(site.peers[-1]))
        site.speak(ours)
        yield site
    finally:
        site.stop()


class Peer:
    """A router of Linux' and FRR's behind a port: it has every address of ANY."""

    ANY = "198.18.128.0/17", "198.19.0.0/16"

    def __init__(self, port):
        self.port, self.namespace, self.ip = port, port.namespace, port.ip
        self.frr = None
        name = self.namespace.name
        self.connect()
        # Without a rule of its own, Linux keeps what is local in one table with the blackholes.
        lab.sh("ip", "-n", name, "rule", "add", "pref", "1", "lookup", "local")
        for prefix in self.ANY:
            lab.sh("ip", "-n", name, "route", "add", "local", prefix, "dev", "lo")

    def connect(self):
        """A host that has no route but what it learns."""
        self.port.become_host()
        lab.sh("ip", "-n", self.namespace.name, "route", "del", "default")

    def speak(self, conf):
        self.frr = Frr(self.namespace, conf)

    def announce(self, *prefixes, verb="add"):
        """Routes in its kernel for FRR to redistribute; verb "del" takes them back."""
        done = self.namespace.run(
            "ip", "-batch", "-", input="".join(f"route {verb} blackhole {p}\n" for p in prefixes))
        assert done.returncode == 0, done.stderr

    # the wire from it to the port

    @contextlib.contextmanager
    def silent(self):
        """Nothing that it sends arrives meanwhile, and no carrier is lost."""
        self.queue("add", "pfifo", "limit", 0)
        try:
            yield
        finally:
            self.queue("del")

    @contextlib.contextmanager
    def unplugged(self):
        self.set_link("down")
        try:
            yield
        finally:
            self.set_link("up")

    def set_link(self, state):
        lab.sh("ip", "-n", self.namespace.name, "link", "set", self.port.iface, state)

    def queue(self, verb, *kind):
        done = self.namespace.run("tc", "qdisc", verb, "dev", self.port.iface, "root", *kind)
        assert done.returncode == 0, done.stderr


class Stream:
    """Datagrams from a client to THERE, which several peers have; who gets one sends it back."""

    FLOWS, SECONDS = 16, 0.002

    def __init__(self, site):
        self.sent, self.back = [], {}  # when each was sent; {number: the peer that sent it back}
        self.ends = threading.Event()
        self.servers = [udp_socket(peer.namespace, lambda s: s.bind((THERE, ECHO)))
                        for peer in site.peers]
        self.flows = [udp_socket(site.client.namespace, lambda s: s.connect((THERE, ECHO)))
                      for _ in range(self.FLOWS)]
        self.threads = [threading.Thread(target=target) for target in (self.send, self.carry)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def end(self):
        """No more are sent; those on their way have a second."""
        self.ends.set()
        for thread in self.threads:
            thread.join()

    def __exit__(self, *_):
        self.end()
        for s in self.servers + self.flows:
            s.close()

    def send(self):
        for number in itertools.count():
            if self.ends.wait(self.SECONDS):
                break
            self.sent.append(time.monotonic())
            with contextlib.suppress(OSError):  # an ICMP error that came for an earlier one
                self.flows[number % self.FLOWS].send(struct.pack("!I", number))

    def carry(self):
        poll = select.poll()
        by_fd = {s.fileno(): s for s in self.servers + self.flows}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while (ready := poll.poll(1000 * lab.SLOW)) or not self.ends.is_set():
            for fd, _ in ready:
                self.take(by_fd[fd])

    def take(self, s):
        with contextlib.suppress(OSError):
            if s in self.servers:
                data, sender = s.recvfrom(100)
                s.sendto(data + bytes([self.servers.index(s)]), sender)
            else:
                number, peer = struct.unpack("!IB", s.recv(100))
                self.back[number] = peer

    def lost(self):
        """When those that never came back were sent."""
        return [when for number, when in enumerate(self.sent) if number not in self.back]

    def wait_for(self, count):
        """Until so many more have come back."""
        end = len(self.back) + count
        await_true(lambda: len(self.back) >= end, 20, f"{count} datagrams came back")


def udp_socket(namespace, prepare):
    with namespace.entered():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    s.setblocking(False)
    prepare(s)
    return s
