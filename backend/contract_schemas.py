"""What Pydantic makes of the contract's dataclasses, once instead of for each route.

It keeps the schemas of its own dataclasses, and would make those of the standard library's again
wherever one is used; the contract is light to import without it.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

from pydantic import TypeAdapter

from backend import contract

_ATTRIBUTE = "__pydantic_core_schema__"
"""Where Pydantic looks for the schema of a dataclass."""
_PLAIN_TYPES = frozenset({"bool", "int", "float"})


def keep_schemas() -> None:
    """Keep the schemas of all dataclasses of the contract; makes each once in a process.

    As the description says it, a boolean is true or false, and not 0, 1 or "yes" either, and a
    number is no boolean and no text.
    """
    for each in vars(contract).values():
        if isinstance(each, type) and is_dataclass(each) and _ATTRIBUTE not in vars(each):
            setattr(each, _ATTRIBUTE, _strict(TypeAdapter(each).core_schema))


def _strict(schema: Any) -> Any:
    """Return a copy of a schema, or of a part of one, that converts nothing to a plain type."""
    if isinstance(schema, dict):
        copy = {key: _strict(value) for key, value in schema.items()}
        return copy | {"strict": True} if copy.get("type") in _PLAIN_TYPES else copy
    if isinstance(schema, list | tuple):
        return type(schema)(map(_strict, schema))
    return schema
