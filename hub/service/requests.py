"""A request's key: what makes a retry the same request."""

from __future__ import annotations

import hashlib
from typing import Final

import orjson

from hub.core.posts import RequestKey
from hub.core.values import Actor, Json
from hub.wire.bodies import Body

_OWN: Final = {"client_id"}


def request_key(
    actor: Actor, what: str, key: str | None, body: Body, fields: set[str] | None = None
) -> RequestKey | None:
    """The key of a request to `what` (a kind of thing, or the room it goes to); None without one.

    Scoped by tenant, participant and target; the digest covers the body as it was understood, or
    those of its `fields` that are the request whichever way it came.
    """
    if key is None:
        return None
    return key_to(actor, what, key, body.model_dump(mode="json", include=fields, exclude=_OWN))


def key_to(actor: Actor, what: str, key: str, asked: Json) -> RequestKey:
    """The key of a request for which `asked` is the body as it was understood."""
    digest = hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return RequestKey(f"{actor.tenant_id}/{actor.id}/{what}", key, digest)
