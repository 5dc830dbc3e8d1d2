"""`hub.service.models`: who maps models, to what, and what becomes of the keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.core.errors import Conflict, Denied, Invalid, Missing
from hub.core.models import StoredModel
from hub.core.values import Actor
from hub.parts import Parts, open_parts
from hub.sealing import MARK, model_owner
from hub.settings import ModelSettings, Settings
from hub.wire.bodies import validate
from hub.wire.requests import PutModel
from tests.support.parts import ADMIN, ALICE, RIVAL

URL = "https://models.example.org/v1"
OTHER = "https://other.example.org/v1"


async def put(parts: Parts, slug: str = "mine", by: Actor = ADMIN, **body: Any) -> StoredModel:
    given = {"base_url": URL} | body if "alias_of" not in body else body
    return await parts.mapping.put(by, slug, validate(PutModel, given))


def opened(parts: Parts, model: StoredModel) -> tuple[str, ...]:
    """Its keys, none of which is stored as it is."""
    assert all(key.startswith(MARK) for key in model.api_keys)
    owner = model_owner(model.tenant_id, model.slug)
    return tuple(parts.models.seal.open(key, owner) for key in model.api_keys)


async def test_a_model_is_there_for_its_tenant_as_soon_as_it_is_mapped(parts: Parts) -> None:
    assert not await parts.models.knows("acme", "mine")
    await put(parts)
    assert await parts.models.knows("acme", "mine")
    assert not await parts.models.knows(RIVAL, "mine")
    await parts.mapping.delete(ADMIN, "mine")
    assert not await parts.models.knows("acme", "mine")


async def test_another_process_learns_of_it(parts: Parts, settings: Settings, valkey: str) -> None:
    async with open_parts(settings, valkey) as other:
        await put(other)
    assert await parts.models.knows("acme", "mine")


async def test_only_an_admin_maps_and_forgets_models(parts: Parts) -> None:
    with pytest.raises(Denied):
        await put(parts, by=ALICE)
    with pytest.raises(Denied):
        await parts.mapping.delete(ALICE, "mine")
    with pytest.raises(Denied):
        await parts.mapping.own(ALICE)


async def test_another_tenants_model_is_missing(parts: Parts) -> None:
    await put(parts)
    with pytest.raises(Missing) as caught:
        await parts.mapping.delete(replace(ADMIN, tenant_id=RIVAL), "mine")
    assert "MODEL_NOT_FOUND" == caught.value.code


@pytest.mark.parametrize(
    "base_url",
    [
        "http://models.example.org/v1",
        "https://127.0.0.1/v1",
        "https://169.254.169.254/latest",
        "https://10.0.0.7:8443/v1",
        "https://localhost/v1",
        "https://user:secret@models.example.org/v1",
        "https://2130706433/v1",
        "file:///etc/passwd",
    ],
)
async def test_a_server_that_is_not_public_is_refused(parts: Parts, base_url: str) -> None:
    with pytest.raises(Invalid) as caught:
        await put(parts, base_url=base_url)
    assert "base_url" == caught.value.details[0].field
    assert [] == await parts.mapping.own(ADMIN)


@pytest.mark.parametrize("field", ["api_key_env", "trusted", "headers"])
async def test_a_tenant_names_no_variable_of_the_environment(field: str) -> None:
    with pytest.raises(Invalid, match=f"{field}: is not a field"):
        validate(PutModel, {"base_url": URL, field: "HOME"})


async def test_keys_stay_when_they_are_not_given_and_go_with_null(parts: Parts) -> None:
    assert ("k1", "k2") == opened(parts, await put(parts, api_key=["k1", "k2"]))
    assert ("k1", "k2") == opened(parts, await put(parts, context_window=500))
    assert ("k3",) == opened(parts, await put(parts, api_key="k3"))
    assert () == (await put(parts, api_key=None)).api_keys


@pytest.mark.parametrize("moved", [{"base_url": OTHER}, {"alias_of": "builtin/echo"}])
async def test_a_key_never_follows_to_another_server(parts: Parts, moved: dict[str, Any]) -> None:
    await put(parts, api_key="k1")
    with pytest.raises(Invalid) as caught:
        await put(parts, **moved)
    assert "api_key" == caught.value.details[0].field
    assert () == (await put(parts, **moved, api_key=None)).api_keys


@pytest.mark.parametrize("slug", ["builtin/echo", "shared"])
async def test_the_operators_models_are_not_the_tenants_to_change(
    settings: Settings, valkey: str, slug: str
) -> None:
    shared = {"shared": ModelSettings(base_url="http://127.0.0.1:9/v1")}
    async with open_parts(settings.model_copy(update={"models": shared}), valkey) as parts:
        with pytest.raises(Conflict, match="operator"):
            await put(parts, slug)
        with pytest.raises(Conflict, match="operator"):
            await parts.mapping.delete(ADMIN, slug)


async def test_a_model_that_others_need_stays(parts: Parts) -> None:
    await put(parts)
    await put(parts, "second", fallbacks=["mine"])
    with pytest.raises(Conflict, match="second needs it"):
        await parts.mapping.delete(ADMIN, "mine")
    assert await parts.models.knows("acme", "mine")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"alias_of": "nobody"}, "alias_of"),
        ({"alias_of": "mine"}, "alias_of"),
        ({"alias_of": "builtin/echo", "base_url": URL}, "base_url"),
        ({"fallbacks": ["nobody"]}, "fallbacks"),
        ({"fallbacks": ["mine"]}, "fallbacks"),
        ({"alias_of": "builtin/echo", "api_key": "k"}, "api_key"),
    ],
)
async def test_a_mapping_that_cannot_work_names_its_field(
    parts: Parts, body: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await put(parts, **body)
    assert field == caught.value.details[0].field


async def test_what_was_done_is_in_the_audit_trail_without_the_key(parts: Parts) -> None:
    await put(parts, base_url=f"{URL}?code=top-secret", api_key="top-secret")
    rows = await parts.store.database.read(
        lambda c: [tuple(row) for row in c.exec_driver_sql("SELECT * FROM audit_log")]
    )
    assert any("model.put" in row and "models.example.org" in repr(row) for row in rows)
    assert "top-secret" not in repr(rows)
