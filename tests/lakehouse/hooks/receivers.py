"""Who gets alerts, on this machine: one by HTTP, one by SMTP."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What was received, and where it listens.

    :param status: what a post is answered with.
    """

    port: int = 0
    status: int = 200
    received: list[tuple[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def http_receiver() -> Iterator[Receiver]:
    """Keeps path and body of each post."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.received.append((self.path, body))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), receiver):
        yield receiver


@contextlib.contextmanager
def smtp_receiver() -> Iterator[Receiver]:
    """Keeps receivers and text of each mail."""
    receiver = Receiver()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            to: list[str] = []
            while line := self.rfile.readline().decode().strip():
                verb = line.split(maxsplit=1)[0].upper()
                if verb == "RCPT":
                    to.append(line.split(":", 1)[1].strip("<> "))
                if verb == "DATA":
                    self._say("354 go on")
                    text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                    receiver.received.append((",".join(to), text))
                self._say("221 bye" if verb == "QUIT" else "250 ok")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), receiver):
        yield receiver


@contextlib.contextmanager
def _serving(server: socketserver.TCPServer, receiver: Receiver) -> Iterator[None]:
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
