# SPDX-License-Identifier: BSD-3-Clause
"""Each configuration that is shipped is good, and boots: in a namespace of its own, with net_null
in place of network cards, and with its files in a folder of the test's."""
import itertools
import re
import subprocess

import pytest

from support import lab

SHIPPED = sorted((lab.TOP / "config").rglob("*.yaml"))


@pytest.fixture
def world():
    """A namespace that the daemon runs in, and another one for the kernel's ends of its ports."""
    near, far = lab.Namespace("near"), lab.Namespace("far")
    yield near, far
    for namespace in (near, far):
        namespace.delete()


def adapted(text, daemon, near, far):
    """The file as this machine can run it, by the changes that its own comments suggest."""
    text = text.replace("/tmp/", f"{daemon.path}/")
    number = itertools.count()
    text = re.sub(r'pci: "[^"]*"', lambda _: f"vdev: net_null{next(number)}", text)
    text = text.replace("mtu: 9000", "mtu: 1500")  # net_null fills one buffer for a frame
    # a server's CPUs and memory
    text = re.sub(r"workers: \[(.*)\]", lambda m: f"workers: {m[1].count(',') + 1}", text)
    text = re.sub(r"control: \d+", "control: auto", text).replace("hugepages: on", "hugepages: auto")
    text = re.sub(r"mbufs: \d{5,}", "mbufs: 8192", text)
    text = re.sub(r"root: (\w+)", rf"root: {lab.TOP}/config/\1", text)
    text = re.sub(r"netns: [\w-]+", f"netns: {far.name}", text)
    text = re.sub(r"/run/millrace/\w+\.sock", lambda m: str(daemon.path / m[0][14:]), text)
    for name in sorted(set(re.findall(r"iface=(mr-\w+)", text))):
        lab.sh("ip", "-n", near.name, "link", "add", name, "type", "veth",
               "peer", name.replace("mr-", "far-"), "netns", far.name)
        lab.sh("ip", "-n", near.name, "link", "set", name, "up")
        lab.sh("ip", "-n", far.name, "link", "set", name.replace("mr-", "far-"), "up")
    text = re.sub(r"control_socket: \S+", f"control_socket: {daemon.socket}", text)
    if "control_socket" in text:
        return text
    line = f"system:\n  control_socket: {daemon.socket}\n"
    return text.replace("system:\n", line) if "system:\n" in text else line + text


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_is_good(file):
    done = subprocess.run([lab.BUILD / "app/millrace", "--check", file], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_boots(file, world):
    daemon = lab.Daemon(home=world[0])
    try:
        text = adapted(file.read_text(), daemon, *world)
        daemon.file.write_text(text)
        if "rx_pcap" in text:
            (daemon.path / "in.pcap").write_bytes(EMPTY_CAPTURE)
        daemon.start()
        daemon.await_ready()
        devices = len(re.findall(r"^    (?:tap|vdev):", text, re.M))
        assert len(daemon.ctl("show", "ports")) == devices > 0
    except BaseException:
        daemon.abandon()
        raise
    daemon.stop()


EMPTY_CAPTURE = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000")
