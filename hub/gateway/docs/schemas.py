"""JSON Schemas: of request bodies from their models, of what is sent from values as sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel

from hub.core.values import Json

_OPEN: Final = frozenset(
    {"reactions", "settings", "metadata", "usage", "context", "error", "driver", "run", "session"}
)
_NAMES: Final = {bool: "boolean", int: "integer", float: "number", str: "string"}


class Schemas:
    """The schemas of a document, each once; `ref` names one and takes it in."""

    def __init__(self) -> None:
        self.found: dict[str, Json] = {}

    def ref(self, model: type[BaseModel]) -> Json:
        name = model.__name__
        if name not in self.found:
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            self.found |= schema.pop("$defs", {})
            self.found[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}


def schema_of(samples: Sequence[Any]) -> Json:
    """What all of these values are: the types they have, the fields some have, those all have."""
    given = [sample for sample in samples if sample is not None]
    schema = _schema_of(given) if given else {}
    if len(given) == len(samples) or not given:
        return schema
    kind = schema.get("type")
    return schema | ({"type": [kind, "null"]} if isinstance(kind, str) else {})


def _schema_of(samples: Sequence[Any]) -> Json:
    if all(isinstance(sample, dict) for sample in samples):
        names = {name: None for sample in samples for name in sample}
        return {
            "type": "object",
            "properties": {
                name: {"type": ["object", "null"]} if name in _OPEN
                else schema_of([sample.get(name) for sample in samples if name in sample])
                for name in names
            },
            "required": [name for name in names if all(name in sample for sample in samples)],
        }  # fmt: skip
    if all(isinstance(sample, list | tuple) for sample in samples):
        items = [item for sample in samples for item in sample]
        return {"type": "array", "items": schema_of(items) if items else {}}
    return {"type": _NAMES[type(samples[0])]}
