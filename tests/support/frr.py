# SPDX-License-Identifier: BSD-3-Clause
"""FRR and keepalived of Debian's packages, for a test: the daemons of one router in a namespace,
with configuration, sockets, pid files and logs in a folder of their own. /etc is not read, no
service is started, and every daemon is ended by its pid."""
import json
import subprocess
import tempfile
import time
from pathlib import Path

from support import lab

DAEMONS = Path("/usr/lib/frr")
KEEPALIVED = Path("/usr/sbin/keepalived")
OPTIONS = {
    # Routes stay when it ends, and are taken for its own afterwards. What does not fit into its
    # netlink socket's buffer, it does not ask for again.
    "zebra": ["-r", "-K", "300", "-s", str(64 << 20)],
    "bfdd": ["--bfdctl", "{path}/bfdd.sock"],
}


def private(path):
    """A command's beginning, in the mounts of its own that `ip netns exec` gives it: FRR's daemons
    write to /var/tmp wherever they are told to be."""
    return "sh", "-c", 'mount --bind "$0" /var/tmp && exec "$@"', path


class Frr:
    """zebra and the protocols that `conf`, {daemon: its configuration}, has."""

    def __init__(self, namespace, conf):
        self.namespace = namespace
        self.directory = tempfile.TemporaryDirectory(prefix="mrt-frr-")
        self.path = Path(self.directory.name)
        self.running = {}
        self.conf = {"zebra": "", **conf}
        try:
            self.start(*self.conf)
        except BaseException:
            self.stop()
            raise

    def start(self, *names):
        """Starts daemons; they are ready when they answer vtysh."""
        for name in names:
            file = self.path / f"{name}.conf"
            file.write_text(self.conf[name])
            (self.path / f"{name}.vty").unlink(missing_ok=True)
            with (self.path / f"{name}.log").open("a") as log:
                self.running[name] = subprocess.Popen(
                    [*self.namespace.entering, *private(self.path),
                     "setpriv", "--pdeathsig", "KILL", DAEMONS / name, "-u", "root", "-g", "frrvty",
                     "-f", file, "-i", self.path / f"{name}.pid", "-z", self.path / "zserv",
                     "--vty_socket", self.path, "-P", "0", "--log", "stdout",
                     *(o.format(path=self.path) for o in OPTIONS.get(name, []))],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            await_true(lambda: self.answers(name), 20, f"{name} answers", self.words)

    def kill(self, *names):
        """Ends daemons without a chance to say so to anybody."""
        for name in names:
            daemon = self.running.pop(name)
            daemon.kill()
            daemon.wait()

    def stop(self):
        for daemon in self.running.values():
            daemon.kill()
        for daemon in self.running.values():
            daemon.wait()
        self.running.clear()
        self.directory.cleanup()

    def answers(self, name):
        status = self.running[name].poll()
        assert status is None, f"{name} ended with {status}\n{self.words()}"
        return self.ask(name, "show version")

    def ask(self, name, *commands):
        """What a daemon says to vtysh; None if it does not answer."""
        done = self.namespace.run(
            "env", "VTYSH_HISTFILE=/dev/null", "vtysh", "--vty_socket", self.path, "-d", name,
            *(word for command in commands for word in ("-c", command)))
        return done.stdout if done.returncode == 0 else None

    def show(self, name, command):
        """The JSON that a daemon answers; an empty object if it does not answer."""
        return json.loads(self.ask(name, f"show {command} json") or "{}")

    def words(self):
        """The last of what each daemon logged."""
        return "\n".join(f"{log.name}: {log.read_text()[-1500:]}"
                         for log in self.path.glob("*.log"))

    # states of sessions

    def bgp_established(self):
        """The addresses of neighbours with a session."""
        peers = self.show("bgpd", "bgp ipv4 unicast summary").get("peers", {})
        return {peer for peer, row in peers.items() if row["state"] == "Established"}

    def ospf_full(self):
        neighbours = self.show("ospfd", "ip ospf neighbor").get("neighbors", {})
        return {row["address"] for rows in neighbours.values() for row in rows
                if row["state"].startswith("Full")}

    def bfd_up(self):
        peers = json.loads(self.ask("bfdd", "show bfd peers json") or "[]")
        return {row["peer"] for row in peers if row["status"] == "up"}


class Keepalived:
    """keepalived with one virtual router: it has `address`, and `others` {address: interface}, while
    none of more priority is heard."""

    def __init__(self, namespace, iface, address, priority, others=None):
        self.namespace = namespace
        self.directory = tempfile.TemporaryDirectory(prefix="mrt-keepalived-")
        self.path = Path(self.directory.name)
        lines = "\n    ".join(f"{a} dev {i}" for a, i in {address: iface, **(others or {})}.items())
        (self.path / "conf").write_text(f"""
global_defs {{
  router_id {priority}
  vrrp_version 3
}}
vrrp_instance moving {{
  state BACKUP
  interface {iface}
  virtual_router_id 7
  priority {priority}
  advert_int 0.5
  virtual_ipaddress {{
    {lines}
  }}
}}
""")
        self.daemon = None
        self.start()

    def start(self):
        with (self.path / "log").open("a") as log:
            self.daemon = subprocess.Popen(
                [*self.namespace.entering, "setpriv", "--pdeathsig", "TERM", KEEPALIVED,
                 "-n", "-l", "-D", "-P", "-R", "-G", "-f", self.path / "conf",
                 "-p", self.path / "pid", "-r", self.path / "vrrp.pid"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self):
        """In order: it says good-bye, and takes the address away."""
        self.daemon.terminate()
        self.daemon.wait(20 * lab.SLOW)
        self.daemon = None

    def kill(self):
        """Without a good-bye; its child, which has VRRP, ends when it notices."""
        child = Path("/proc", (self.path / "vrrp.pid").read_text().strip())
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None
        await_true(lambda: not child.exists(), 20, "keepalived's child ends", self.words)

    def stop(self):
        if self.daemon:
            self.end()
        self.directory.cleanup()

    def words(self):
        return (self.path / "log").read_text()[-3000:]


def await_true(holds, seconds, what, words=lambda: ""):
    """Waits until holds() is true, and returns what it returned."""
    deadline = time.monotonic() + seconds * lab.SLOW
    while not (result := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{words()}"
        time.sleep(0.05)
    return result
