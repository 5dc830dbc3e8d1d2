"""`roomhub runs`: what AI participants were asked, as people and programs read it."""

from __future__ import annotations

import pytest

from tests.cli.command import refused, roomhub
from tests.cli.test_rooms import REVIEWER, at, make_room
from tests.support.hub import HubProcess


def test_runs_are_listed_and_shown_with_how_they_ended(hub: HubProcess) -> None:
    room = make_room(hub, REVIEWER)
    for text in ("@design_reviewer one?", "@design_reviewer two?"):
        at(hub, "rooms", "post", room["id"], text, "--wait")
    newest, oldest = at(hub, "runs", "list", room["name"], "--json").json
    assert oldest["created_at"] <= newest["created_at"]
    assert [newest] == at(hub, "runs", "list", room["id"], "--limit", "1", "--json").json
    header, *lines = at(hub, "runs", "list", room["id"], "--state", "succeeded").out.splitlines()
    assert ["id", "participant", "state"] == header.split()[:3]
    assert 2 == len(lines) and REVIEWER["id"] in lines[0]
    shown = at(hub, "runs", "show", newest["id"]).out.splitlines()
    assert any(line.split() == ["state", "succeeded"] for line in shown)
    assert newest == at(hub, "runs", "show", newest["id"], "--json").json


def test_a_run_that_has_ended_is_not_cancelled_and_one_that_succeeded_not_retried(
    hub: HubProcess,
) -> None:
    room = make_room(hub, REVIEWER)
    at(hub, "rooms", "post", room["id"], "@design_reviewer one?", "--wait")
    (run,) = at(hub, "runs", "list", room["id"], "--json").json
    assert f"{run['id']} is succeeded\n" == at(hub, "runs", "cancel", run["id"]).out
    assert "is not tried again" in refused(at(hub, "runs", "retry", run["id"]))


@pytest.mark.parametrize("verb", ["show", "cancel", "retry"])
def test_a_run_that_is_not_there_says_where_they_are_listed(hub: HubProcess, verb: str) -> None:
    told = refused(at(hub, "runs", verb, "run_nowhere"))
    assert "there is no run run_nowhere" in told and "roomhub runs list" in told


def test_a_state_that_is_none_says_which_there_are(hub: HubProcess) -> None:
    told = refused(roomhub("runs", "list", "x", "--state", "done", data_dir=hub.data_dir))
    assert "--state done" in told and "succeeded" in told
