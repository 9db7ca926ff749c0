"""Which models every instance loads, and which of them answers when none is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serving.json_decode import decode
from serving.models.repository_files import file_state
from serving.state_files import DamagedFile, UnreadableFile, is_plain_name, read_object


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


class ServedFile:
    """The file that says which models are served; remembers what it said last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: tuple[tuple[int, int, int], ServedModels] | None = None
        """What it said, and the state that it was in then."""

    def read(
        self,
        *,
        default: Callable[[], ServedModels],
        in_place_of_damaged: Callable[[], ServedModels],
    ) -> ServedModels:
        """Return which models are served; quick enough to ask for every request.

        That is `default()` without the file. If it is damaged, what it said last counts, or
        else `in_place_of_damaged()`.
        """
        state = file_state(self.path)
        if state is None and not self.path.is_symlink():
            return default()
        if self._last is not None and self._last[0] == state:
            return self._last[1]
        try:
            served = read_served(self.path)
        except UnreadableFile:
            served = self._last[1] if self._last is not None else in_place_of_damaged()
        if served is None:
            return default()
        if state is not None:
            self._last = (state, served)
        return served


def read_served(path: Path) -> ServedModels | None:
    """Return which models are served, None without the file.

    Raises DamagedFile, and UnreadableFile.
    """
    raw = read_object(path)
    try:
        return None if raw is None else ServedModels.of(raw)
    except ValueError:
        raise DamagedFile(path, "it does not say which models are served") from None
