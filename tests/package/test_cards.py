# SPDX-License-Identifier: BSD-3-Clause
"""The package in a VM, on network cards: without root, by vfio, in huge pages. `tests/soak package`
runs it, and makes what it needs: under emulation it takes minutes."""
import re

import pytest

from support import lab, machine
from test_package import CAPABILITIES, install

# What `millctl nic bind` does.
BIND = """
for card in 0000:01:00.0 0000:02:00.0; do
  [ ! -e /sys/bus/pci/devices/$card/driver ] || echo $card >/sys/bus/pci/devices/$card/driver/unbind
  echo vfio-pci >/sys/bus/pci/devices/$card/driver_override
  echo $card >/sys/bus/pci/drivers_probe
done
udevadm settle
"""
CONFIG = """
system:
  workers: 1
  hugepages: on
  limits: {routes: 65536, tbl8: 1024, mbufs: 8192}
ports:
  lan: {pci: "0000:01:00.0", addresses: [198.18.0.254/24]}
  wan: {pci: "0000:02:00.0", addresses: [198.18.1.254/24]}
"""


@pytest.fixture
def host():
    if not machine.is_made() or not (machine.Virtual.IMAGE / "initramfs").exists():
        pytest.skip("`tests/soak package` has not made the VM")
    box = machine.Virtual()
    yield box
    box.stop()


def test_cards_without_root(host):
    install(host)
    host.run(BIND)
    assert set(host.run("stat -c '%G %a' /dev/vfio/[0-9]*").stdout.splitlines()) == {"millrace 660"}
    host.run("cp /usr/share/doc/millrace/examples/hugepages.conf /etc/sysctl.d/60-millrace.conf && "
             "sed -i s/512/128/ /etc/sysctl.d/60-millrace.conf && sysctl --system")
    host.write("/etc/millrace/millrace.yaml", CONFIG)
    started = host.run("systemctl start millrace", check=False)
    assert started.returncode == 0, host.journal()
    status = host.run(f"cat /proc/{host.shows('MainPID')}/status").stdout
    assert int(re.search(r"CapEff:\s+(\w+)", status)[1], 16) == CAPABILITIES
    assert re.search(r"Uid:\s+(\d+)", status)[1] != "0"
    for iface, net in ("lan0", "198.18.0"), ("wan0", "198.18.1"):
        lab.sh("ip", "-n", host.namespace.name, "addr", "add", f"{net}.1/24", "dev", iface)
        lab.sh("ip", "-n", host.namespace.name, "link", "set", iface, "up")
    host.await_shows("StatusText", "2 of 2 ports up, 1 workers", 120)
    for net in "198.18.0", "198.18.1":
        done = host.namespace.run("ping", "-c", "3", "-w", "60", f"{net}.254", timeout=90)
        assert done.returncode == 0, done.stdout
    drivers = host.run("millctl --json show ports").stdout
    assert "net_virtio" in drivers and "net_e1000_em" in drivers
    host.run("systemctl stop millrace")
    assert host.shows("Result") == "success", host.journal()
