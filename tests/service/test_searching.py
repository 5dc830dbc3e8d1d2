"""`hub.service.searching`: what a query asks for, and where."""

from __future__ import annotations

import pytest

from hub.core.errors import Invalid, Missing
from hub.parts import Parts
from hub.ports import Search
from hub.service.searching import words_of
from tests.support.parts import ACME, ALICE, CAROL, Posts, add_room


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("one", ("one",)),
        ("  one   two ", ("one", "two")),
        ('"one two" three', ("one two", "three")),
        ('open "quote', ("open", '"quote')),
        ('"" one', ("one",)),
    ],
)
def test_words_and_phrases(query: str, words: tuple[str, ...]) -> None:
    assert words == words_of(query)


@pytest.mark.parametrize("query", [None, "", "  ", '""', "a\0", "x" * 201, " ".join("abcdefghijk")])
def test_a_query_that_asks_for_nothing_is_named(query: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        words_of(query)
    assert "q" == refused.value.details[0].field


async def test_a_room_that_is_named_must_be_readable(parts: Parts) -> None:
    await add_room(parts.store)
    posted = await Posts(parts.store).send(content="fox")
    search = Search(ACME, ALICE.id, ("fox",), 10, room_id="room_1")
    assert [posted.message_id] == [m.id for m in await parts.searching.find(ALICE, search)]
    with pytest.raises(Missing):
        await parts.searching.find(CAROL, Search(ACME, CAROL.id, ("fox",), 10, room_id="room_1"))
