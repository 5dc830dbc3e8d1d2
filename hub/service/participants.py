"""Participants of a tenant: who can be a member of its rooms."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from hub.core.errors import Denied, invalid, missing
from hub.core.ids import MODEL_PERSONA, IdMaker
from hub.core.posts import RequestKey
from hub.core.values import Actor, Json, Participant
from hub.ports import AuditEntry, Clock, Page, Store
from hub.sealing import Seal, webhook_owner
from hub.wire.requests import (
    A2aDriver,
    CallableDriver,
    ChangeParticipant,
    CreateParticipant,
    Driver,
    ModelDriver,
    WebhookDriver,
    given,
)
from hub.wire.urls import check_url

OVERLAP_MS: Final = 24 * 3600 * 1000


class Participants:
    """Use cases on participants. `knows_model` says whether a tenant has a model, secrets are
    stored under `seal`, `callables` and `outbound_allow` are the operator's settings."""

    def __init__(
        self,
        store: Store,
        knows_model: Callable[[str, str], Awaitable[bool]],
        ids: IdMaker,
        now_ms: Clock,
        seal: Seal,
        *,
        callables: Collection[str] = (),
        outbound_allow: Collection[str] = (),
    ) -> None:
        self._store = store
        self._knows_model = knows_model
        self._ids = ids
        self._callables = callables
        self._outbound_allow = outbound_allow
        self._now_ms = now_ms
        self._seal = seal

    async def create(
        self, actor: Actor, body: CreateParticipant, request: RequestKey | None = None
    ) -> Participant:
        """The newest of its `secrets` is open, to be shown once."""
        self._changeable(actor, body.id, "id")
        handle = body.handle or await self._free_handle(actor.tenant_id, body.id)
        driver = await self._driver(actor, body.driver)
        new = Participant(
            actor.tenant_id, body.id, body.type, handle, body.name, driver, self._now_ms(),
            secrets=self._secrets(actor.tenant_id, body.id, driver, (), rotate=False),
        )  # fmt: skip
        about: Json = {"driver": driver["kind"] if driver else None}
        audit = self._audit(actor, "participant.created", new.id, about)
        written = await self._store.participants.create(new, request, audit)
        made = await self.get(actor, written.earlier or new.id)
        return self._shown(made, made.secrets)

    async def _free_handle(self, tenant_id: str, participant_id: str) -> str:
        """`alice` for user_alice, or the whole id when another has that handle."""
        short = participant_id.split("_", 1)[1]
        taken = await self._store.participants.handles(tenant_id, [short])
        return participant_id[:64] if taken else short

    async def _driver(self, actor: Actor, driver: Driver | None) -> Json | None:
        if driver is None:
            return None
        if isinstance(driver, ModelDriver) and not await self._knows_model(
            actor.tenant_id, driver.model
        ):
            raise invalid("driver.model", f"there is no model {driver.model}; see GET /v1/models")
        if isinstance(driver, WebhookDriver | A2aDriver):
            try:
                check_url(driver.url, self._outbound_allow)
            except ValueError as error:
                raise invalid("driver.url", str(error)) from None
        if isinstance(driver, CallableDriver) and driver.name not in self._callables:
            raise invalid("driver.name", f"the operator's settings have no callable {driver.name}")
        return driver.model_dump(exclude_none=True, exclude_defaults=True)

    async def get(self, actor: Actor, participant_id: str) -> Participant:
        found = await self._store.participants.get(actor.tenant_id, participant_id)
        if found is None:
            raise missing("participant")
        return found

    async def page(self, actor: Actor, page: Page) -> list[Participant]:
        """Everybody of the tenant; only admins see how an AI is driven."""
        found = await self._store.participants.page(actor.tenant_id, page)
        return found if actor.is_admin else [replace(p, driver=None) for p in found]

    async def change(
        self, actor: Actor, participant_id: str, body: ChangeParticipant
    ) -> Participant:
        """Its `secrets` are what was just made, open, to be shown once."""
        self._changeable(actor, participant_id)
        changes = given(body, nullable=("driver",))
        rotate = changes.pop("rotate_secret", False)
        if "driver" in changes:
            if participant_id.startswith("user_") and body.driver is not None:
                raise invalid("driver", "a user has no driver")
            changes["driver"] = await self._driver(actor, body.driver)
        made: tuple[Json, ...] = ()
        known_secrets: tuple[Json, ...] = ()
        if rotate or body.driver is not None:
            known = await self.get(actor, participant_id)
            if known.disabled_ms is not None:
                raise invalid("driver", f"{participant_id} is out of use and is not invoked again")
            known_secrets = known.secrets
            driver = changes.get("driver", known.driver)
            made = self._secrets(
                actor.tenant_id, participant_id, driver, known_secrets, rotate=rotate
            )
            changes["secrets"] = list(made) or None
        about: Json = {"fields": sorted(body.model_fields_set)}
        audit = self._audit(actor, "participant.changed", participant_id, about)
        changed = await self._store.participants.update(
            actor.tenant_id, participant_id, changes, audit
        )
        if changed is None:
            raise missing("participant")
        return self._shown(changed, made if made[:1] != known_secrets[:1] else ())

    def _secrets(
        self,
        tenant_id: str,
        participant_id: str,
        driver: Json | None,
        known: Sequence[Json],
        *,
        rotate: bool,
    ) -> tuple[Json, ...]:
        """The secrets of a webhook, in the form of Standard Webhooks 1.0; the one before stays good
        for a day."""
        if not driver or driver["kind"] != "webhook":
            if rotate:
                raise invalid("rotate_secret", "only a webhook has a secret")
            return ()
        if known and not rotate:
            return tuple(known)
        until_ms = self._now_ms() + OVERLAP_MS
        text = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        sealed = self._seal.close(text, webhook_owner(tenant_id, participant_id))
        new: Json = {"secret": sealed, "until_ms": None}
        return (new, *({**old, "until_ms": until_ms} for old in known[:1]))

    def _shown(self, participant: Participant, sealed: Sequence[Json]) -> Participant:
        """With the newest of these as its secret, open."""
        owner = webhook_owner(participant.tenant_id, participant.id)
        shown = [each | {"secret": self._seal.open(each["secret"], owner)} for each in sealed[:1]]
        return replace(participant, secrets=tuple(shown))

    async def disable(self, actor: Actor, participant_id: str) -> Participant:
        """Take a participant out of use: its keys stop working, it is never invoked again."""
        self._changeable(actor, participant_id)
        if participant_id == actor.id:
            raise invalid("participant_id", "must not be your own")
        audit = self._audit(actor, "participant.disabled", participant_id, {})
        gone = await self._store.participants.disable(
            actor.tenant_id, participant_id, self._now_ms(), audit
        )
        if gone is None:
            raise missing("participant")
        return gone

    def _audit(self, actor: Actor, action: str, object_id: str, detail: Json) -> AuditEntry:
        return AuditEntry(self._ids.make("audit"), actor, action, object_id, self._now_ms(), detail)

    def _changeable(self, actor: Actor, participant_id: str, field: str = "participant_id") -> None:
        if not actor.is_admin:
            raise Denied("only a tenant_admin changes participants")
        if participant_id.startswith(MODEL_PERSONA):
            raise invalid(field, f"must not begin with {MODEL_PERSONA}: such stand for a model")
