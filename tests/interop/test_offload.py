# SPDX-License-Identifier: BSD-3-Clause
"""Sums that are left to a device: a host on virtio, whose peer is another millrace."""
import hashlib
import socket

import pytest

from support import lab

HOST = "198.18.2.2"
SYSTEM = {"workers": 1, "hugepages": "off",
          "limits": {"routes": 65536, "tbl8": 1024, "mbufs": 8192, "tcp_connections": 1024}}


def link(number, device):
    return {"vdev": device, "mac": f"02:00:00:00:02:0{number}",
            "addresses": [f"198.18.2.{number}/24"]}


@pytest.fixture
def client(tmp_path):
    """The namespace of a client: a router on a TAP and vhost, and the host behind it on virtio."""
    router = lab.Router({"system": SYSTEM, "ports": {
        "link": link(1, f"net_vhost0,iface={tmp_path}/v")}}, introduce=False, wait=False)
    router.wait_until(lambda: "ready:" in router.words(), 15, "it has started")
    host = lab.Router({"system": SYSTEM, "ports": {
        "lan": None, "wan": None, "link": link(2, f"net_virtio_user0,path={tmp_path}/v")},
        "routes": [{"prefix": "198.18.0.0/24", "via": "198.18.2.1"}],
        "services": {"echo": {"kind": "tcp-echo", "listen": "0.0.0.0:7"}}}, introduce=False)
    router.await_ready()
    assert "tx UDP and TCP checksum            device" in host.words()
    router.ports["lan"].become_host()
    yield router.lan.namespace
    host.stop()
    router.stop()


def test_echo(client):
    """The kernel checks every sum; segments of ours reach it as virtio's peer completed them."""
    data = hashlib.shake_256(b"echo").digest(1 << 20)
    with client.entered():
        s = socket.socket()
    s.settimeout(20 * lab.SLOW)
    with s:
        s.connect((HOST, 7))
        for first in range(0, len(data), 1 << 16):
            part, back = data[first:first + (1 << 16)], b""
            s.sendall(part)
            while len(back) < len(part):
                assert (more := s.recv(1 << 16))
                back += more
            assert back == part
