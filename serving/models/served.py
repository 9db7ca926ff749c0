"""Which models every instance loads, and which of them answers when none is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ServedModels:
    """The models that instances load, by name."""

    current: str = ""
    """Answers a request that names no model; empty in a workspace without any model."""
    also: tuple[str, ...] = ()
    """Stay loaded beside the current one."""
    loading: str = ""
    """Being loaded, to become the current one or one of `also`."""

    def names(self) -> tuple[str, ...]:
        """Everything that instances load, each once; the current model first."""
        return tuple(dict.fromkeys(name for name in self._all() if name))

    def renamed(self, old: str, new: str) -> ServedModels:
        """The same with `new` in every place of `old`."""
        current, *also = (new if name == old else name for name in (self.current, *self.also))
        return ServedModels(current, tuple(also), new if self.loading == old else self.loading)

    def to_json(self) -> str:
        raw = {"current": self.current, "also": list(self.also), "loading": self.loading}
        return json.dumps({"schema": 1, **raw}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ServedModels:
        """Parse what `to_json` returned; raises ValueError for anything else."""
        raw = json.loads(text)
        if not isinstance(raw, Mapping) or not isinstance(raw.get("current"), str):
            raise ValueError("not a list of served models")
        also: Any = raw.get("also", [])
        if not isinstance(also, list) or not all(isinstance(name, str) for name in also):
            raise ValueError("not a list of served models")
        return cls(raw["current"], tuple(also), str(raw.get("loading", "")))

    def _all(self) -> tuple[str, ...]:
        return (self.current, *self.also, self.loading)
