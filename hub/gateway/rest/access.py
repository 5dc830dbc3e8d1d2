"""Who the caller is, API keys and tickets."""

from __future__ import annotations

from hub.core.times import optional_rfc3339
from hub.core.values import ApiKey
from hub.gateway.rest.call import Answer, Call, Operation
from hub.wire.requests import CreateKey, CreateTicket


async def me(call: Call) -> Answer:
    actor = call.actor
    return Answer(
        {
            "participant": actor.author.as_dict(),
            "tenant": actor.tenant_id,
            "role": actor.role,
            "scopes": list(actor.scopes),
            "key_id": actor.key_id,
            "expires_at": optional_rfc3339(actor.expires_ms),
        }
    )


async def create_key(call: Call) -> Answer:
    body = await call.body(CreateKey)
    made = await call.parts.access.create_key(call.actor, body, call.key("api-keys", body))
    return Answer(made, 201)


async def keys(call: Call) -> Answer:
    found = await call.parts.access.keys(call.actor, call.page("api-keys"))
    return call.listed("api-keys", found, lambda key: str(key.id), ApiKey.as_dict)


async def revoke_key(call: Call) -> Answer:
    revoked = await call.parts.access.revoke(call.actor, call.path("key_id"))
    return Answer(revoked.as_dict())


async def create_ticket(call: Call) -> Answer:
    body = await call.body(CreateTicket)
    key = call.key(f"tickets/{call.actor.rights}", body)  # another key may not do as much
    return Answer(await call.parts.access.create_ticket(call.actor, body.purpose, key), 201)


OPERATIONS = [
    Operation("GET", "/v1/me", me, "Who the caller is"),
    Operation("POST", "/v1/api-keys", create_key, "Create an API key", CreateKey, keyed=True),
    Operation("GET", "/v1/api-keys", keys, "List API keys", query=("limit", "cursor")),
    Operation("DELETE", "/v1/api-keys/{key_id}", revoke_key, "Revoke an API key"),
    Operation(
        "POST", "/v1/tickets", create_ticket, "Create a single-use ticket", CreateTicket,
        keyed=True, reads=True,
    ),
]  # fmt: skip
