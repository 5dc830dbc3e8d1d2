"""A model server that says what it is given, piece by piece, when it is given it."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

SLUG: Final = "test/voice"
PATIENCE_S: Final = 60.0

Piece = str | None


@dataclass
class Voice:
    """What the model is to say next; `None` ends a reply."""

    port: int = 0
    pieces: queue.Queue[Piece] = field(default_factory=queue.Queue)

    def say(self, *pieces: str) -> None:
        """The next pieces of the reply that is being written, or of the next one."""
        for piece in pieces:
            self.pieces.put(piece)

    def end(self) -> None:
        self.pieces.put(None)

    def forget(self) -> None:
        """Nothing is left of what it was to say."""
        self.end()
        self.pieces = queue.Queue()

    def settings(self, *slugs: str) -> str:
        """The hub's settings file under which these models are this voice."""
        return "".join(
            f'[models."{slug}"]\nbase_url = "http://127.0.0.1:{self.port}/v1"\n' for slug in slugs
        )


@contextlib.contextmanager
def run_voice() -> Iterator[Voice]:
    """A voice on a free port."""
    voice = Voice()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with contextlib.suppress(ConnectionError, queue.Empty):
                while (piece := voice.pieces.get(timeout=PATIENCE_S)) is not None:
                    self.write({"delta": {"content": piece}, "finish_reason": None})
                self.write({"delta": {}, "finish_reason": "stop"})
                self.wfile.write(b"data: [DONE]\n\n")

        def write(self, choice: dict[str, object]) -> None:
            line = json.dumps({"choices": [{"index": 0, **choice}]})
            self.wfile.write(f"data: {line}\n\n".encode())
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    voice.port = server.server_address[1]
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield voice
    finally:
        voice.end()
        server.shutdown()
        server.server_close()
        serving.join()


def write_settings(voice: Voice, folder: Path, *slugs: str) -> dict[str, str]:
    """The environment of a hub that knows the voice by these slugs."""
    path = folder / "hub.toml"
    path.write_text(voice.settings(*slugs))
    return {"HUB_CONFIG": str(path)}
