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
KEEP_IMAGES = 3
DEFAULT_IMAGE_TAG = "{model}:{version}"


@dataclass(frozen=True)
class ImageSettings:
    """The container images of a model's versions."""

    tag: str = DEFAULT_IMAGE_TAG
    """The name of an image, in which `{model}` and `{version}` stand for these."""
    after_promotion: bool = False
    """A version that is promoted gets its image by itself."""
    base: str = ""
    """The base of those images; empty for the first image of a model server that there is."""
    push: bool = False
    """Whether those images are pushed."""
    keep: int = KEEP_IMAGES
    """So many of the newest images stay."""
    seen_live: int | None = None
    """The version that was live when promotions were followed last."""


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
    image: ImageSettings = ImageSettings()
    photo_milliseconds: float | None = None
    """How long this machine took for one of many photos when the model was brought in."""

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
            image=replace(settings.image, keep=max(1, settings.image.keep)),
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
