"""An identity provider: key pairs, tokens that they sign, and a key set behind a real server."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from hub.core.values import Json

ISSUER: Final = "https://id.example"
AUDIENCE: Final = "https://hub.example"
SECRET: Final = "correct horse battery staple, and then some more"
EXPONENT: Final = 65_537
SHORT: Final = 0
"""The number of an RSA key that is too short."""


def claims(sub: object = "user_alice", now_s: float | None = None, **others: Any) -> Json:
    """What a good token says, five minutes long; None leaves a claim out."""
    now_s = int(time.time()) if now_s is None else now_s
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "iat": now_s, "exp": now_s + 300}
    return {name: value for name, value in (said | others).items() if value is not None}


def shared(said: Json, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token that the secret signs."""
    return jwt.encode(said, secret, algorithm)


@lru_cache
def _made(algorithm: str, number: int) -> Any:
    """A key pair; the same again, since RSA's take long to make."""
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(EXPONENT, 1024 if number == SHORT else 2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1())


@dataclass(frozen=True)
class Pair:
    """A key pair, by the `kid` it is published under."""

    algorithm: str
    kid: str = "one"
    number: int = 1

    @property
    def private(self) -> Any:
        return _made(self.algorithm, self.number)

    @property
    def public_pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        pem: bytes = self.private.public_key().public_bytes(serialization.Encoding.PEM, form)
        return pem

    def published(self, **others: Any) -> Json:
        """The public key as a key set has it; None leaves a field out."""
        kind = get_default_algorithms()[self.algorithm]
        said = json.loads(kind.to_jwk(self.private.public_key()))
        said |= {"kid": self.kid, "use": "sig", "alg": self.algorithm} | others
        return {name: value for name, value in said.items() if value is not None}

    def sign(self, said: Json, **header: Any) -> str:
        return jwt.encode(said, self.private, self.algorithm, {"kid": self.kid} | header)


@dataclass
class Issuer:
    """A key set at `url`, as it is to be answered now."""

    url: str = ""
    keys: list[Json] = field(default_factory=list)
    body: bytes | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: threading.Event = field(default_factory=threading.Event)
    """Until it is set, answers wait."""
    asked: list[str] = field(default_factory=list)
    """The paths that were asked for."""

    def answer(self) -> bytes:
        return self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()


@contextlib.contextmanager
def run_issuer(*pairs: Pair) -> Iterator[Issuer]:
    """A server on a free port, until the context ends."""
    issuer = Issuer(keys=[pair.published() for pair in pairs])
    issuer.hangs.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            issuer.hangs.wait(20)
            body = issuer.answer()
            with contextlib.suppress(ConnectionError):
                self.send_response(issuer.status)
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}/jwks"
        try:
            yield issuer
        finally:
            issuer.hangs.set()
            server.shutdown()
            thread.join()
