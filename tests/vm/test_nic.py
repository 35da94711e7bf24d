# SPDX-License-Identifier: BSD-3-Clause
"""millctl nic on the guest's cards, with the kernel's own drivers of them."""
import json
import shlex
import signal

import pytest

from support import lab

pytestmark = pytest.mark.skipif(not lab.NIC, reason="these need a card (MILLRACE_NIC)")

KERNELS = {"virtio": "virtio-pci", "e1000e": "e1000e", "igb": "igb"}
MODULES = lab.TOP / "build-vm/guest/modules"


class Operator:
    """Runs millctl in the guest."""

    def __init__(self):
        self.guest = lab.the_guest()

    def sh(self, command):
        """The exit status, what it printed, what it complained of."""
        out, err = self.guest.path / "nic.out", self.guest.path / "nic.err"
        status = self.guest.run(f"({command}) >{out} 2>{err}")
        return status, out.read_text(), err.read_text()

    def nic(self, *words):
        ctl = shlex.join([str(lab.BUILD / "app/millctl"), "--json", "nic", *words])
        status, out, err = self.sh(ctl)
        return json.loads(out) if status == 0 else err

    def moved(self, *words):
        """What bind or unbind did, as pairs of drivers."""
        rows = self.nic(*words)
        assert isinstance(rows, list), rows
        return [(row["before"], row["driver"]) for row in rows]

    def row(self, card):
        return next(row for row in self.nic("list") if row["address"] == card.pci)


@pytest.fixture
def operator():
    """With the kernel's drivers loaded, which take no card that nobody gives them."""
    one = Operator()
    words = one.sh(f"for module in {MODULES}/*.ko; do /sbin/insmod $module; done")[2]
    assert not [line for line in words.splitlines() if "File exists" not in line], words
    yield one
    one.nic("bind", *(card.pci for card in one.guest.cards))


def test_there_and_back(operator):
    """vfio-pci's at first; the kernel's, with an interface; not while that is needed; vfio-pci's."""
    card, driver = operator.guest.cards[0], KERNELS[lab.NIC]
    assert operator.row(card)["driver"] == "vfio-pci"
    assert operator.row(card)["iommu_group"] is not None
    assert operator.moved("bind", card.pci, "driver", driver) == [("vfio-pci", driver)]
    name = operator.row(card)["interfaces"][0]
    assert operator.sh(f"ip addr add 198.18.9.1/24 dev {name} && ip link set {name} up && "
                       f"ip route add default via 198.18.9.2")[0] == 0
    assert operator.row(card)["in_use_by"] == ["default route"]
    assert "carries a default route" in operator.nic("bind", name)
    assert operator.row(card)["driver"] == driver
    assert operator.sh("ip route del default")[0] == 0
    assert "is in use, by routes through" in operator.nic("bind", name)
    assert operator.moved("bind", name, "--force") == [(driver, "vfio-pci")]
    assert operator.row(card)["driver_before"] == driver
    back = operator.nic("unbind", card.pci, "names")
    assert back[0]["driver"] == driver and back[0]["interfaces"] == [name], back
    assert operator.nic("unbind", card.pci).startswith(f"millctl: {card.pci} is the kernel's")


def test_not_under_millrace(operator, make_router):
    router = make_router()
    card = router.wan.card
    words = operator.nic("unbind", card.pci)
    assert f"{card.pci} is in use by millrace (process {router.daemon.pid})" in words
    router.settle()


def test_a_card_that_the_kernel_has(operator, make_router):
    """The other port works; bound and applied, both do."""
    router = make_router()
    card = router.wan.card
    router.daemon.send_signal(signal.SIGTERM)
    assert router.daemon.wait() == 0
    router.daemon.forget()
    router.daemon.control.unlink(missing_ok=True)
    driver = KERNELS[lab.NIC]
    assert operator.moved("bind", card.pci, "driver", driver) == [("vfio-pci", driver)]
    router.start()
    router.wait_until(lambda: "ready:" in router.words(), 30, "it has started")
    assert f"ports.wan.pci: {card.pci} is bound to the kernel's driver {driver}; " \
           f"`millctl nic bind {card.pci}`" in router.words()
    router.wait_until(lambda: lab.Daemon.ready(router), 30, "it answers")

    def ports(key):
        return {port["name"]: port[key] for port in router.ctl("show", "ports")}

    assert ports("state") == {"lan": "open", "wan": "failed"}
    router.wait_until(lambda: ports("link")["lan"] == "up", 30, "the port that works has a link")
    router.lan.open()
    router.lan.introduce()
    assert operator.moved("bind", card.pci) == [(driver, "vfio-pci")]
    router.apply({})
    router.await_ready()
    router.introduce()
    router.settle()
