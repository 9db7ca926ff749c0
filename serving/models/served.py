"""Which models every instance loads, and which of them answers when none is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from serving.json_decode import decode
from serving.state_files import is_plain_name


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
        return json.dumps({"schema": 1, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ServedModels:
        """Return what the parsed text of `to_json` says; raises ValueError for anything else."""
        served = decode(cls, raw)
        if "current" not in raw or not all(map(is_plain_name, served.names())):
            raise ValueError("not a list of served models")
        return served

    def _all(self) -> tuple[str, ...]:
        return (self.current, *self.also, self.loading)
