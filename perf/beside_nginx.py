# SPDX-License-Identifier: BSD-3-Clause
"""Our http service beside nginx on the kernel: beside_nginx.py [SECONDS [ROUNDS]]

One page, one client (wrk, one thread, 64 connections) on CPU 0, one server on CPU 1, in turn, in
namespaces of this run's own. Both serve over a veth: nginx by the kernel's TCP on its end, millrace
by net_af_packet on that end; millrace on a TAP is a third. What a frame costs where it arrives is
the receiver's: RPS brings it to the CPU of its own end. Prints a Markdown table; cycles are the TSC's
and all that the server's CPU was busy with, the kernel's part among them.
"""
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests"))
from support.lab import Namespace, Router, sh  # noqa: E402 pylint: disable=wrong-import-position

CLIENT_CPU, SERVER_CPU = 0, 1
ADDRESS, PAGE = "198.18.0.254", b"x" * 600
KINDS = {"keep-alive": (), "connect, GET, close": ("-H", "Connection: close")}

NGINX = """
worker_processes 1; daemon off; pid {home}/pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; open_file_cache max=100;
  server {{ listen {address}:80 backlog=4096; root {root}; }}
}}
"""


def busy(cpu):
    """Seconds that a CPU has been at work, by /proc/stat."""
    row = re.search(rf"^cpu{cpu} (.*)$", Path("/proc/stat").read_text(), re.M).group(1)
    user, nice, system, _, _, irq, softirq, *_ = map(int, row.split())
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def tsc_hz():
    mhz = re.search(r"cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text()).group(1)
    return float(mhz) * 1e6


def receive_on(namespace, iface, cpu):
    """What comes in by the interface is the CPU's work (RPS), whoever sent it."""
    path = f"/sys/class/net/{iface}/queues/rx-0/rps_cpus"
    done = namespace.run("sh", "-c", f"echo {1 << cpu:x} >{path}")
    assert done.returncode == 0, done.stderr


def load(client, seconds, words):
    """One run of wrk: requests per second, and the server CPU's cycles per request."""
    begun, before = time.monotonic(), busy(SERVER_CPU)
    done = client.run("taskset", "-c", CLIENT_CPU, "wrk", "-t1", "-c64", f"-d{seconds}s", *words,
                      f"http://{ADDRESS}/", timeout=seconds + 60)
    took, worked = time.monotonic() - begun, busy(SERVER_CPU) - before
    assert done.returncode == 0, done.stderr
    assert not re.search(r"Non-2xx|Socket errors: .*(connect|write|timeout) [1-9]", done.stdout), \
        done.stdout
    requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout).group(1))
    return rate, worked * tsc_hz() / requests, worked / took


@contextlib.contextmanager
def nginx(root):
    """nginx behind a veth; gives the client's namespace."""
    with contextlib.ExitStack() as stack:
        client, server = Namespace("client"), Namespace("nginx")
        stack.callback(client.delete)
        stack.callback(server.delete)
        sh("ip", "-n", client.name, "link", "add", "lan0", "type", "veth",
           "peer", "name", "lan0", "netns", server.name)
        for namespace, address, cpu in (client, "198.18.0.1", CLIENT_CPU), \
                (server, ADDRESS, SERVER_CPU):
            sh("ip", "-n", namespace.name, "addr", "add", f"{address}/24", "dev", "lan0")
            sh("ip", "-n", namespace.name, "link", "set", "lan0", "up")
            receive_on(namespace, "lan0", cpu)
        conf = Path(root).parent / "nginx.conf"
        conf.write_text(NGINX.format(home=conf.parent, address=ADDRESS, root=root))
        stack.enter_context(server.running("taskset", "-c", SERVER_CPU, "nginx", "-c", conf,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        answers(client)
        yield client, lambda: None


@contextlib.contextmanager
def millrace(root, on_veth):
    """Our appliance with one worker on the server's CPU; gives the client's namespace."""
    home = Namespace("home") if on_veth else None
    conf = {"system": {"workers": [SERVER_CPU], "control": CLIENT_CPU, "hugepages": "auto"},
            "ports": {"wan": None, "lan": {"veth": "net_af_packet"} if on_veth else {}},
            "services": {"web": {"kind": "http", "listen": "0.0.0.0:80", "root": str(root)}}}
    router = Router(conf, introduce=False, home=home)
    try:
        router.lan.become_host()
        receive_on(router.lan.namespace, router.lan.iface, CLIENT_CPU)
        answers(router.lan.namespace)
        yield router.lan.namespace, lambda: shares(router)
    finally:
        router.stop()
        if home:
            home.delete()


def answers(client):
    for _ in range(100):
        if client.run("curl", "-s", "-m1", f"http://{ADDRESS}/").stdout.encode() == PAGE:
            return
        time.sleep(0.1)
    raise AssertionError("the page does not come")


def shares(router):
    """Cycles of the worker's stages so far, as its timed passes have them."""
    stages = {row["stage"]: (row["cycles_per_packet"] or 0) * row["packets"]
              for row in router.ctl("show", "stages")}
    return {name: round(100 * cycles / sum(stages.values())) for name, cycles in stages.items()}


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seen = {}
    with tempfile.TemporaryDirectory() as home:
        root = Path(home, "www")
        root.mkdir()
        root.joinpath("index.html").write_bytes(PAGE)
        os.chmod(home, 0o755)
        servers = {"nginx, veth": lambda: nginx(root),
                   "millrace, veth (net_af_packet)": lambda: millrace(root, True),
                   "millrace, TAP": lambda: millrace(root, False)}
        for _ in range(rounds):
            for name, server in servers.items():
                with server() as (client, stages):
                    for kind, words in KINDS.items():
                        seen.setdefault((kind, name), []).append(load(client, seconds, words))
                    print(name, json.dumps(stages()), file=sys.stderr)
    print("| | | requests per second, median (least to most) | cycles per request | CPU busy |")
    print("| --- | --- | --- | --- | --- |")
    for (kind, name), runs in sorted(seen.items()):
        rates, cycles, share = zip(*runs)
        print(f"| {kind} | {name} | {statistics.median(rates):,.0f} ({min(rates):,.0f} to "
              f"{max(rates):,.0f}) | {statistics.median(cycles):,.0f} | "
              f"{100 * statistics.median(share):.0f} % |")


if __name__ == "__main__":
    main()
