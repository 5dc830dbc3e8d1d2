"""`roomhub keys` and `roomhub participants`, on a running hub and on one that is not."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.cli.lock import hold_lock
from tests.cli.command import refused, roomhub, roomhub_process
from tests.support.hub import HubProcess, run_hub


def of(items: list[dict[str, Any]], item_id: str) -> dict[str, Any] | None:
    return next((item for item in items if item["id"] == item_id), None)


def test_a_key_is_made_listed_and_revoked(data_dir: Path) -> None:
    made = roomhub("keys", "create", "for a test", "--participant", "user_bob", "--json",
                   data_dir=data_dir).json  # fmt: skip
    listed = of(roomhub("keys", "list", "--json", data_dir=data_dir).json, made["id"])
    assert made.pop("key").startswith("rhk_")
    assert made == listed
    assert ("for a test", "user_bob", "tenant_user") == (
        made["name"], made["participant_id"], made["role"],
    )  # fmt: skip
    assert ["read", "write"] == made["scopes"]
    roomhub("keys", "revoke", made["id"], "--json", data_dir=data_dir)
    revoked = of(roomhub("keys", "list", "--json", data_dir=data_dir).json, made["id"])
    assert revoked is not None and revoked["revoked_at"] is not None


def test_a_key_may_be_made_for_reading_alone(data_dir: Path) -> None:
    made = roomhub("keys", "create", "screen", "--read-only", "--json", data_dir=data_dir).json
    assert ["read"] == made["scopes"]
    table = roomhub("keys", "list", data_dir=data_dir).out.splitlines()
    assert any(made["id"] in line and line.count("read") == 1 for line in table)


def test_a_participant_is_made_listed_and_disabled(data_dir: Path) -> None:
    bot = f"bot_{secrets.token_hex(4)}"
    made = roomhub("participants", "create", bot, "--model", "builtin/eliza", "--json",
                   data_dir=data_dir).json  # fmt: skip
    listed = roomhub("participants", "list", "--json", data_dir=data_dir).json
    assert {"kind": "model", "model": "builtin/eliza"} == made["driver"]
    assert made == of(listed, bot)
    gone = roomhub("participants", "disable", bot, "--json", data_dir=data_dir).json
    assert gone["disabled_at"] is not None
    assert of(roomhub("participants", "list", "--json", data_dir=data_dir).json, bot) is None


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("keys", "create", "x", "--participant", "user_nobody"), "user_nobody"),
        (("keys", "create", "x", "--expires", "2001-01-01T00:00:00Z"), "expires_at"),
        (("keys", "revoke", "key_nowhere"), "no such key"),
        (("participants", "create", "user_alice"), "user_alice is taken"),
        (("participants", "create", "alice"), "user_, bot_, agent_ or persona_"),
        (("participants", "create", "bot_x", "--model", "no/model"), "no/model"),
        (("participants", "create", "bot_x", "--system-prompt", "be"), "--model"),
        (("participants", "disable", "user_nobody"), "no such participant"),
    ],
)
def test_what_is_refused_is_one_line_that_names_it(
    data_dir: Path, arguments: tuple[str, ...], names: str
) -> None:
    assert names in refused(roomhub(*arguments, data_dir=data_dir))


def test_people_get_a_table_and_programs_a_key_alone(data_dir: Path) -> None:
    made = roomhub("keys", "create", "plain", "--participant", "user_bob", data_dir=data_dir)
    (key,) = made.out.splitlines()
    assert key.startswith("rhk_")
    assert "shown this once" in made.err
    table = roomhub("keys", "list", data_dir=data_dir).out.splitlines()
    assert ["id", "name", "participant", "role"] == table[0].split()[:4]
    assert any("plain" in line and "user_bob" in line for line in table)


def test_a_key_made_on_a_stopped_hub_works_after_the_start_and_a_revoked_one_does_not(
    tmp_path: Path,
) -> None:
    with run_hub(tmp_path) as hub:
        hub.stop()
        good, bad = (
            roomhub("keys", "create", name, "--participant", "user_bob", "--json",
                    data_dir=tmp_path).json
            for name in ("good", "bad")
        )  # fmt: skip
        roomhub("keys", "revoke", bad["id"], data_dir=tmp_path)
        hub.start()
        assert [200, 401] == [status_with(hub, key["key"]) for key in (good, bad)]
        roomhub("keys", "revoke", good["id"], data_dir=tmp_path)
        assert 401 == status_with(hub, good["key"])


def status_with(hub: HubProcess, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{hub.address}/v1/me", headers=headers, trust_env=False).status_code


def test_a_directory_where_no_hub_ever_was_is_left_alone(tmp_path: Path) -> None:
    assert "roomhub up" in refused(roomhub("keys", "list", data_dir=tmp_path))
    assert [] == list(tmp_path.iterdir())


def test_a_refusal_is_one_line_in_a_process_of_its_own_too(tmp_path: Path) -> None:
    assert "roomhub up" in refused(roomhub_process("keys", "list", data_dir=tmp_path))


def test_a_hub_that_is_starting_is_not_worked_around(stopped: Path) -> None:
    with hold_lock(stopped):
        assert "try again" in refused(roomhub("keys", "list", data_dir=stopped))
