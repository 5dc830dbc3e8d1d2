"""`roomhub models`, on a running hub and on one that is not."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import refused, roomhub


def listed(data_dir: Path) -> dict[str, dict[str, Any]]:
    found = roomhub("models", "list", "--json", data_dir=data_dir).json
    return {model["id"]: model for model in found}


def test_a_model_is_added_changed_and_removed(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = f"acme/{secrets.token_hex(4)}"
    monkeypatch.setenv("ACME_KEY", "sk-secret")
    url = "https://models.example.org/v1"
    made = roomhub("models", "add", slug, "--base-url", url, "--api-key-env", "ACME_KEY",
                   "--fallback", "builtin/echo", "--prompt-price", "0.5", "--json",
                   data_dir=data_dir)  # fmt: skip
    assert "sk-secret" not in made.out
    model = listed(data_dir)[slug]
    assert made.json == model
    assert ("tenant", 1, url, ["builtin/echo"], {"prompt": 0.5, "completion": 0.0}) == (
        model["source"], model["keys"], model["config"]["base_url"], model["config"]["fallbacks"],
        model["price"],
    )  # fmt: skip
    roomhub("models", "add", slug, "--base-url", url, "--context-window", "999", "--json",
            data_dir=data_dir)  # fmt: skip
    model = listed(data_dir)[slug]
    assert (1, 999) == (model["keys"], model["context_window"])
    assert roomhub("models", "remove", slug, "--json", data_dir=data_dir).json["deleted"]
    assert slug not in listed(data_dir)


def test_a_model_is_asked_whether_it_answers(data_dir: Path) -> None:
    slug = f"echo-{secrets.token_hex(4)}"
    roomhub("models", "add", slug, "--alias-of", "builtin/echo", data_dir=data_dir)
    answer = roomhub("models", "test", slug, "--prompt", "are you there", "--json",
                     data_dir=data_dir).json  # fmt: skip
    assert ("are you there", True) == (answer["content"], answer["took_ms"] >= 0)
    shown = roomhub("models", "test", slug, data_dir=data_dir).out
    assert f"{slug} answered in" in shown


def test_people_get_a_table(data_dir: Path) -> None:
    first, *rest = roomhub("models", "list", data_dir=data_dir).out.splitlines()
    assert ["id", "source", "context_window"] == first.split()[:3]
    assert any("scailabs/poolnoodle-omni" in line and "builtin/eliza" in line for line in rest)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("add", "x/y"), "base_url"),
        (("add", "x/y", "--base-url", "http://127.0.0.1:1"), "HUB_OUTBOUND_ALLOW"),
        (("add", "x/y", "--alias-of", "no/such"), "no/such"),
        (("add", "builtin/echo", "--alias-of", "builtin/eliza"), "operator"),
        (("add", "x/y", "--base-url", "https://a.example", "--api-key-env", "NOT_SET_HERE"),
         "NOT_SET_HERE"),
        (("remove", "no/such"), "no such model"),
        (("test", "no/such"), "there is no model no/such"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_line_that_names_it(
    data_dir: Path, arguments: tuple[str, ...], names: str
) -> None:
    assert names in refused(roomhub("models", *arguments, data_dir=data_dir))
