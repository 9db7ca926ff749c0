"""What a person set for one model: `model.json` in the model's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from serving.json_decode import decode
from serving.state_files import DamagedFile, read_object

KEEP_VERSIONS = 10


@dataclass(frozen=True)
class ModelSettings:
    """How a model was made and how many of its versions stay."""

    backbone: str = ""
    """The model whose network it uses; empty for built-in and older ones."""
    keeps_backbone_classes: bool = True
    """False if it answers with its own classes only."""
    created: str = ""
    """UTC, ISO 8601."""
    keep_versions: int = KEEP_VERSIONS
    """So many of the newest versions stay, besides the live one, the first and pinned ones."""
    pinned: tuple[int, ...] = ()
    """Versions that stay whatever their age."""
    memory_bytes: int | None = None
    """What it took in an instance when it was last loaded; None if that is not known."""

    def with_pin(self, number: int, *, pinned: bool) -> ModelSettings:
        """The same with a version pinned, or not."""
        others = {each for each in self.pinned if each != number}
        return replace(self, pinned=tuple(sorted(others | {number} if pinned else others)))

    def to_json(self) -> str:
        return json.dumps({"schema": 1, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ModelSettings:
        """Return what the parsed text of `to_json` says; unknown fields are ignored.

        Raises ValueError for anything else.
        """
        settings = decode(cls, raw)
        return replace(
            settings,
            keep_versions=max(1, settings.keep_versions),
            pinned=tuple(sorted(set(settings.pinned))),
        )


def read_settings(path: Path) -> ModelSettings:
    """Return the settings of a model, the defaults without the file.

    Raises DamagedFile, and UnreadableFile.
    """
    raw = read_object(path)
    try:
        return ModelSettings() if raw is None else ModelSettings.of(raw)
    except ValueError as error:
        raise DamagedFile(path, f"it does not hold the settings of a model: {error}") from None
