"""A tiny lab as if it were published, for tests that fetch it: its files, and a web server that misbehaves."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CASES = ("0001", "0010", "0100")


def publish(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a folder that can be a mirror."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def manifest_of(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]
"""Writes an answer, given the content that would be right."""


def right(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def status(code: int) -> Answer:
    return lambda handler, content: handler.send_error(code)


def cut_short(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Announces more than it sends."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])


def endless(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 20))
    except OSError:  # the client has enough
        pass


class Server:
    """Serves files; `odd` lists the answers to the first requests of a file, the last one for all that follow."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.odd: dict[str, list[Answer]] = {}
        self.requests: Counter[str] = Counter()
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.removeprefix("/data/")
        index = self.requests[name]
        self.requests[name] += 1
        answers = self.odd.get(name, [right] if name in self.files else [status(404)])
        answers[min(index, len(answers) - 1)](handler, self.files.get(name, b""))


@contextmanager
def serve(files: Mapping[str, bytes]) -> Iterator[Server]:
    """A web server on this machine, under the path /data."""
    server = Server(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        httpd.socket.listen(64)  # of more than 5 at once, the others would ask again a second later
        server.url = f"http://127.0.0.1:{httpd.server_port}/data"
        threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            httpd.shutdown()
