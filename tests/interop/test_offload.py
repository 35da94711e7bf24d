# SPDX-License-Identifier: BSD-3-Clause
"""Sums that are left to a device: a host on virtio, whose peer is another millrace."""
import hashlib
import socket

import pytest

from support import clients, lab, mrs
from support.socket_lab import in_thread

HOST = "198.18.2.2"
SYSTEM = {"workers": 1, "hugepages": "off",
          "limits": {"routes": 65536, "tbl8": 1024, "mbufs": 8192, "tcp_connections": 1024}}


def link(number, device, **more):
    return {"vdev": device, "mac": f"02:00:00:00:02:0{number}",
            "addresses": [f"198.18.2.{number}/24"]} | more


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


# --- jumbo frames ---

@pytest.fixture
def jumbo(tmp_path):
    """Two hosts on a link of 9,000 bytes; the first has a TAP of 1,500, too, and routes to it."""
    router = lab.Router({"system": SYSTEM | {"socket_service": f"{tmp_path}/a"}, "ports": {
        "link": link(1, f"net_vhost0,iface={tmp_path}/v", mtu=9000)}},
        introduce=False, wait=False)
    router.wait_until(lambda: "ready:" in router.words(), 15, "it has started")
    host = lab.Router({"system": SYSTEM | {"socket_service": f"{tmp_path}/b"}, "ports": {
        "lan": None, "wan": None,
        "link": link(2, f"net_virtio_user0,path={tmp_path}/v", mtu=9000)},
        "routes": [{"prefix": "198.18.0.0/24", "via": "198.18.2.1"}],
        "services": {"echo": {"kind": "tcp-echo", "listen": "0.0.0.0:7"}}}, introduce=False)
    router.await_ready()
    router.ports["lan"].become_host()
    yield router, host
    host.stop()
    router.stop()


def segment_sizes(router):
    return {row["mss"] for row in clients.connections(router) if row["state"] == "ESTABLISHED"}


def test_bulk_over_9000(jumbo, tmp_path):
    """Both ends ours: segments of 8,960 less the timestamps, in bursts, and each byte as it was."""
    router, host = jumbo
    data = clients.pattern(32 << 20)
    s = mrs.Library(f"{tmp_path}/a").socket().connect(HOST, 7)
    job = in_thread(s.recv_all)
    assert s.send(data) == len(data)
    assert segment_sizes(router) == segment_sizes(host) == {8960 - 12}
    s.shutdown()
    assert hashlib.sha256(job()).digest() == hashlib.sha256(data).digest()
    s.close()
    for one in router, host:
        assert one.counters()["tcp_data_segments_out"] < 1.2 * len(data) / (8960 - 12)
        one.check_books()


def test_9000_here_and_1500_beyond(jumbo, tmp_path):
    """A peer that says 8,960, beyond a link that does not take it: path MTU discovery."""
    router, host = jumbo
    lan, data = router.ports["lan"], clients.pattern(8 << 20)
    lab.sh("ip", "-n", lan.namespace.name, "link", "set", lan.iface, "mtu", "9000")
    with lan.namespace.entered():
        server = socket.create_server((lan.ip, 6000))
    server.settimeout(20 * lab.SLOW)
    with server:
        s = mrs.Library(f"{tmp_path}/b").socket().connect(lan.ip, 6000)
        assert segment_sizes(host) == {8960 - 12}
        theirs, _ = server.accept()
        theirs.settimeout(20 * lab.SLOW)
        job = in_thread(clients.read_all, theirs)
        assert s.send(data) == len(data)
        s.shutdown()
        assert hashlib.sha256(job()).digest() == hashlib.sha256(data).digest()
        theirs.close()
        s.close()
    assert host.counters()["tcp_path_mtus"] == 1
    for one in router, host:
        one.check_books()
