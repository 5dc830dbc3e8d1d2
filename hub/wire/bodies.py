"""Bodies and frames in: bytes to a checked JSON object, or a VALIDATION_ERROR that says where."""

from __future__ import annotations

from typing import Any, TypeVar

import msgpack
import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.core.errors import FieldError, Invalid
from hub.core.text import JSON_DEPTH

Model = TypeVar("Model", bound=BaseModel)
_TAGGED = frozenset({"driver"})


class At(ValueError):
    """What is wrong with a body as a whole, told of one of its fields."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Body(BaseModel):
    """A request body: unknown fields are refused, types are not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def parse_object(data: bytes | str) -> dict[str, Any]:
    """A JSON object; Invalid for anything else, nesting over the limit included."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the body is not valid JSON: {error.args[0]}") from None
    if not isinstance(value, dict):
        raise Invalid("the body must be a JSON object")
    if _may_nest(data) and _too_deep(value):
        raise Invalid(f"the body must not nest deeper than {JSON_DEPTH}")
    return value


def parse_packed(data: bytes) -> dict[str, Any]:
    """A MessagePack map as `parse_object` would give it; Invalid for anything else.

    What JSON has no word for (bytes, extensions, keys that are no text) is no part of the protocol.
    """
    try:
        value = msgpack.unpackb(data, ext_hook=_no_extension)
    except (ValueError, msgpack.UnpackException) as error:
        reason = str(error).rstrip(".") or "it is cut short or nests too deep"
        raise Invalid(f"the frame is not valid MessagePack: {reason}") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Invalid("the frame must be a MessagePack map with text keys")
    if _too_deep(value):
        raise Invalid(f"the frame must not nest deeper than {JSON_DEPTH}")
    return value


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code} is not part of the protocol")


def _may_nest(data: bytes | str) -> bool:
    """Whether there are brackets enough for that; most objects have no second one, soon seen."""
    if isinstance(data, bytes):
        return data.count(b"[") + data.count(b"{") > JSON_DEPTH
    if "[" not in data and data.find("{", 1) < 0:
        return False
    return data.count("[") + data.count("{") > JSON_DEPTH


def _too_deep(value: Any) -> bool:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > JSON_DEPTH + 1:
            return True
        nested: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                nested.extend(v for v in item.values() if isinstance(v, dict | list))
            else:
                nested.extend(v for v in item if isinstance(v, dict | list))
        level = nested
    return False


def validate(model: type[Model], value: Any) -> Model:
    """`value` as `model`; Invalid with a path for every field at fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = tuple(
            FieldError(_path(_location(item)), _sentence(item)) for item in error.errors()[:20]
        )
        first = details[0]
        raise Invalid(f"{first.field}: {first.message}", details=details) from None


def _location(item: Any) -> tuple[int | str, ...]:
    """Where the fault is; one may name its field itself. Of a union told apart by `kind`, pydantic
    puts the kind into the path; when there is none, the fault is that field's."""
    location: tuple[int | str, ...] = item["loc"]
    fault = item.get("ctx", {}).get("error")
    if isinstance(fault, At):
        return (*location, fault.field)
    if item["type"].startswith("union_tag"):
        return (*location, "kind")
    return tuple(
        part for i, part in enumerate(location) if not (i > 0 and location[i - 1] in _TAGGED)
    )


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path or "body"


def _sentence(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "is not a field of this request"
    if item["type"] in ("missing", "union_tag_not_found"):
        return "is required"
    if item["type"] == "union_tag_invalid":
        return f"must be one of {item['ctx']['expected_tags']}".replace("'", "")
    text = str(item["msg"]).removeprefix("Value error, ")
    return text.removeprefix("Input ").strip()
