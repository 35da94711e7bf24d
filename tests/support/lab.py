# SPDX-License-Identifier: BSD-3-Clause
"""The lab: millrace itself between network namespaces, and raw frames in and out of its ports.

A Router is the real daemon with TAP ports. Each port's far end is a namespace, where a test either
sends and receives raw frames through a Port, or gives the kernel an address and runs real programs
(Port.become_host). Nothing has a route out, and everything is gone after Router.stop(), which is
also where the books, the buffers and the exit status are checked.
"""
import contextlib
import copy
import ctypes
import functools
import itertools
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from support import guest

TOP = Path(__file__).resolve().parents[2]
NIC = os.environ.get("MILLRACE_NIC")  # the router is in a VM, on cards of this kind (guest.py)
BUILD = Path(os.environ.get("MILLRACE_BUILD", TOP / ("build-vm" if NIC else "build")))
SLOW = 4 if NIC or "asan" in BUILD.name else 1  # what deadlines are multiplied by
TX_RING = 1024 if NIC else 0  # how many frames a port's driver keeps that it has sent
FCS = 4 if NIC == "e1000e" else 0  # bytes of a frame that some versions of QEMU count with it
LEAST = 60 if NIC in ("e1000e", "igb") else 14  # bytes; a shorter frame comes in with zeros after it
SOAK = "MILLRACE_SOAK" in os.environ  # tests/soak: what tests/run does in short, at length

BROADCAST = "ff:ff:ff:ff:ff:ff"

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
SO_TIMESTAMPNS = 35
TP_STATUS_VLAN_VALID = 0x10

libc = ctypes.CDLL(None, use_errno=True)
serial = itertools.count()


def sh(*words, **options):
    """Runs a command that has to succeed; returns what it printed."""
    options.setdefault("timeout", 30)
    done = subprocess.run(words, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}"
    return done.stdout


class Namespace:
    """A network namespace of this run's own, silent until something is put into it."""

    def __init__(self, word):
        self.name = f"mrt-{os.getpid()}-{next(serial)}-{word}"
        self.entering = ("ip", "netns", "exec", self.name)
        sh("ip", "netns", "add", self.name)
        with self.entered():
            for knob in Path("/proc/sys/net/ipv6/conf").glob("*/disable_ipv6"):
                knob.write_text("1")
        sh("ip", "-n", self.name, "link", "set", "lo", "up")

    def delete(self):
        sh("ip", "netns", "del", self.name)

    @contextlib.contextmanager
    def entered(self):
        """This thread's network is the namespace's: sockets made here stay there."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            move(there)
            try:
                yield
            finally:
                move(home)

    def run(self, *words, **options):
        """Runs a program in the namespace; returns the CompletedProcess."""
        options = {"capture_output": True, "text": True, "timeout": 60, **options}
        return subprocess.run([*self.entering, *map(str, words)], **options)

    @contextlib.contextmanager
    def running(self, *words, **options):
        """A program that runs in the namespace meanwhile, and is ended."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **options}
        program = subprocess.Popen([*self.entering, *map(str, words)], **options)
        try:
            yield program
        finally:
            program.kill()
            program.communicate()


def move(namespace):
    if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@functools.cache
def the_guest():
    """The VM of this run; started when it is first asked for."""
    return guest.Guest(NIC, Namespace("qemu"), sh)


def clear_dead_runs():
    """Deletes the namespaces of test runs that were killed (their daemons ended with them).
    Another run may just do the same."""
    for path in Path("/run/netns").glob("mrt-*"):
        if not Path("/proc", path.name.split("-")[1]).exists():
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True, timeout=30)


class Port:
    """The far end of one of the router's ports: a host with a MAC, an address and a raw socket."""

    def __init__(self, name, conf, number, home=None):
        self.name = name
        self.namespace = Namespace(name)
        self.iface, self.card = f"{name}0", None
        if "veth" in conf:
            conf["vdev"] = f"{conf.pop('veth')}{number},iface={self.make_veth(home)}"
        elif NIC:
            self.card = the_guest().take_card(
                self.namespace, self.iface, max(conf.get("mtu", 1500), 1500),
                conf.pop("half_done_sums", False))
            conf["pci"] = self.card.pci
        else:
            conf["tap"] = {"netns": self.namespace.name, "iface": self.iface}
        self.mac = f"02:00:00:00:{number:02x}:01"
        self.router_mac = conf.setdefault("mac", f"02:00:00:00:{number:02x}:fe")
        self.socket = None
        self.came = None  # when the last frame read came in by the kernel's clock, in seconds
        self.follow(conf)

    def follow(self, conf):
        """What of the port's configuration concerns its far end."""
        self.router_ip = conf["addresses"][0].split("/")[0] if conf.get("addresses") else None
        self.ip = re.sub(r"\d+$", "1", self.router_ip) if self.router_ip else None
        self.mtu = conf.get("mtu", 1500)

    def set_link(self, state):
        """As a cable that is pulled or plugged in: "up" or "down"."""
        if self.card:
            the_guest().set_link(self.card, state == "up")
        else:
            sh("ip", "-n", self.namespace.name, "link", "set", self.iface, state)

    def make_veth(self, home):
        """A veth from here to the router's namespace; its end there."""
        end = f"{self.name}-mr"
        sh("ip", "-n", home.name, "link", "add", end, "type", "veth",
           "peer", "name", self.iface, "netns", self.namespace.name)
        for namespace, iface in (home, end), (self.namespace, self.iface):
            quiet(namespace, iface)
            sh("ip", "-n", namespace.name, "link", "set", iface, "up")
        return end

    def open(self):
        with self.namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.bind((self.iface, 0))
        self.socket.setblocking(False)

    def close(self):
        if self.socket:
            self.socket.close()
        if self.card:
            the_guest().give_back(self.card, self.namespace, self.iface)
        self.namespace.delete()

    # frames

    def ether(self, **fields):
        """An Ethernet header from this host to the router."""
        return Ether(**{"src": self.mac, "dst": self.router_mac, **fields})

    def to(self, dst, **fields):
        """Ethernet and IPv4 headers from this host, by way of the router."""
        return self.ether() / IP(**{"src": self.ip, "dst": dst, **fields})

    def to_all(self, dst="255.255.255.255", link=BROADCAST, **fields):
        """The same in a broadcast or multicast frame."""
        return self.ether(dst=link) / IP(**{"src": self.ip, "dst": dst, **fields})

    def send(self, *frames):
        for frame in frames:
            self.socket.send(bytes(frame))

    def recv_bytes(self, timeout=0.0):
        """The next frame that the router sent, with its VLAN tag; None after timeout seconds."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return None
        frame, control, _, _ = self.socket.recvmsg(65536, 256)
        for level, kind, data in control:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, *_, tci, tpid = struct.unpack("IIIHHHH", data[:20])
                if status & TP_STATUS_VLAN_VALID:  # the kernel has cut the tag out
                    frame = frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", data)
                self.came = seconds + nanoseconds / 1e9
        return frame

    def recv(self, timeout=0.0):
        frame = self.recv_bytes(timeout)
        return None if frame is None else Ether(frame)

    def expect(self, match, timeout=2.0):
        """The first frame for which match(frame) holds; what comes before it is passed over."""
        deadline, passed_over = time.monotonic() + timeout * SLOW, []
        while (left := deadline - time.monotonic()) > 0:
            if (frame := self.recv(left)) is not None:
                if match(frame):
                    return frame
                passed_over.append(frame.summary())
        raise AssertionError(f"{self.name}: not seen in {timeout} s; seen: {passed_over}")

    def drain(self):
        """Everything that has arrived by now."""
        return list(iter(self.recv, None))

    def drain_bytes(self):
        """The same, as bytes and so at less cost."""
        return list(iter(self.recv_bytes, None))

    # this host's side of ARP

    def arp(self, op, psrc=None, pdst=None, hwdst=None, dst=None, **fields):
        """An ARP frame from this host: a broadcast, or to `dst`."""
        body = ARP(op=op, hwsrc=self.mac, psrc=psrc or self.ip, pdst=pdst or self.router_ip,
                   hwdst=hwdst or "00:00:00:00:00:00", **fields)
        return self.ether(dst=dst or BROADCAST) / body

    def introduce(self, ip=None):
        """Asks for the router, which thereby knows this host (RFC 826)."""
        self.send(self.arp("who-has", psrc=ip))
        self.expect(lambda f: ARP in f and f[ARP].op == 2 and f[ARP].psrc == self.router_ip)

    def answer_arp(self, ip, timeout=2.0):
        """Waits for the router to ask for ip, and answers it as this host; returns the request."""
        asked = self.expect(lambda f: ARP in f and f[ARP].op == 1 and f[ARP].pdst == ip, timeout)
        self.send(self.arp("is-at", psrc=ip, pdst=self.router_ip, hwdst=self.router_mac,
                           dst=self.router_mac))
        return asked

    # the kernel as the host

    def become_host(self):
        """Gives the kernel this host's address, with its default route through the router."""
        name = self.namespace.name
        quiet(self.namespace, self.iface)
        sh("ip", "-n", name, "link", "set", self.iface, "address", self.mac, "mtu", str(self.mtu))
        sh("ip", "-n", name, "addr", "add", f"{self.ip}/24", "dev", self.iface)
        sh("ip", "-n", name, "route", "add", "default", "via", self.router_ip)


def quiet(namespace, iface):
    """Takes the kernel's offloads from an interface: its frames look as they would on a wire."""
    namespace.run("ethtool", "-K", iface, *"tx off rx off gso off gro off tso off".split())


class Outcome:
    """What came of some frames: `out` by port name, `drops` by reason, `counters` that moved."""

    def __init__(self, out, drops, counters):
        self.out, self.drops, self.counters = out, drops, counters

    def only(self, port):
        """The one frame that came out, which has to be on this port."""
        assert [name for name, frames in self.out.items() for _ in frames] == [port.name], self
        return self.out[port.name][0]

    def nothing(self, **drops):
        """Asserts that no frame came out, and these drops and no other were counted."""
        assert not any(self.out.values()) and self.drops == drops, self

    def one_drop(self, *reasons):
        """Asserts that no frame came out, and one was dropped for one of these reasons, or any."""
        assert not any(self.out.values()) and sum(self.drops.values()) == 1, self
        assert not reasons or set(self.drops) <= set(reasons), self

    def __repr__(self):
        frames = {name: [f.summary() for f in frames] for name, frames in self.out.items()}
        return f"out {frames}, drops {self.drops}"


BASE = {
    "system": {"workers": 1, "hugepages": "off"},
    "ports": {
        "lan": {"addresses": ["198.18.0.254/24"]},
        "wan": {"addresses": ["198.18.1.254/24"]},
    },
}


def merged(below, above):
    """A deep copy of `below` with `above` laid over it; None takes a key away."""
    out = copy.deepcopy(below)
    for key, value in above.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out[key] = copy.deepcopy(value)
    return out


class Daemon:
    """A millrace process, its configuration file, its control socket and its log.

    It is ready when it answers and all that it has routes for is in force.
    `home` is the namespace that it runs in, the machine's own by default.
    """

    def __init__(self, home=None):
        self.directory = tempfile.TemporaryDirectory(
            prefix="mrt-", dir=the_guest().path if NIC else None)
        self.path = Path(self.directory.name)
        self.socket, self.log = self.path / "ctl.sock", self.path / "log"
        if NIC:
            self.socket = Path("/run/millrace", self.path.name)
        self.file = self.path / "millrace.yaml"
        self.daemon, self.home = None, home

    def start(self):
        if NIC:
            if self.daemon:
                self.daemon.forget()
            self.daemon = guest.Process(
                the_guest(), [BUILD / "app/millrace", self.file], self.log, self.socket)
            return
        with self.log.open("w") as log:
            self.daemon = subprocess.Popen(
                [*(self.home.entering if self.home else ()),
                 "setpriv", "--pdeathsig", "TERM", BUILD / "app/millrace", self.file],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def await_ready(self):
        self.wait_until(self.ready, 15, "it is ready")

    def ready(self):
        try:
            routes = self.ctl("show", "routes")["routes"]
        except CtlError:
            return False
        return all(route["installed"] for route in routes if route["best"])

    def wait_until(self, holds, seconds, what):
        deadline = time.monotonic() + seconds * SLOW
        while not holds():
            if self.daemon.poll() is not None:
                status = self.daemon.returncode
                raise AssertionError(f"millrace ended with {status}:\n{self.words()}")
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.words()}"
            time.sleep(0.01)

    def words(self):
        """The last of what it logged."""
        return self.log.read_text()[-4000:]

    def runtime(self):
        """The folders of DPDK's that the process has files in."""
        folders = set()
        if NIC:
            return folders  # the guest's, gone with it
        for fd in Path(f"/proc/{self.daemon.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if "/dpdk/" in (link := os.readlink(fd)):
                    folders.add(Path(link).parent)
        return folders

    def stop(self):
        """Ends it, unless it has ended, and checks that it was in order and leaves nothing."""
        if self.daemon is None:
            return
        try:
            self.check_books()
            runtime = self.runtime()
            self.daemon.send_signal(signal.SIGTERM)
            status = self.daemon.wait(10 * SLOW)
            assert status == 0, f"exit status {status}:\n{self.words()}"
            assert not self.socket.exists(), "the control socket is left"
            assert not any(path.exists() for path in runtime), f"left behind: {runtime}"
        finally:
            self.abandon()

    def abandon(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        if NIC and self.daemon:
            self.daemon.forget()
        self.daemon = None
        self.directory.cleanup()

    # the operator's view

    @property
    def control(self):
        """Where its control socket is reached from here."""
        return self.daemon.control if NIC and self.daemon else self.socket

    def ctl(self, *words):
        """millctl --json WORDS: its answer; CtlError with its words if it fails.

        A worker that did not get to its answer within a second, on a machine that has more to do
        than it can, is asked again.
        """
        for _ in range(30):
            done = subprocess.run([BUILD / "app/millctl", "--socket", self.control, "--json", *words],
                                  capture_output=True, text=True, timeout=10 * SLOW)
            if done.returncode == 0 or "did not answer within" not in done.stderr:
                break
        if done.returncode != 0:
            raise CtlError(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def drops(self):
        return {row["reason"]: row["count"] for row in self.ctl("show", "drops")}

    def counters(self):
        return self.ctl("show", "counters")

    def check_books(self):
        books = self.counters()
        assert books["balanced"], books
        assert books["rx"] + books["originated"] == \
            books["tx"] + books["consumed"] + books["held"] + books["drops"], books


class Router(Daemon):
    """The daemon with a configuration: BASE with `changes` laid over it.

    A port is a TAP; `veth: DRIVER` in its place is a veth on which DPDK's driver of that name sits,
    and that needs `home`, the namespace to run in. A port with a `vdev` has no far end here. In the
    VM a port is a card; `half_done_sums: True` asks for one whose far end is not on a wire. With
    wait=False it is only started: await_ready() is left to the caller.
    """

    def __init__(self, changes=None, introduce=True, home=None, wait=True):
        super().__init__(home)
        self.conf = self.whole(changes)
        self.ports = {}
        try:
            for number, (name, conf) in enumerate(self.conf["ports"].items(), 1):
                if "vdev" not in conf:
                    self.ports[name] = Port(name, conf, number, home)
            self.file.write_text(json.dumps(self.conf, indent=2))  # JSON is YAML
            self.start()
            if wait:
                self.await_ready()
            if introduce:
                self.introduce()
        except BaseException:
            self.abandon()
            raise

    def __getattr__(self, name):
        try:
            return self.__dict__["ports"][name]
        except KeyError:
            raise AttributeError(name) from None

    def whole(self, changes):
        """The configuration that this is, laid over the lab's."""
        conf = merged(BASE, changes or {})
        conf["system"]["control_socket"] = str(self.socket)
        if NIC:
            conf["system"]["hugepages"] = "on"
        return conf

    def becomes(self, changes):
        """Whether the running router is now one with these changes, as if it had been started so."""
        conf = self.whole(changes)
        if conf["system"] != self.conf["system"] or list(conf["ports"]) != list(self.ports):
            return False
        for name, port in self.ports.items():
            conf["ports"][name].update(pci=port.card.pci, mac=port.router_mac)
        self.file.write_text(json.dumps(conf, indent=2))
        try:
            self.ctl("config", "apply", str(self.file))
        except CtlError:
            return False
        self.conf = conf
        for name, port in self.ports.items():
            port.follow(conf["ports"][name])
            sh("ip", "-n", port.namespace.name, "link", "set", port.iface, "mtu",
               str(max(port.mtu, 1500)))
        self.wait_until(self.ready, 15, "it is ready")
        self.introduce()
        return True

    def ready(self):
        return super().ready() and all(row["link"] == "up" for row in self.ctl("show", "ports"))

    def await_ready(self):
        super().await_ready()
        for port in self.ports.values():
            port.open()

    def abandon(self):
        super().abandon()
        for port in self.ports.values():
            port.close()

    def apply(self, changes):
        """Applies the configuration with `changes` laid over it, and not over earlier ones."""
        path = self.path / "next.yaml"
        path.write_text(json.dumps(merged(self.conf, changes), indent=2))
        return self.ctl("config", "apply", str(path))

    def set_link(self, port, state):
        """The port's cable is pulled or plugged in, and the router has seen it."""
        port.set_link(state)

        def there():
            rows = self.ctl("show", "ports")
            return [row["link"] for row in rows if row["name"] == port.name] == [state]

        self.wait_until(there, 5, f"{port.name} is {state}")

    # frames in, frames out

    def introduce(self):
        """Every port's host becomes known to the router."""
        for port in self.ports.values():
            if port.ip:
                port.introduce()

    def send(self, port, *frames):
        """Sends frames in by a port, waits until the router is done with them; what came of it.

        Done is when echo requests that came in by every port after them are answered, twice: a
        reply may overtake what another port's lane still holds of the same pass, not of an earlier.
        """
        self.settle()
        drops, counters = self.drops(), self.counters()
        port.send(*frames)
        out = {name: [] for name in self.ports}
        for _ in range(2):
            for name, seen in self.settle().items():
                out[name] += seen
        return Outcome(out, moved(drops, self.drops()), moved(counters, self.counters()))

    def settle(self):
        """One echo request and its reply on every port; the other frames that came meanwhile."""
        return {name: self.echo(port) for name, port in self.ports.items() if port.ip}

    def echo(self, port):
        mark, seen = os.urandom(8), []
        port.send(port.to(port.router_ip) / ICMP(type="echo-request", id=0x6d72) / Raw(mark))

        def ours(frame):
            if ICMP in frame and frame[ICMP].type == 0 and mark in bytes(frame):
                return True
            if not is_announcement(frame, port):
                seen.append(frame)
            return False

        port.expect(ours)
        return seen


class CtlError(Exception):
    """millctl failed; str() is what it said."""


def moved(before, after):
    """What counts more than before, by how much; names that only `after` has began at zero."""
    return {name: count - before.get(name, 0) for name, count in after.items()
            if isinstance(count, int) and not isinstance(count, bool)
            and count != before.get(name, 0)}


def is_announcement(frame, port):
    """An ARP probe or announcement of the router's own address, which it sends when it likes."""
    return ARP in frame and frame[ARP].op == 1 and frame[ARP].hwsrc == port.router_mac and \
        frame[ARP].psrc in ("0.0.0.0", frame[ARP].pdst)
