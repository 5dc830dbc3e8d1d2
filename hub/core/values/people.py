"""Who speaks: participants, their keys, and who calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from hub.core.ids import AI_TYPES
from hub.core.times import optional_rfc3339, rfc3339
from hub.core.values.kinds import SCOPES, Json, Scope, TenantRole

_TOKEN_KEY: Final = "jwt:"


def token_key(tenant_id: str, participant_id: str) -> str:
    """What stands for a key's id where somebody comes by a token: `jwt:default:user_alice`. No key
    has such an id; what is counted or cut off by key is so for all tokens of a participant."""
    return f"{_TOKEN_KEY}{tenant_id}:{participant_id}"


def of_tokens(key_id: str) -> bool:
    """Whether it stands for the tokens of a participant, so that no key has it."""
    return key_id.startswith(_TOKEN_KEY)


def why_gone(key_id: str) -> str:
    """Why a key, or whatever stands for one, is good no longer."""
    if of_tokens(key_id):
        return "the participant was disabled"
    return "the key was revoked"


class Author(NamedTuple):
    """Who wrote or acts: what of a participant is shown beside a message."""

    id: str
    type: str
    handle: str
    name: str

    @property
    def is_ai(self) -> bool:
        return self.type in AI_TYPES

    def as_dict(self) -> Json:
        return {"type": self.type, "id": self.id, "handle": self.handle, "name": self.name}

    def ref(self) -> Json:
        return {"type": self.type, "id": self.id}


@dataclass(frozen=True, slots=True)
class Participant:
    """A user, bot, agent or persona of a tenant; `driver` says how an AI is invoked. `secrets` are
    what requests to it are signed with, `{secret, until_ms}`, sealed, newest first; never shown."""

    tenant_id: str
    id: str
    type: str
    handle: str
    name: str
    driver: Json | None
    created_ms: int
    disabled_ms: int | None = None
    secrets: tuple[Json, ...] = ()

    def author(self) -> Author:
        return Author(self.id, self.type, self.handle, self.name)

    def as_dict(self) -> Json:
        return {
            **self.author().as_dict(),
            "driver": self.driver,
            "created_at": rfc3339(self.created_ms),
            "disabled_at": optional_rfc3339(self.disabled_ms),
        }


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller: one key or token, one participant, one tenant."""

    tenant_id: str
    author: Author
    role: TenantRole
    key_id: str
    expires_ms: int | None = None
    scopes: tuple[Scope, ...] = SCOPES

    @property
    def may_write(self) -> bool:
        """Whether the key or token may do more than read."""
        return "write" in self.scopes

    @property
    def by_token(self) -> bool:
        """Whether it is a JSON Web Token that says who calls: there is no key of that id."""
        return of_tokens(self.key_id)

    @property
    def rights(self) -> str:
        """What it may do by its key or token, as a name: two tokens of somebody may differ."""
        if not self.by_token:
            return self.key_id
        return f"{self.key_id}/{'+'.join(self.scopes)}/{self.expires_ms}"

    @property
    def proof(self) -> str:
        """What says who calls, as messages name it."""
        return "token" if self.by_token else "key"

    @property
    def id(self) -> str:
        return self.author.id

    @property
    def is_admin(self) -> bool:
        return self.role == "tenant_admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owner sees it; the secret itself is shown once and never stored. When it was
    last used is known to the minute."""

    id: str
    tenant_id: str
    participant_id: str
    name: str
    role: TenantRole
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    scopes: tuple[Scope, ...] = SCOPES
    last_used_ms: int | None = None

    def as_dict(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "participant_id": self.participant_id,
            "role": self.role,
            "scopes": list(self.scopes),
            "created_at": rfc3339(self.created_ms),
            "expires_at": optional_rfc3339(self.expires_ms),
            "revoked_at": optional_rfc3339(self.revoked_ms),
            "last_used_at": optional_rfc3339(self.last_used_ms),
        }
