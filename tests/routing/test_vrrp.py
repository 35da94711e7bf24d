# SPDX-License-Identifier: BSD-3-Clause
"""VRRP: two instances of millrace on one network, and an address that their keepaliveds move.

    client 198.18.0.1 --+-- lan 198.18.0.253 [millrace, keepalived of priority 150]
                        '-- lan 198.18.0.252 [millrace, keepalived of priority 100]
"""
import re

import pytest

from support.frr import Keepalived, await_true
from support.routing_lab import Site, join

VIRTUAL = "198.18.0.100"
CLIENT = "198.18.0.1"


class Instance(Site):
    keepalived = None

    def __init__(self, number):
        super().__init__({"lan": {"addresses": [f"198.18.0.{254 - number}/24"],
                                  "mac": f"02:00:00:00:00:{254 - number:02x}"}}, workers=number)
        self.mac = self.router.lan.router_mac

    def compete(self, priority):
        self.keepalived = Keepalived(self.namespace, "k-lan", f"{VIRTUAL}/24", priority)

    def die(self):
        self.router.abandon()
        self.keepalived.kill()

    def has_address(self):
        rows = self.router.ctl("show", "routes", "address", VIRTUAL)["routes"]
        return [row["kind"] for row in rows] == ["local"]

    def stop(self):
        if self.keepalived:
            self.keepalived.stop()
        super().stop()


@pytest.fixture
def network():
    """The two instances, the one with more priority first, and the client's namespace."""
    instances = []
    try:
        for number in 1, 2:
            instances.append(Instance(number))
        client = join(*(instance.router.lan for instance in instances), addresses=[CLIENT])
        for instance, priority in zip(instances, (150, 100)):
            instance.compete(priority)
        yield *instances, client
    finally:
        for instance in instances:
            instance.stop()


def answers(client):
    """The MACs that answer when the client asks for the virtual address."""
    done = client.run("arping", "-c", 2, "-w", 2, "-I", "bridge0", VIRTUAL)
    return {mac.lower() for mac in re.findall(r"reply from \S+ \[(\S+)\]", done.stdout)}


def pings(client):
    done = client.run("ping", "-n", "-c", 5, "-i", 0.05, "-W", 2, VIRTUAL)
    return " 0% packet loss" in done.stdout


def await_holder(client, instance):
    """Until it alone answers, and pings have a reply each."""
    await_true(lambda: answers(client) == {instance.mac} and pings(client), 60,
               f"{instance.mac} has the address", instance.keepalived.words)
    assert instance.has_address()
    known = client.run("ip", "neigh", "show", VIRTUAL).stdout
    assert instance.mac in known, known


def test_the_address_moves(network):
    first, second, client = network
    await_holder(client, first)
    assert not second.has_address()

    first.keepalived.end()
    await_holder(client, second)
    assert not first.has_address()

    first.keepalived.start()
    await_holder(client, first)
    assert not second.has_address()

    first.die()
    await_holder(client, second)
