"""People who answer in a session instead of its model: asked for, taking over, handing back."""

from __future__ import annotations

from hub.gateway.rest.call import Answer, Call, Operation
from hub.wire.requests import Escalate, HandBack, TakeOver


async def escalate(call: Call) -> Answer:
    body = await call.body_if_any(Escalate)
    session = await call.parts.handling.escalate(call.actor, call.path("session_id"), body)
    return Answer(session.as_dict())


async def take_over(call: Call) -> Answer:
    await call.body_if_any(TakeOver)
    session = await call.parts.handling.take_over(call.actor, call.path("session_id"))
    return Answer(session.as_dict())


async def hand_back(call: Call) -> Answer:
    body = await call.body_if_any(HandBack)
    session = await call.parts.handling.hand_back(call.actor, call.path("session_id"), body)
    return Answer(session.as_dict())


_ONE = "/v1/sessions/{session_id}"
OPERATIONS = [
    Operation("POST", f"{_ONE}/escalate", escalate, "Ask for a person", Escalate),
    Operation("POST", f"{_ONE}/takeover", take_over, "Answer instead of the model", TakeOver),
    Operation("POST", f"{_ONE}/handback", hand_back, "Let the model answer again", HandBack),
]
