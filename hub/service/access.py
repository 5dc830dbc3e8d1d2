"""Who is calling: keys, tokens, tickets and log-ins.

A key is `rhk_` + public id + `_` + secret; the store has the SHA-256 of the secret (128 random
bits and more need no slow hash). What a key stands for is cached until it is told to be revoked.
A JSON Web Token that the operator's application signs is as good as a key (see `bearers.py`), but
for what would outlive it: it makes no keys, and no log-in tickets, of which keys come.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Final

import structlog

from hub.core.claims import Claims
from hub.core.errors import Denied, Unauthenticated, invalid, missing
from hub.core.ids import IdMaker
from hub.core.posts import RequestKey
from hub.core.times import parse_rfc3339
from hub.core.values import Actor, ApiKey, Json, Scope, why_gone
from hub.ports import AuditEntry, Clock, Page, Store, StoredKey, TokenReader
from hub.service.bearers import Bearers
from hub.service.key_uses import KeyUses
from hub.service.shared import Gathered
from hub.service.tickets import Tickets
from hub.wire.requests import CreateKey

LOGIN_KEY_MS: Final = 12 * 3600 * 1000
_KEYS_AT_ONCE: Final = 200
_REVOKED_KEPT: Final = 10_000
_CACHED_KEYS: Final = 50_000
_CACHED_MS: Final = 60_000
log = structlog.get_logger("hub.access")


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


class Access:
    """Authenticates callers and hands out keys."""

    def __init__(
        self,
        store: Store,
        tickets: Tickets,
        ids: IdMaker,
        now_ms: Clock,
        tokens: TokenReader | None = None,
    ) -> None:
        self._store = store
        self._tickets = tickets
        self._ids = ids
        self._now_ms = now_ms
        self._keys = Gathered(store.keys.find_all, _KEYS_AT_ONCE)
        self._known: OrderedDict[str, tuple[str, Actor, int]] = OrderedDict()
        self._revoked: dict[str, None] = {}
        self.uses = KeyUses(store.keys, now_ms)
        self._bearers = Bearers(store, tokens, self.revoked, now_ms)

    def cached(self, token: str) -> Actor | None:
        """The actor of a key or token that was authenticated before and is still good."""
        prefix, _, rest = token.partition("_")
        public, _, secret = rest.partition("_")
        if prefix != "rhk":
            return self._bearers.cached(token)
        known = self._known.get(f"key_{public}")
        if known is None or not hmac.compare_digest(known[0], digest_of(secret)):
            return None
        _, actor, good_until = known
        now = self._now_ms()
        if now >= good_until or self._expired(actor):
            del self._known[actor.key_id]
            return None
        self.uses.note(actor.key_id, now)
        return actor

    async def authenticate(self, token: str) -> Actor:
        """The actor behind a key or token; Unauthenticated for anything else."""
        if actor := self.cached(token):
            return actor
        if _is_signed(token):
            return await self._bearers.authenticate(token)
        public, separator, secret = token.removeprefix("rhk_").partition("_")
        if not token.startswith("rhk_") or not separator or not public.isalnum():
            raise Unauthenticated("the key is not valid; keys begin with rhk_")
        found = await self._keys.ask(f"key_{public}")
        if found is None or not hmac.compare_digest(found.digest, digest_of(secret)):
            raise Unauthenticated("the key is not valid")
        actor = _actor(found)
        gone = found.key.revoked_ms is not None or found.key.id in self._revoked
        if gone or found.participant.disabled_ms is not None:
            raise Unauthenticated("the key was revoked")
        if self._expired(actor):
            raise Unauthenticated("the key has expired")
        self._remember(found.digest, actor)
        return actor

    def _expired(self, actor: Actor) -> bool:
        return actor.expires_ms is not None and actor.expires_ms <= self._now_ms()

    def _remember(self, digest: str, actor: Actor) -> None:
        now = self._now_ms()
        self.uses.note(actor.key_id, now)
        self._known[actor.key_id] = (digest, actor, now + _CACHED_MS)
        while len(self._known) > _CACHED_KEYS:
            self._known.popitem(last=False)

    async def create_key(
        self, actor: Actor, body: CreateKey, request: RequestKey | None = None
    ) -> Json:
        """A new key with its secret, shown this once. Users make keys for themselves; admins for
        any participant and of any role. A token makes none: it would outlive the token."""
        if actor.by_token:
            raise Denied("a token makes no keys, which would outlive it; use an API key")
        owner = actor.id if body.participant_id is None else body.participant_id
        if not actor.is_admin and (owner != actor.id or body.role != "tenant_user"):
            raise Denied("only a tenant_admin makes keys for others or of role tenant_admin")
        known = await self._store.participants.get(actor.tenant_id, owner)
        if known is None or known.disabled_ms is not None:
            raise invalid("participant_id", f"there is no participant {owner}")
        now = self._now_ms()
        expires = parse_rfc3339(body.expires_at) if body.expires_at else None
        if expires is not None and expires <= now:
            raise invalid("expires_at", "must lie in the future")
        return await self._issue(
            actor, owner, body.name, body.role, tuple(body.scopes), expires, request
        )

    async def _issue(
        self,
        actor: Actor,
        owner: str,
        name: str,
        role: str,
        scopes: tuple[Scope, ...],
        expires_ms: int | None,
        request: RequestKey | None = None,
    ) -> Json:
        now, key_id, secret = self._now_ms(), self._ids.make("key"), secrets.token_urlsafe(32)
        key = ApiKey(
            key_id, actor.tenant_id, owner, name,
            "tenant_admin" if role == "tenant_admin" else "tenant_user", now, expires_ms, None,
            scopes,
        )  # fmt: skip
        about = {"participant_id": owner, "role": role, "scopes": list(scopes)}
        audit = self._audit(actor, "key.created", key_id, about)
        written = await self._store.keys.create(key, digest_of(secret), audit, request)
        if written.earlier is not None:
            found = await self._store.keys.find(written.earlier)
            return found.key.as_dict() | {"key": None} if found else {}
        return key.as_dict() | {"key": f"rhk_{key_id.removeprefix('key_')}_{secret}"}

    def _audit(self, actor: Actor, action: str, object_id: str, detail: Json) -> AuditEntry:
        return AuditEntry(self._ids.make("audit"), actor, action, object_id, self._now_ms(), detail)

    async def keys(self, actor: Actor, page: Page) -> list[ApiKey]:
        """An admin sees the tenant's keys, a user their own."""
        found = await self._store.keys.page(
            actor.tenant_id, None if actor.is_admin else actor.id, page
        )
        return self.uses.told(found)

    async def revoke(self, actor: Actor, key_id: str) -> ApiKey:
        """End a key now; every connection that uses it is closed within a second."""
        found = await self._store.keys.find(key_id)
        if found is None or found.key.tenant_id != actor.tenant_id:
            raise missing("key")
        if not actor.is_admin and found.key.participant_id != actor.id:
            raise missing("key")
        audit = self._audit(actor, "key.revoked", key_id, {})
        revoked = await self._store.keys.revoke(actor.tenant_id, key_id, self._now_ms(), audit)
        if revoked is None:
            raise missing("key")
        self.forget(key_id)
        return self.uses.told([revoked])[0]

    async def create_ticket(
        self, actor: Actor, purpose: str, request: RequestKey | None = None
    ) -> Json:
        """A single-use stand-in for a key: `ws` for a WebSocket, `login` for the web app. For a
        token there is only the first, since whoever logs in gets a key."""
        if actor.by_token and purpose != "ws":
            raise Denied("a token makes no log-in tickets, which are changed for keys")
        return await self._tickets.make(actor, purpose, request)

    async def redeem(self, ticket: str, purpose: str) -> Actor:
        """The actor who made the ticket; it works once."""
        behind = await self._tickets.take(ticket, purpose)
        if isinstance(behind, Claims):
            actor = await self._bearers.actor(behind)
        else:
            found = await self._store.keys.find(behind)
            if found is None or found.key.revoked_ms is not None:
                raise Unauthenticated("the key behind the ticket was revoked")
            actor = _actor(found)
        if self._expired(actor):
            raise Unauthenticated(f"the {actor.proof} behind the ticket has expired")
        if not actor.by_token:
            self.uses.note(actor.key_id, self._now_ms())
        return actor

    async def log_in(self, ticket: str) -> Json:
        """A key for the web app, good for twelve hours."""
        actor = await self.redeem(ticket, "login")
        expires = min(self._now_ms() + LOGIN_KEY_MS, actor.expires_ms or 2**53)
        made = await self._issue(actor, actor.id, "web log-in", actor.role, actor.scopes, expires)
        return {"key": made["key"], "expires_at": made["expires_at"]}

    async def authenticate_socket(self, token: str) -> Actor:
        """The actor behind a key, a token or a `ws` ticket."""
        if token.startswith("rht_"):
            return await self.redeem(token, "ws")
        return await self.authenticate(token)

    def check(self, actor: Actor) -> None:
        """Raise Unauthenticated when the key or token it came by is good no longer."""
        if self.revoked(actor.key_id):
            raise Unauthenticated(why_gone(actor.key_id))
        if self._expired(actor):
            raise Unauthenticated(f"the {actor.proof} has expired")

    def revoked(self, key_id: str) -> bool:
        """Whether it is known that a key was revoked lately, or who comes by a token disabled."""
        return key_id in self._revoked

    def forget(self, key_id: str) -> None:
        """A key was revoked, or who comes by a token disabled, wherever it was."""
        self._known.pop(key_id, None)
        self._bearers.forget(key_id)
        self._revoked[key_id] = None
        while len(self._revoked) > _REVOKED_KEPT:
            del self._revoked[next(iter(self._revoked))]


def _is_signed(token: str) -> bool:
    """Whether it is meant to be a JSON Web Token: nothing of ours has dots."""
    return "." in token and not token.startswith("rh")


def _actor(found: StoredKey) -> Actor:
    key = found.key
    author = found.participant.author()
    return Actor(key.tenant_id, author, key.role, key.id, key.expires_ms, key.scopes)
