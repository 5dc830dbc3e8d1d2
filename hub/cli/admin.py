"""`roomhub keys` and `roomhub participants`: who may come in."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.bootstrap import ADMIN
from hub.cli.desk import at_desk
from hub.cli.reach import DataDir, Stop
from hub.cli.show import AsJson, print_json, print_table, printable, tell
from hub.core.ids import participant_type
from hub.core.values import Json

keys = typer.Typer(no_args_is_help=True, help="List, create and revoke API keys.")
participants = typer.Typer(no_args_is_help=True, help="List, create and disable participants.")


# Keys.


@keys.command("list")
def list_keys(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Every key of the hub and when it was last used; the secrets themselves are not kept
    anywhere."""
    found = at_desk(data_dir, lambda desk: desk.keys())
    if as_json:
        print_json(found)
        return
    columns = (
        "id", "name", "participant_id", "role", "scopes", "created_at", "expires_at", "revoked_at",
        "last_used_at",
    )  # fmt: skip
    print_table(found, columns)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    participant: Annotated[
        str, typer.Option(help="Whose key, such as user_alice; default: the admin's.")
    ] = ADMIN,
    admin: Annotated[bool, typer.Option("--admin", help="With a tenant_admin's rights.")] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="To read and listen with, and nothing else.")
    ] = False,
    expires: Annotated[str | None, typer.Option(help="Such as 2030-01-31T12:00:00Z.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a key and print it, this once."""
    body: Json = {"name": name, "participant_id": participant}
    body |= {"role": "tenant_admin"} if admin else {}
    body |= {"scopes": ["read"]} if read_only else {}
    body |= {"expires_at": expires} if expires else {}
    made = at_desk(data_dir, lambda desk: desk.create_key(body))
    if as_json:
        print_json(made)
        return
    tell(f"{made['id']} for {made['participant_id']} ({made['role']}); it is shown this once:")
    print(made["key"])


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, as in `keys list`.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End a key; connections that use it are closed within a second."""
    gone = at_desk(data_dir, lambda desk: desk.revoke_key(key_id))
    if as_json:
        print_json(gone)
    else:
        print(f"{gone['id']} ({printable(gone['name'])}, {gone['participant_id']}) is revoked")


# Participants.


@participants.command("list")
def list_participants(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Everybody who is in use."""
    found = at_desk(data_dir, lambda desk: desk.participants())
    if as_json:
        print_json(found)
        return
    print_table([each | {"driven by": _driver(each)} for each in found],
                 ("id", "handle", "name", "driven by", "created_at"))  # fmt: skip


@participants.command("create")
def create_participant(
    participant_id: Annotated[
        str, typer.Argument(metavar="ID", help="user_, bot_, agent_ or persona_ and a name.")
    ],
    name: Annotated[str, typer.Option(help="The name people see; default: from the id.")] = "",
    handle: Annotated[str | None, typer.Option(help="For @mentions; default: from the id.")] = None,
    model: Annotated[str | None, typer.Option(help="The model that answers for an AI.")] = None,
    system_prompt: Annotated[str | None, typer.Option(help="What the model is told.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a user, bot, agent or persona."""
    kind = participant_type(participant_id)
    if kind is None:
        raise Stop("an id is user_, bot_, agent_ or persona_ and 1 to 64 of a-z 0-9 _ -")
    shown = name or participant_id.split("_", 1)[1].replace("_", " ").title()
    body: Json = {"type": kind, "id": participant_id, "name": shown}
    body |= {"handle": handle} if handle else {}
    body |= _model_driver(model, system_prompt)
    made = at_desk(data_dir, lambda desk: desk.create_participant(body))
    if as_json:
        print_json(made)
    else:
        print(f"{made['id']} ({printable(made['name'])}, @{made['handle']}) is made")


def _model_driver(model: str | None, system_prompt: str | None) -> Json:
    if model is None:
        if system_prompt is not None:
            raise Stop("--system-prompt needs --model")
        return {}
    prompt = {"system_prompt": system_prompt} if system_prompt else {}
    return {"driver": {"kind": "model", "model": model} | prompt}


@participants.command("disable")
def disable_participant(
    participant_id: Annotated[str, typer.Argument(metavar="ID", help="As in the list.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a participant out of use: its keys stop working, it is never invoked again."""
    gone = at_desk(data_dir, lambda desk: desk.disable_participant(participant_id))
    if as_json:
        print_json(gone)
    else:
        print(f"{gone['id']} ({printable(gone['name'])}) is out of use")


def _driver(participant: Json) -> str:
    driver = participant["driver"] or {}
    return " ".join(str(driver[part]) for part in ("kind", "model") if part in driver)
