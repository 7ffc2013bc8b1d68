"""The rendered site in a real Nginx, before a server that sends its events one by one."""

from __future__ import annotations

import getpass
import http.client
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from holdfast.testing.services import free_port
from tests.deploy.files import Files
from tests.deploy.tools import tool
from tests.eventually import eventually

pytestmark = pytest.mark.services
_PATIENCE = 20
_WHOLE = """
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class _Stream(BaseHTTPRequestHandler):
    """Sends each event when the test gives it; tells of itself at any other address."""

    protocol_version = "HTTP/1.1"
    events: Queue[str | None] = Queue()

    def do_GET(self) -> None:
        self.send_response(200)
        if not self.path.startswith("/holdfast/"):
            told = f"{self.headers['Host']} {self.headers['X-Forwarded-For']}".encode()
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)
            return
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        while event := self.events.get(timeout=_PATIENCE):
            self.wfile.write(f"data: {event}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def behind() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Stream) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        _Stream.events.put(None)
        server.shutdown()


@pytest.fixture
def port(jost: Files, behind: int, tmp_path: Path) -> Iterator[int]:
    """Nginx with the site of JOST, on a port of this machine."""
    nginx, port = tool("nginx"), free_port()
    site = jost.text("deploy/nginx/NAME.conf")
    site = site.replace("listen 80;", f"listen 127.0.0.1:{port};").replace(
        "server 127.0.0.1:8000;", f"server 127.0.0.1:{behind};"
    )
    (tmp_path / "site.conf").write_text(site)
    user = "user root;" if getpass.getuser() == "root" else ""
    (tmp_path / "nginx.conf").write_text(_WHOLE.format(folder=tmp_path, user=user))
    server = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    try:
        eventually(lambda: _answers(port))
        yield port
    finally:
        server.terminate()
        server.wait(timeout=_PATIENCE)


def _answers(port: int) -> bool:
    try:
        return _get(port, "/").status == 200
    except OSError:
        return False


def _get(port: int, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    connection.request("GET", path, headers={"Host": "localhost"})
    return connection.getresponse()


def test_event_reaches_the_browser_before_there_is_a_next_one(port: int) -> None:
    _Stream.events.put("first")
    answer = _get(port, "/holdfast/stream")
    assert answer.readline() == b"data: first\n"
    _Stream.events.put("second")
    answer.readline()
    assert answer.readline() == b"data: second\n"
    _Stream.events.put(None)
    answer.read()


def test_application_is_told_who_asks_and_for_which_host(port: int) -> None:
    assert _get(port, "/").read() == b"localhost 127.0.0.1"


def test_flower_is_behind_a_password(port: int) -> None:
    answer = _get(port, "/flower/")
    assert answer.status == 401
    assert answer.getheader("WWW-Authenticate") == 'Basic realm="jost"'
