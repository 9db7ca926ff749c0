"""The file that says which models are served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from serving.models.repository_files import file_state
from serving.models.served import ServedModels
from serving.state_files import DamagedFile, UnreadableFile, read_object


class ServedFile:
    """The file that says which models are served; remembers what it said last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._path_text = str(path)
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
        state = file_state(self._path_text)
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
