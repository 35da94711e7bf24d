# SPDX-License-Identifier: BSD-3-Clause
"""The http service: outsiders' clients against files on the router."""
import hashlib
import re
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path

import pytest

from support import clients, lab

ROUTER = "198.18.0.254"
PAGE = b"<p>" + b"page " * 120 + b"</p>\n"
BIG = hashlib.shake_256(b"big").digest(6 << 20)


class Site:
    """A router that shows a directory of ours."""

    def __init__(self, workers=1):
        self.directory = tempfile.TemporaryDirectory(prefix="mrt-www-")
        self.root = Path(self.directory.name)
        self.write("index.html", PAGE)
        self.write("big.bin", BIG)
        self.write("middle.bin", BIG[:300000])
        self.write("sub/index.html", b"sub\n")
        self.write("a b.txt", b"a b\n")
        self.write("empty", b"")
        self.write(".hidden", b"hidden\n")
        (self.root / "link").symlink_to("/etc/passwd")
        self.router = lab.Router({
            "system": {"workers": workers},
            "services": {"web": {"kind": "http", "listen": "0.0.0.0:80", "root": str(self.root)}},
        }, introduce=False)
        for port in self.router.ports.values():
            port.become_host()

    def write(self, name, data):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        new = path.with_name(".new")
        new.write_bytes(data)
        new.rename(path)

    def stop(self):
        try:
            self.router.stop()
        finally:
            self.directory.cleanup()

    def run(self, *words, **options):
        return self.router.lan.namespace.run(*words, **options)

    def curl(self, *words):
        done = self.run("curl", "-s", "-S", "-m", "20", *words, text=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def head(self, path, *words):
        """What curl -i shows before the body: the status, and the fields by their names."""
        head = self.curl("-i", "--path-as-is", *words, f"http://{ROUTER}{path}")
        lines = head.split(b"\r\n\r\n")[0].decode().split("\r\n")
        return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:])

    def connect(self):
        with self.router.lan.namespace.entered():
            s = socket.socket()
        s.settimeout(20 * lab.SLOW)
        s.connect((ROUTER, 80))
        return s

    def ask(self, *parts):
        """All that is answered to some bytes, up to the connection's end."""
        with self.connect() as s:
            for part in parts:
                s.sendall(part)
            return read_all(s)


def read_all(s):
    got = []
    while part := s.recv(1 << 16):
        got.append(part)
    return b"".join(got)


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def site(request):
    site = Site(request.param)
    yield site
    site.stop()


def short(value):
    return str(value)[:40]


def status_of(answer):
    return int(answer.split()[1]) if answer else None


def test_get(site):
    assert site.curl(f"http://{ROUTER}/") == PAGE
    assert site.curl(f"http://{ROUTER}/index.html?any=thing") == PAGE
    assert site.curl(f"http://{ROUTER}/sub/") == b"sub\n"
    assert site.curl(f"http://{ROUTER}/a%20b.txt") == b"a b\n"
    assert site.curl(f"http://{ROUTER}/empty") == b""
    assert site.curl("--http1.0", f"http://{ROUTER}/") == PAGE


def test_big_file(site):
    for _ in range(3):
        assert site.curl(f"http://{ROUTER}/big.bin") == BIG


def test_fields(site):
    status, fields = site.head("/")
    assert status == 200
    assert fields["content-type"] == "text/html; charset=utf-8"
    assert fields["content-length"] == str(len(PAGE))
    assert re.fullmatch(r'"[0-9a-f]{16}"', fields["etag"])
    told = time.mktime(time.strptime(fields["date"], "%a, %d %b %Y %H:%M:%S gmt")) - time.timezone
    assert abs(told - time.time()) < 5 * lab.SLOW
    again = site.head("/", "-I")
    assert again[0] == 200
    assert again[1]["content-length"] == str(len(PAGE))
    assert again[1]["etag"] == fields["etag"]


def test_conditions(site):
    fields = site.head("/")[1]
    tag, date = fields["etag"], fields["last-modified"]
    date = date.title().replace("Gmt", "GMT")
    assert site.head("/", "-H", f"If-None-Match: {tag}")[0] == 304
    assert site.head("/", "-H", f'If-None-Match: "x", W/{tag}')[0] == 304
    assert site.head("/", "-H", 'If-None-Match: "x"')[0] == 200
    assert site.head("/", "-H", f"If-Modified-Since: {date}")[0] == 304
    assert site.head("/", "-H", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT")[0] == 200
    assert site.head("/", "-H", 'If-None-Match: "x"', "-H", f"If-Modified-Since: {date}")[0] == 200


@pytest.mark.parametrize("path", ["/", "/big.bin"])
@pytest.mark.parametrize("first, end", [(0, 1), (1, 100), (500, None), (-500, None)])
def test_ranges(site, path, first, end):
    body = PAGE if path == "/" else BIG
    part = body[first:end]
    words = first if first < 0 else f"{first}-{'' if end is None else end - 1}"
    at = first % len(body)
    status, fields = site.head(path, "-r", words)
    assert status == 206
    assert fields["content-range"] == f"bytes {at}-{at + len(part) - 1}/{len(body)}"
    assert fields["content-length"] == str(len(part))
    assert site.curl("-r", words, f"http://{ROUTER}{path}") == part
    assert site.head(path, "-r", words, "-H", f"If-Range: {fields['etag']}")[0] == 206
    assert site.head(path, "-r", words, "-H", 'If-Range: "another"')[0] == 200
    assert site.head(path, "-r", words, "-I")[0] == 200  # of GET alone
    assert site.head(path, "-r", words, "-H", f"If-None-Match: {fields['etag']}")[0] == 304


def test_range_outside(site):
    status, fields = site.head("/", "-r", f"{len(PAGE)}-")
    assert status == 416 and fields["content-range"] == f"bytes */{len(PAGE)}"
    assert site.head("/empty", "-r", "0-")[0] == 200
    assert site.head("/", "-H", "Range: bytes=0-0,2-2")[0] == 200


def test_resume(site, tmp_path):
    file = tmp_path / "big.bin"
    file.write_bytes(BIG[:1000000])
    site.curl("-C", "-", "-o", file, f"http://{ROUTER}/big.bin")
    assert file.read_bytes() == BIG


@pytest.mark.parametrize("path, status", [
    ("/nothing", 404), ("/sub", 301), ("/link", 404), ("/.hidden", 404), ("/sub%2Findex.html", 404),
    ("/../etc/passwd", 400), ("/sub/../../x", 400), ("/%2e%2e/etc/passwd", 400), ("/a%00b", 400),
    ("/%zz", 400), ("/%4", 400), ("/%", 400), ("/" + "x" * 9000, 414), ("/" + "x" * 2000, 404),
    ("/sub/../index.html", 200), ("/./sub/./index.html", 200), ("/sub/..", 200), ("/sub/.", 200),
    ("/%73ub/", 200), ("//", 404), ("/...", 404)], ids=short)
def test_paths(site, path, status):
    assert site.head(path)[0] == status


@pytest.mark.parametrize("path, location", [
    ("/sub", "./sub/"), ("/sub?a=b/c", "./sub/"), ("/%73ub", "./%73ub/"),
    ("//evil.example/../../sub", "./sub/"), ("http://h/sub", "./sub/"), ("/sub/../sub", "./sub/")])
def test_directory_without_its_slash(site, path, location):
    """Its page's links count from the directory; and nothing of a path leads to another host."""
    answer = site.ask(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    assert status_of(answer) == 301
    assert f"\r\nLocation: {location}\r\n".encode() in answer
    assert site.curl("-L", f"http://{ROUTER}/sub") == b"sub\n"


@pytest.mark.parametrize("method, status", [
    ("OPTIONS", 405), ("TRACE", 405), ("PUT", 405), ("POST", 405), ("DELETE", 405), ("BREW", 501)])
def test_methods(site, method, status):
    got, fields = site.head("/", "-X", method)
    assert got == status
    assert status != 405 or fields["allow"] == "get, head"


def get(path="/", extra=""):
    return f"GET {path} HTTP/1.1\r\nHost: h\r\n{extra}\r\n".encode()


CLOSE = "Connection: close\r\n"


def test_keep_alive(site):
    with site.connect() as s:
        for _ in range(200):
            s.sendall(get())
            answer = b""
            while not answer.endswith(PAGE):
                answer += s.recv(1 << 16)
            assert status_of(answer) == 200


@pytest.mark.parametrize("path, n", [("/", 200), ("/big.bin", 8)])
def test_pipelined(site, path, n):
    """In order, and without a deadlock while nobody reads."""
    body = PAGE if path == "/" else BIG
    answers = site.ask(get(path) * (n - 1) + get("/sub/", CLOSE))
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == n
    assert answers.count(body) == n - 1
    assert answers.endswith(b"\r\n\r\nsub\n")


def test_byte_by_byte(site):
    parts = [bytes([b]) for b in get("/sub/", CLOSE)]
    assert site.ask(*parts).endswith(b"sub\n")


def test_bodies(site):
    body = "Content-Length: 5\r\n"
    answers = site.ask(get("/", body) + b"hello" + get("/sub/", CLOSE))
    assert answers.count(b" 200 OK") == 2 and answers.endswith(b"sub\n")
    assert status_of(site.ask(get("/", "Content-Length: 70000\r\n"), b"x" * 70000)) == 413
    assert status_of(site.ask(get("/", "Transfer-Encoding: chunked\r\n"), b"0\r\n\r\n")) == 200
    assert site.curl("-d", "x" * 5000, "-X", "GET", f"http://{ROUTER}/") == PAGE


@pytest.mark.parametrize("head, status", [
    (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505), (b"\x16\x03\x01\x02\x00\x01", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * 100 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: h\r\na: " + b"b" * 10000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: h\r\nExpect: something\r\n\r\n", 417)], ids=short)
def test_heads(site, head, status):
    extra = b"" if status != 417 else get("/", CLOSE)
    assert status_of(site.ask(head + extra)) == status


def test_garbage(site):
    """Any bytes at all: an answer or the end, and the next client is served."""
    for n in range(60):
        junk = hashlib.shake_256(bytes([n])).digest(1 + n * 50)
        try:
            assert status_of(site.ask(get(), junk, b"\r\n\r\n\n")) == 200
        except ConnectionResetError:
            pass
    for n in range(50):  # and those who go in the middle
        with site.connect() as s:
            s.sendall(get("/big.bin")[:n] if n % 2 else get("/big.bin"))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert site.curl(f"http://{ROUTER}/") == PAGE


def test_half_closed(site):
    with site.connect() as s:
        s.sendall(get("/big.bin") + get("/sub/"))
        s.shutdown(socket.SHUT_WR)
        answers = read_all(s)
    assert answers.count(b" 200 OK") == 2 and answers.endswith(b"sub\n")


@pytest.mark.parametrize("words", [["-k"], []])
def test_ab(site, words):
    done = site.run("ab", "-q", "-n", 5000, "-c", 32, *words, f"http://{ROUTER}/", timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Complete requests:\s+5000\n", done.stdout)
    assert re.search(r"Failed requests:\s+0\n", done.stdout), done.stdout
    assert "Non-2xx" not in done.stdout


def wrk(site, seconds, path="/", connections=64):
    done = site.run("wrk", "-t1", f"-c{connections}", f"-d{seconds}", f"http://{ROUTER}{path}",
                    timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
    requests = int(re.search(r"(\d+) requests in", done.stdout)[1])
    assert requests > 10, done.stdout
    return requests


def test_wrk(site):
    wrk(site, 2)
    assert site.router.counters()["balanced"]


def test_wrk_big(site):
    wrk(site, 2, "/middle.bin", connections=8)
    assert site.router.counters()["balanced"]


def test_files_change_meanwhile(site):
    """Each answer is one version as a whole, and no connection notices."""
    bodies = [bytes([65 + n]) * (3000 + 100000 * n) for n in range(6)]
    site.write("moving", bodies[0])
    site.router.ctl("config", "apply", str(site.router.file))
    stop = threading.Event()
    seen, wrong = set(), []

    def look():
        while not stop.is_set():
            got = site.curl(f"http://{ROUTER}/moving")
            (seen.add(got[:1]) if got in bodies else wrong.append(len(got)))

    threads = [threading.Thread(target=look), threading.Thread(target=lambda: wrk(site, 2))]
    for thread in threads:
        thread.start()
    for n in range(30):
        site.write("moving", bodies[n % 6])
        site.router.ctl("config", "apply", str(site.router.file))
    threads[1].join()
    stop.set()
    threads[0].join()
    assert not wrong
    assert site.curl(f"http://{ROUTER}/moving") == bodies[29 % 6]
    assert site.router.counters()["balanced"]


def test_settings_of_tcp_change(site):
    """For a service that stays, too: the new one beside it shows that they are in force."""
    router, namespace = site.router, site.router.lan.namespace
    router.apply({"tcp": {"keepalive": "1s"},
                  "services": {"new": {"kind": "tcp-echo", "listen": "0.0.0.0:1000"}}})
    router.wait_until(lambda: clients.listens(namespace, 1000), 30, "the new service")
    with site.connect():
        before = router.counters()["tcp_keepalives"]
        router.wait_until(lambda: router.counters()["tcp_keepalives"] > before, 30, "a probe")
    router.apply({})


def test_a_root_that_cannot_be_read(tmp_path):
    def check(text):
        file = tmp_path / "x.yaml"
        file.write_text("ports: {}\nservices:\n  web: " + text + "\n")
        done = lab.subprocess.run([lab.BUILD / "app/millrace", "--check", file],
                                  capture_output=True, text=True, timeout=20)
        return done.returncode, done.stderr

    (tmp_path / "www").mkdir()
    assert check('{kind: http, listen: "0.0.0.0:80", root: www}') == (0, "")
    for text, words in [
            ('{kind: http, listen: "0.0.0.0:80", root: none}', r"services.web.root: .*/none: No such"),
            ('{kind: http, listen: "0.0.0.0:80"}', "services.web.root: missing"),
            ('{kind: tcp-echo, listen: "0.0.0.0:80", root: www}', "only a service of kind http")]:
        status, said = check(text)
        assert status == 1 and re.search(r"x\.yaml:3:\d+: " + words, said) or \
            re.search(words, said), said
