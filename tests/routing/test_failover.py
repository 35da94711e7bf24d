# SPDX-License-Identifier: BSD-3-Clause
"""Two instances of millrace that balance for one address, and tell each other their flows: what is
established goes on when the one that has the address dies.

    client 198.18.0.1 --+-- lan 198.18.0.253 [millrace, priority 150] wan 198.18.1.253 --+-- nginx
                        '-- lan 198.18.0.252 [millrace, priority 100] wan 198.18.1.252 --'

keepalived moves the service's address, which is the client's gateway, too, the backends' gateway
198.18.1.250, and the addresses of the pool and the masquerade together.
"""
import contextlib
import hashlib
import http.client
import itertools
import re
import threading

import pytest

from support import lab
from support.frr import Keepalived, await_true
from support.routing_lab import Site, join
from support.webservers import Nginx

SERVICE, GATEWAY, POOL, OURS = "198.18.0.100", "198.18.1.250", "198.18.1.110", "198.18.1.111"
CLIENT = "198.18.0.1"
BACKENDS = [f"198.18.1.{host}" for host in (1, 2, 3)]
MODES = {"nat": {"mode": "nat"}, "full-nat": {"mode": "full-nat", "pool": "inner"},
         "masquerade": {"mode": "nat"}}
DOWNLOADS, TALKS = (64, 400) if lab.SOAK else (8, 40)
BYTES, RATE = (16 << 20, 512 << 10) if lab.SOAK else (3 << 20, 384 << 10)


class Instance(Site):
    keepalived = None

    def __init__(self, number, workers, mode):
        own, other = 254 - number, 251 + number
        super().__init__(
            {name: {"addresses": [f"198.18.{net}.{own}/24"], "mac": f"02:00:00:00:{net:02x}:{own:02x}"}
             for net, name in enumerate(("lan", "wan"))},
            workers=workers, more={"balancers": {
                "services": {"web": {
                    "address": SERVICE, "port": "80", "scheduler": "round-robin", "takeover": True,
                    **MODES[mode],
                    "backends": [{"address": backend, "port": 80} for backend in BACKENDS]}},
                "pools": {"inner": {"addresses": [POOL], "takeover": True}},
                "masquerades": {"home": {"inside": "198.18.0.0/24", "out": "wan", "address": OURS,
                                         "takeover": True}} if mode == "masquerade" else {},
                "sync": {"address": f"198.18.1.{own}", "peer": f"198.18.1.{other}",
                         "key": "between these two"}}})
        self.mac = self.router.lan.router_mac

    def compete(self, priority):
        self.keepalived = Keepalived(self.namespace, "k-lan", f"{SERVICE}/24", priority,
                                     {f"{address}/24": "k-wan" for address in (GATEWAY, POOL, OURS)})

    def die(self):
        self.router.abandon()
        self.keepalived.kill()

    def counted(self, name):
        return self.router.counters()[name]

    def stop(self):
        if self.keepalived:
            self.keepalived.stop()
        super().stop()


class World:
    """The instances, the one with more priority first, the client's namespace, and nginx."""

    def __init__(self, workers, mode):
        self.instances, self.nginx = [], None
        self.hosts = itertools.cycle(BACKENDS if mode == "masquerade" else [SERVICE])
        try:
            for number in 1, 2:
                self.instances.append(Instance(number, workers[number - 1], mode))
            self.client = join(*(i.router.lan for i in self.instances), addresses=[CLIENT])
            self.servers = join(*(i.router.wan for i in self.instances), addresses=BACKENDS)
            lab.sh("ip", "-n", self.servers.name, "route", "add", "default", "via", GATEWAY)
            lab.sh("ip", "-n", self.client.name, "route", "add", "198.18.1.0/24", "via", SERVICE)
            self.nginx = Nginx(self.servers, BACKENDS, BYTES, RATE)
            for instance, priority in zip(self.instances, (150, 100)):
                instance.compete(priority)
            await_true(lambda: self.holders() == {self.instances[0].mac}, 60, "the first has it",
                       self.instances[0].keepalived.words)
            await_true(lambda: all(i.counted("hellos_heard") > 2 for i in self.instances), 60,
                       "they have met", self.instances[1].router.words)
        except BaseException:
            self.stop()
            raise

    def holders(self):
        """The MACs that answer when the client asks for the service's address."""
        done = self.client.run("arping", "-c", 1, "-w", 1, "-I", "bridge0", SERVICE)
        return {mac.lower() for mac in re.findall(r"reply from \S+ \[(\S+)\]", done.stdout)}

    def stop(self):
        for instance in self.instances:
            instance.stop()
        if self.nginx:
            self.nginx.stop()


CASES = [("nat", 1, 2), ("full-nat", 1, 2), ("masquerade", 2, 1)]
if lab.SOAK:
    CASES += [("nat", 2, 1), ("nat", 2, 2), ("full-nat", 2, 1), ("full-nat", 2, 2),
              ("masquerade", 1, 1)]


@pytest.fixture(params=CASES, ids="{0[0]}, workers {0[1]} and {0[2]}".format)
def world(request):
    mode, *workers = request.param
    it = World(workers, mode)
    try:
        yield it
    finally:
        it.stop()


class Talk:
    """A connection that is kept, and asks again and again who serves it."""

    def __init__(self, world):
        self.connection = http.client.HTTPConnection(next(world.hosts), timeout=60 * lab.SLOW)
        with world.client.entered():
            self.connection.connect()
        self.server = self.ask()

    def ask(self):
        """Fails if the connection has ended: it is not opened again."""
        assert self.connection.sock is not None
        self.connection.request("GET", "/")
        return self.connection.getresponse().read().decode().strip()


class Downloads:
    """Some at once, each of the big file, in a thread of its own."""

    def __init__(self, world, count):
        self.digests, self.begun = [], 0
        self.threads = [threading.Thread(target=self.one, args=(world,)) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def one(self, world):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(next(world.hosts), timeout=60 * lab.SLOW)
            with world.client.entered():
                connection.connect()
            connection.request("GET", "/big")
            answer, digest = connection.getresponse(), hashlib.sha256()
            self.begun += 1
            while part := answer.read(65536):
                digest.update(part)
            self.digests.append(digest.hexdigest())

    def results(self):
        for thread in self.threads:
            thread.join()
        return self.digests


class Load:
    """New connections all the time, one request on each. One that was begun and ended in the same
    phase, before the change or after it, has to succeed."""

    def __init__(self, world, threads):
        self.world, self.phase, self.failed = world, "before", []
        self.served = {"before": 0, "after": 0}
        self.threads = [threading.Thread(target=self.ask) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        while (phase := self.phase) != "end":
            try:
                Talk(self.world).connection.close()
                if phase in self.served:
                    self.served[phase] += 1
            except (OSError, http.client.HTTPException) as e:
                if phase == self.phase != "between":
                    self.failed.append(f"{phase}: {e!r}")

    def serve(self, phase, count):
        """Until so many were served in the phase, which begins now."""
        self.phase = phase
        await_true(lambda: self.served[phase] >= count, 60, f"{count} are served {phase}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.phase = "end"
        for thread in self.threads:
            thread.join()


def test_established_connections_go_on(world, figure):
    first, second = world.instances
    with Load(world, 4) as load:
        downloads = Downloads(world, DOWNLOADS)
        talks = [Talk(world) for _ in range(TALKS)]
        assert {talk.server for talk in talks} == set(BACKENDS)
        await_true(lambda: downloads.begun == DOWNLOADS, 30, "all downloads have begun")
        await_true(lambda: second.counted("flows_taken") >= DOWNLOADS + TALKS, 30, "they are told")
        load.serve("before", 200)

        load.phase = "between"
        first.die()
        assert [talk.ask() for talk in talks] == [talk.server for talk in talks]
        assert downloads.results() == DOWNLOADS * [world.nginx.digest]
        assert world.holders() == {second.mac}
        load.serve("after", 200)
    assert load.failed == []
    figure("flows told to the second instance", second.counted("flows_taken"))
