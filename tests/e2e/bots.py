"""A webhook bot that a test scripts: what it answers to whom, what it was asked, what was cut."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Answer = Callable[[Json], tuple[int, Any]]


@dataclass(slots=True)
class Bots:
    """By path: an answer, or an iterator of pieces that is streamed."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: queue.Queue[Json] = field(default_factory=queue.Queue)
    cut: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def says(self, path: str, answer: Answer) -> str:
        """The URL at which this is answered."""
        self.answers[path] = answer
        return self.url(path)


@contextlib.contextmanager
def open_bots() -> Iterator[Bots]:
    bots = Bots()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            bots.asked.put(body)
            if body["type"] != "room.mention":
                self._send(200, {})
                return
            status, answer = bots.answers[self.path](body["data"])
            if isinstance(answer, dict):
                self._send(status, answer)
            else:
                self._stream(answer)

        def _send(self, status: int, answer: Json) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, pieces: Iterator[str]) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            try:
                for piece in pieces:
                    self.wfile.write(f"data: {json.dumps({'text': piece})}\n\n".encode())
                    self.wfile.flush()
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                bots.cut.set()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    bots.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield bots
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def endless(piece: str = "tick ", every_s: float = 0.05) -> Iterator[str]:
    """Goes on until it is cut."""
    while True:
        yield piece
        time.sleep(every_s)
