# SPDX-License-Identifier: BSD-3-Clause
"""Backends of virtual services: one nginx for each, at an address of its own in a namespace."""
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from support import lab

PORTS = range(8080, 8088)  # a reply says whose it is by them: one for each service
TEMPS = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"

CONFIG = """
daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {path}/access.log combined buffer=64k flush=100ms;
    {temps}
    keepalive_requests 100000000; keepalive_timeout 1h; lingering_close off;
    server {{
        {listen}
        location / {{ add_header X-Backend {name}; return 200 "{name}\\n"; }}
    }}
}}
"""


class Nginx:
    """One backend; its requests are lines of its log."""

    def __init__(self, namespace, addr, name):
        self.namespace, self.addr, self.name = namespace, addr, name
        self.directory = tempfile.TemporaryDirectory(prefix="mrt-nginx-")
        self.path = Path(self.directory.name)
        (self.path / "conf").write_text(
            CONFIG.format(path=self.path, name=name, temps=" ".join(
                f"{kind}_temp_path {self.path}/{kind};" for kind in TEMPS), listen=" ".join(
                f"listen {addr}:{port} backlog=4096;" for port in PORTS)))
        self.program = None
        self.start()

    def start(self):
        self.program = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.namespace.entering, "nginx",
             "-p", self.path, "-c", self.path / "conf", "-e", self.path / "error.log"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if str(PORTS[-1]) in self.namespace.run("ss", "-Hltn", f"src {self.addr}").stdout:
                return
            time.sleep(0.05)
        raise AssertionError((self.path / "error.log").read_text())

    def kill(self):
        self.program.send_signal(signal.SIGKILL)
        self.program.wait()

    def served(self):
        """Requests that it has written down."""
        return (self.path / "access.log").read_text().count("\n")

    def stop(self):
        if self.program.poll() is None:
            self.kill()
        self.directory.cleanup()


class Backends:
    """Several in the namespace of a port that has become a host."""

    def __init__(self, port, n):
        self.list = []
        for i in range(n):
            addr = f"{port.ip.rsplit('.', 1)[0]}.{11 + i}"
            lab.sh("ip", "-n", port.namespace.name, "addr", "add", f"{addr}/32", "dev", port.iface)
            self.list.append(Nginx(port.namespace, addr, f"b{i}"))

    def conf(self, port, weights=None, **states):
        """The list of a service; states: of a backend, by its name."""
        return [{"address": b.addr, "port": port, "weight": w,
                 **({"state": states[b.name]} if b.name in states else {})}
                for b, w in zip(self.list, weights or [1] * len(self.list))]

    def served(self, least=0):
        """Requests of each; waits until so many have been written down, within seconds."""
        for _ in range(200):
            served = [b.served() for b in self.list]
            if sum(served) >= least:
                return served
            time.sleep(0.05)
        raise AssertionError(f"{served}, not {least}")

    def stop(self):
        for b in self.list:
            b.stop()


def wrk_errors(words):
    """What wrk says went wrong, and how many requests did not."""
    sockets = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", words)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", words)
    good = int(re.search(r"(\d+) requests in", words)[1])
    return sum(map(int, sockets.groups())) if sockets else 0, int(bad[1]) if bad else 0, good
