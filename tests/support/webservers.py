# SPDX-License-Identifier: BSD-3-Clause
"""Debian's nginx as the backends of a service: one process, a server on each address, with a page
`/` that says which, and a file `/big` of BYTES that each connection gets at RATE bytes a second."""
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from support.frr import await_true

NGINX = Path("/usr/sbin/nginx")


class Nginx:
    def __init__(self, namespace, addresses, size, rate):
        self.directory = tempfile.TemporaryDirectory(prefix="mrt-nginx-")
        self.path = Path(self.directory.name)
        self.path.chmod(0o755)
        big = os.urandom(size)
        self.digest = hashlib.sha256(big).hexdigest()
        (self.path / "big").write_bytes(big)
        servers = "".join(f"""
  server {{
    listen {address}:80 backlog=1024;
    location = / {{ return 200 "{address}\\n"; }}
    location = /big {{ root {self.path}; limit_rate {rate}; }}
  }}""" for address in addresses)
        (self.path / "conf").write_text(f"""
daemon off;
user root;
worker_processes 1;
pid {self.path}/pid;
error_log {self.path}/log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  keepalive_timeout 600s;
  client_body_temp_path {self.path}/t1; proxy_temp_path {self.path}/t2;
  fastcgi_temp_path {self.path}/t3; uwsgi_temp_path {self.path}/t4; scgi_temp_path {self.path}/t5;
  {servers}
}}
""")
        self.daemon = subprocess.Popen(
            [*namespace.entering, "setpriv", "--pdeathsig", "TERM", NGINX, "-p", self.path,
             "-e", self.path / "log", "-c", self.path / "conf"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_true(lambda: namespace.run("curl", "-s", "-m", 2, f"http://{addresses[-1]}/").stdout,
                   20, "nginx answers", self.words)

    def words(self):
        return (self.path / "log").read_text()[-2000:]

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait(20)
        self.directory.cleanup()
