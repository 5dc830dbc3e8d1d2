"""`roomhub models`: which language models there are, and whether they answer."""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated, Final

import typer

from hub.cli.desk import at_desk
from hub.cli.reach import DataDir, Stop
from hub.cli.show import AsJson, print_json, print_table
from hub.core.values import Json

COLUMNS: Final = ("id", "source", "context_window", "max_output_tokens", "server", "keys")
Slug = Annotated[str, typer.Argument(help="The model's name, such as acme/big.")]

models = typer.Typer(no_args_is_help=True, help="List, add, remove and test language models.")


@models.command("list")
def list_models(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Every model: builtin, of the settings file, added here."""
    listed = at_desk(data_dir, lambda desk: desk.models())
    found = [model for model in listed if model["owned_by"] != "persona"]
    if as_json:
        print_json(found)
        return
    print_table([each | _where(each) for each in found], COLUMNS)


def _where(model: Json) -> Json:
    config = model.get("config", {})
    alias = model.get("alias_of") or config.get("alias_of")
    server = f"alias of {alias}" if alias else config.get("base_url")
    return {"server": server, "keys": model.get("keys")}


@models.command("add")
def add_model(
    slug: Slug,
    base_url: Annotated[
        str | None, typer.Option(help="Where it is served, such as https://api.example.com/v1.")
    ] = None,
    alias_of: Annotated[str | None, typer.Option(help="Another model that answers.")] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="The variable of this shell that holds its key.")
    ] = None,
    api_key_stdin: Annotated[
        bool, typer.Option("--api-key-stdin", help="Read keys from standard input, one a line.")
    ] = False,
    upstream_model: Annotated[
        str | None, typer.Option(help="The name its server knows; default: the slug.")
    ] = None,
    context_window: Annotated[int | None, typer.Option(help="In tokens.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(help="Of one reply.")] = None,
    fallback: Annotated[
        list[str] | None, typer.Option(help="Answers when it cannot; repeatable, in order.")
    ] = None,
    prompt_price: Annotated[float | None, typer.Option(help="Of a million tokens.")] = None,
    completion_price: Annotated[float | None, typer.Option(help="Of a million tokens.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Add a model, or map one anew; keys that are not given stay as they are."""
    body: Json = {
        "base_url": base_url, "alias_of": alias_of, "upstream_model": upstream_model,
        "context_window": context_window, "max_output_tokens": max_output_tokens,
        "fallbacks": fallback or None,
    }  # fmt: skip
    body = {name: value for name, value in body.items() if value is not None}
    if keys := _keys(api_key_env, stdin=api_key_stdin):
        body["api_key"] = keys
    body |= _price(prompt_price, completion_price)
    made = at_desk(data_dir, lambda desk: desk.put_model(slug, body))
    if as_json:
        print_json(made)
    else:
        print(f"{made['id']} is mapped; see that it answers: roomhub models test {made['id']}")


def _keys(variable: str | None, *, stdin: bool) -> list[str]:
    """Keys never stand in the command itself, where other users of the machine would see them."""
    if stdin:
        return [line.strip() for line in sys.stdin if line.strip()]
    if variable is None:
        return []
    key = os.environ.get(variable, "").strip()
    if not key:
        raise Stop(f"the variable {variable} is not set; export it, or use --api-key-stdin")
    return [key]


def _price(prompt: float | None, completion: float | None) -> Json:
    if prompt is None and completion is None:
        return {}
    return {"price": {"prompt": prompt or 0.0, "completion": completion or 0.0}}


@models.command("remove")
def remove_model(slug: Slug, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Forget a model that was added."""
    gone = at_desk(data_dir, lambda desk: desk.delete_model(slug))
    if as_json:
        print_json(gone)
    else:
        print(f"{gone['id']} is removed")


@models.command("test")
def test_model(
    slug: Slug,
    prompt: Annotated[str, typer.Option(help="What it is asked.")] = "Say hello in one sentence.",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model something, and show its answer and how long it took."""
    body: Json = {"model": slug, "messages": [{"role": "user", "content": prompt}]}
    began = time.monotonic()
    answer = at_desk(data_dir, lambda desk: desk.complete(body))
    took_ms = round((time.monotonic() - began) * 1000)
    text = answer["choices"][0]["message"]["content"]
    if as_json:
        print_json({"id": slug, "content": text, "usage": answer["usage"], "took_ms": took_ms})
        return
    usage = answer["usage"]
    print(text)
    print(
        f"{slug} answered in {took_ms} ms "
        f"({usage['prompt_tokens']} + {usage['completion_tokens']} tokens)"
    )
