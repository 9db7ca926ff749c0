"""What a person set for one model: `model.json` in the model's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

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

    def to_json(self) -> str:
        return json.dumps({"schema": 1, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ModelSettings:
        """Parse what `to_json` returned; unknown fields are ignored.

        Raises ValueError, TypeError or AttributeError for anything else.
        """
        raw = json.loads(text)
        memory = raw.get("memory_bytes")
        return cls(
            backbone=str(raw.get("backbone", "")),
            keeps_backbone_classes=bool(raw.get("keeps_backbone_classes", True)),
            created=str(raw.get("created", "")),
            keep_versions=max(1, int(raw.get("keep_versions", KEEP_VERSIONS))),
            pinned=tuple(sorted({int(number) for number in raw.get("pinned", ())})),
            memory_bytes=None if memory is None else int(memory),
        )
