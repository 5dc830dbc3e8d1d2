"""`hub.wire.bodies`: bytes to a checked object, or a refusal that says where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgpack
import pytest
from pydantic import Field

from hub.core.errors import Invalid
from hub.core.text import JSON_DEPTH
from hub.wire.bodies import Body, parse_object, parse_packed, validate


class Inner(Body):
    id: str
    n: int = 0


class Sample(Body):
    name: str
    count: Annotated[int, Field(ge=0, le=100)] = 0
    flag: bool = False
    inner: Inner | None = None
    many: list[Inner] = []


def fields(value: Any, model: type[Body] = Sample) -> dict[str, str]:
    """The fields at fault and what is said of each."""
    with pytest.raises(Invalid) as caught:
        validate(model, value)
    assert caught.value.message.startswith(caught.value.details[0].field)
    return {d.field: d.message for d in caught.value.details}


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"{", b'{"a":1', b"{'a':1}", b'{"a":1,}', b"nul", b'{"a":1}x', b'{"a":01}',
        b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e999}',
        b'{"a":"\\ud800"}', b'{"a":"\\udfff\\ud800"}', b'{"\\ud800":1}',
        b'{"a":"\xff"}', b'{"a":"\xc0\xaf"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xf5\x80\x80\x80"}',
        '{"a":1}'.encode("utf-16"), b'\xef\xbb\xbf{"a":1}', b'{"a":"\n"}', b"\0", b'{"a":1}\0',
        b'{"a":' + b"9" * 5_000 + b"}",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        parse_object(data)
    assert caught.value.code == "VALIDATION_ERROR"


@pytest.mark.parametrize("data", [b"[]", b"1", b'"a"', b"null", b"true", b"[{}]"])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid, match="must be a JSON object"):
        parse_object(data)


@pytest.mark.parametrize("text", ['{"a":"👍"}', '{"a":"[{\\"}"}', '{"a":"\\u0000"}'])
def test_json_is_read_from_bytes_and_text_alike(text: str) -> None:
    assert parse_object(text) == parse_object(text.encode())


def objects(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def lists(depth: int) -> bytes:
    return b'{"a":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize("make", [objects, lists])
def test_nesting_is_limited(make: Any) -> None:
    assert parse_object(make(JSON_DEPTH))
    for deep in (JSON_DEPTH + 2, 500, 1_000, 5_000, 100_000):
        with pytest.raises(Invalid):
            parse_object(make(deep))


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse_object(b'{"a":[' + b",".join([b"[{}]"] * 5_000) + b"]}")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({}, "name"),
        ({"name": 1}, "name"),
        ({"name": None}, "name"),
        ({"name": "a", "count": "1"}, "count"),
        ({"name": "a", "count": 1.5}, "count"),
        ({"name": "a", "count": True}, "count"),
        ({"name": "a", "count": -1}, "count"),
        ({"name": "a", "count": 101}, "count"),
        ({"name": "a", "flag": 1}, "flag"),
        ({"name": "a", "inner": {"id": 1}}, "inner.id"),
        ({"name": "a", "inner": []}, "inner"),
        ({"name": "a", "many": {}}, "many"),
        ({"name": "a", "many": [{"id": "x"}, {"id": "y"}, {"id": 3}]}, "many[2].id"),
        ({"name": "a", "many": [{"id": "x", "other": 1}]}, "many[0].other"),
        ({"name": "a", "many": ["x"]}, "many[0]"),
        ([], "body"),
    ],
)
def test_the_field_at_fault_is_named_by_its_path(value: Any, field: str) -> None:
    assert list(fields(value)) == [field]


def test_an_unknown_field_is_refused_by_name() -> None:
    assert fields({"name": "a", "nmae": "b"}) == {"nmae": "is not a field of this request"}


def test_a_missing_field_is_said_to_be_required() -> None:
    assert fields({}) == {"name": "is required"}


def test_every_fault_is_told_at_once_up_to_a_limit() -> None:
    found = fields({"name": 1, "count": "x", "many": [{"id": n} for n in range(100)]})
    assert {"name", "count", "many[0].id"} <= set(found)
    assert len(found) == 20


@pytest.mark.parametrize("number", [2**63, 2**64, 2**200])
def test_a_number_beyond_64_bits_is_refused_where_an_integer_is_meant(number: int) -> None:
    """orjson turns 2**64 into a float without a word."""
    value = parse_object(b'{"name":"a","count":%d}' % number)
    assert list(fields(value)) == ["count"]


def test_a_refusal_never_repeats_what_was_sent() -> None:
    found = fields({"name": "a", "inner": {"id": ["rhk_secret"]}, "count": "rhk_secret"})
    assert "rhk_secret" not in str(found)


@pytest.mark.parametrize(
    "value", [{}, {"a": "👍", "b": [1, -1, 2**53, 1.5, None, True]}, {"a": {"b": {}}}]
)
def test_a_msgpack_map_is_what_its_json_would_be(value: dict[str, Any]) -> None:
    assert value == parse_packed(msgpack.packb(value))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xc1", b"\x81", b"\x81\xa1a", b"\x80\x80", b"\x90", b"\x01", b"\xa1a",
        b"\x81\x01\x01", b"\x81\xc4\x01a\x01", b"\x81\xa1\xff\x01", b"\x81\xa1a\xa3\xed\xa0\x80",
        b"\x81\xa1a\xd4\x05\x00", b"\x91" * 60_000, b"\xdf\xff\xff\xff\xff",
    ],
)  # fmt: skip
def test_what_is_no_msgpack_map_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        parse_packed(data)
    assert caught.value.message.startswith("the frame ")
    assert caught.value.message[-1].isalnum() or caught.value.message.endswith(")")


@pytest.mark.parametrize("levels", range(JSON_DEPTH - 2, JSON_DEPTH + 3))
def test_msgpack_may_nest_as_deep_as_json(levels: int) -> None:
    def taken(parse: Callable[[bytes], Any], data: bytes) -> bool:
        try:
            return bool(parse(data))
        except Invalid as refusal:
            assert "nest deeper" in refusal.message
            return False

    as_json = b'{"a":' * levels + b"{}" + b"}" * levels
    assert taken(parse_object, as_json) == taken(parse_packed, b"\x81\xa1a" * levels + b"\x80")
    assert taken(parse_object, as_json) == (levels <= JSON_DEPTH)
