"""A request's key: what makes a retry the same request."""

from __future__ import annotations

import hashlib

import orjson

from hub.core.posts import RequestKey
from hub.core.values import Actor
from hub.wire.bodies import Body


def request_key(actor: Actor, what: str, key: str | None, body: Body) -> RequestKey | None:
    """The key of a request to `what` (a kind of thing, or the room it goes to); None without one.

    Scoped by tenant, participant and target; the digest covers the body as it was understood.
    """
    if key is None:
        return None
    fields = body.model_dump(mode="json")
    fields.pop("client_id", None)
    digest = hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return RequestKey(f"{actor.tenant_id}/{actor.id}/{what}", key, digest)
