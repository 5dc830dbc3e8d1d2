"""Participants of the tenant."""

from __future__ import annotations

from hub.core.values import Json, Participant
from hub.gateway.rest.call import Answer, Call, Operation
from hub.wire.requests import ChangeParticipant, CreateParticipant


async def create(call: Call) -> Answer:
    body = await call.body(CreateParticipant)
    made = await call.parts.participants.create(call.actor, body, call.key("participants", body))
    return Answer(_with_secret(made), 201)


def _with_secret(participant: Participant) -> Json:
    """What its requests are signed with is shown when it is made, and never again."""
    newest = [each["secret"] for each in participant.secrets[:1]]
    return participant.as_dict() | ({"secret": newest[0]} if newest else {})


async def page(call: Call) -> Answer:
    found = await call.parts.participants.page(call.actor, call.page("participants"))
    return call.listed("participants", found, lambda p: str(p.id), Participant.as_dict)


async def read(call: Call) -> Answer:
    found = await call.parts.participants.get(call.actor, call.path("participant_id"))
    shown = found.as_dict()
    return Answer(shown if call.actor.is_admin else shown | {"driver": None})


async def change(call: Call) -> Answer:
    body = await call.body(ChangeParticipant)
    changed = await call.parts.participants.change(call.actor, call.path("participant_id"), body)
    return Answer(_with_secret(changed))


async def disable(call: Call) -> Answer:
    gone = await call.parts.participants.disable(call.actor, call.path("participant_id"))
    return Answer(gone.as_dict())


_ONE = "/v1/participants/{participant_id}"
OPERATIONS = [
    Operation(
        "POST", "/v1/participants", create, "Create a participant", CreateParticipant, keyed=True
    ),
    Operation("GET", "/v1/participants", page, "List participants", query=("limit", "cursor")),
    Operation("GET", _ONE, read, "Read a participant"),
    Operation("PATCH", _ONE, change, "Change a participant", ChangeParticipant),
    Operation("DELETE", _ONE, disable, "Take a participant out of use"),
]
