"""A request's key: what makes a retry the same request."""

from __future__ import annotations

import hashlib

import orjson

from hub.core.posts import RequestKey
from hub.core.values import Actor
from hub.wire.bodies import Body


def request_key(
    actor: Actor, what: str, key: str | None, body: Body, fields: set[str] | None = None
) -> RequestKey | None:
    """The key of a request to `what` (a kind of thing, or the room it goes to); None without one.

    Scoped by tenant, participant and target; the digest covers the body as it was understood, or
    those of its `fields` that are the request whichever way it came.
    """
    if key is None:
        return None
    asked = body.model_dump(mode="json", include=fields, exclude={"client_id"})
    digest = hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return RequestKey(f"{actor.tenant_id}/{actor.id}/{what}", key, digest)
