"""What a refusal looks like, over REST and WebSocket, and cases of what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from websockets.sync.client import ClientConnection

from tests.e2e.encodings import Encoding
from tests.e2e.people import Person, head_of
from tests.support.hub import HubProcess

INVALID: Final = "VALIDATION_ERROR"
MISSING_ROOM: Final = "room_00000000000000000000000000"
BOT: Final = {"type": "bot", "id": "bot_design_reviewer"}
LEAKS: Final = ("Traceback", 'File "', "pydantic", "orjson", "sqlalchemy", "sqlite", "Error(")


@dataclass(frozen=True, slots=True)
class Stage:
    """A room with an owner, a bot and two messages; a room the owner is no member of."""

    hub: HubProcess
    owner: Person
    other: Person
    room_id: str
    foreign_id: str
    message_id: str
    session_id: str

    @property
    def ids(self) -> dict[str, str]:
        return {
            "room": self.room_id,
            "foreign": self.foreign_id,
            "message": self.message_id,
            "session": self.session_id,
            "missing": MISSING_ROOM,
        }

    def stored(self) -> tuple[Any, ...]:
        """All that a refused request must leave as it was."""
        get = self.owner.client.get
        session = get(f"/v1/sessions/{self.session_id}").json()["data"]
        keys = get("/v1/api-keys").json()["data"]["items"]
        return (
            head_of(self.owner, self.room_id),
            head_of(self.other, self.foreign_id),
            get("/v1/rooms").json(),
            get("/v1/sessions").json(),
            session,
            [key | {"last_used_at": None} for key in keys],
        )


@dataclass(frozen=True, slots=True)
class Bad:
    """A body as JSON text, the fields at fault, and how it is refused."""

    name: str
    body: Any
    fields: list[str] = field(default_factory=list)
    code: str = INVALID
    status: int = 422

    @property
    def text(self) -> str:
        return self.body if isinstance(self.body, str) else dumps(self.body)


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def check(error: dict[str, Any], code: str, fields: list[str]) -> None:
    """An error that helps: its code, the fields at fault, a sentence, nothing of our insides."""
    text = json.dumps(error, ensure_ascii=False)
    assert code == error["code"], text
    assert fields == [detail["field"] for detail in error.get("details", [])], text
    for sentence in (error["message"], *(d["message"] for d in error.get("details", []))):
        assert len(sentence) >= 8, text
        assert sentence.strip() == sentence
    assert not [leak for leak in LEAKS if leak in text], text


def check_answer(
    answer: httpx.Response, status: int, code: str, fields: list[str] | None = None
) -> None:
    assert status == answer.status_code, answer.text
    assert "application/json" == answer.headers["content-type"]
    body = answer.json()
    assert {"status", "error", "meta"} == set(body)
    assert ("error", answer.headers["x-request-id"]) == (
        body["status"], body["meta"]["request_id"],
    )  # fmt: skip
    check(body["error"], code, fields or [])


@dataclass(frozen=True, slots=True)
class Line:
    """A socket past its hello, and the encoding it speaks."""

    socket: ClientConnection
    encoding: Encoding

    def say(self, value: Any) -> None:
        self.socket.send(self.encoding.dump(value))

    def recv(self) -> dict[str, Any]:
        frame: dict[str, Any] = self.encoding.load(self.socket.recv(10))
        return frame

    def refusal(self, value: Any, about: Any) -> dict[str, Any]:
        """The error that answers a map."""
        return self.answer_to(self.encoding.dump(value), about)

    def answer_to(self, data: str | bytes, about: Any = None) -> dict[str, Any]:
        """The error that answers a frame; a ping after it is answered next, so it was all."""
        self.socket.send(data)
        self.say({"id": "after", "type": "ping"})
        refused, pong = self.recv(), self.recv()
        assert ("reply", about, False) == (refused["type"], refused["id"], refused["ok"])
        assert {"type": "reply", "id": "after", "ok": True, "data": {}} == pong
        error: dict[str, Any] = refused["error"]
        return error
