"""`hub.gateway.docs.codes`: the codes that the code raises, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hub.core.errors import HubError
from hub.gateway.docs.codes import CODES

SOURCES = Path(__file__).parents[3]
RAISED = re.compile(r"""\bcode ?= ?"([A-Z_]+)"|\bmissing\("([a-z]+)"\)""")
OURS = {"UNREACHABLE"}  # the client's own, of an answer that never came


def kinds(kind: type[HubError] = HubError) -> Iterator[type[HubError]]:
    """The whole tree of errors."""
    yield kind
    for each in kind.__subclasses__():
        yield from kinds(each)


def test_every_code_that_is_raised_is_described_and_no_other() -> None:
    raised = set()
    for path in [*(SOURCES / "hub").rglob("*.py"), *(SOURCES / "workers").rglob("*.py")]:
        for code, noun in RAISED.findall(path.read_text()):
            raised.add(code or f"{noun.upper()}_NOT_FOUND")
    assert CODES.keys() == raised - OURS


def test_the_status_of_a_code_is_that_of_its_error() -> None:
    for kind in kinds():
        if kind.__module__ == HubError.__module__:
            assert kind.status == CODES[kind.code].status, kind
