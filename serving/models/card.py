"""The model card: the JSON file inside a version that describes it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from serving.errors import ModelError
from serving.json_decode import decode
from serving.state_files import DamagedFile, UnreadableFile, parse_object, read_file, text_of
from serving.tf.names import CARD_FILE

CARD_PATH = CARD_FILE
MAX_CARD_BYTES = 2**26
"""A model may have a million classes."""


@dataclass(frozen=True)
class ModelCard:
    """A version's classes, origin and measured accuracy.

    `metrics` are measured, never promised: `accuracy` (0 to 1) on
    `measured_images` images, described by `measured_on`.
    """

    name: str
    classes: tuple[str, ...]
    description: str = ""
    created: str = ""
    """UTC, ISO 8601."""
    base_version: int | None = None
    """The version that this one was learned from."""
    training_run: str | None = None
    input_side: int | None = None
    """Side of the model's input in pixels, after its own resizing."""
    embedding_size: int | None = None
    preprocessing: str = ""
    licence: str = ""
    attribution: str = ""
    """Who made the network and its weights, and what was changed, for people to read."""
    backbone: str = ""
    """The network below the head, by the name of the built-in or imported model."""
    fine_tuned_in: str = ""
    """The training run in which the last blocks of that network learned too; empty if none did.
    It sees photos in another way since then."""
    runtime: str = ""
    """What computes it, one of `runtime_choice.RUNTIMES`; empty in versions of earlier builds,
    which stands for OpenVINO in f32."""
    precision: str = ""
    """One of `runtime_choice.PRECISIONS`."""
    other_names: dict[str, list[str]] = field(default_factory=dict)
    """What else a class is called, by class: people may type these too."""
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        value = self.metrics.get("accuracy")
        return None if value is None else float(value)

    def class_named(self, text: str) -> str | None:
        """Return the class that a person who typed `text` means; None if there is none.

        Its own name counts, then other names, capitals aside. An other name that several
        classes have is that of the class for which it is the more usual one ("panda" is the
        giant panda), and of none if it is equally usual.
        """
        if text in self.classes:
            return text
        folded = text.casefold()
        for name in self.classes:
            if name.casefold() == folded:
                return name
        found = [
            (place, name)
            for name, others in self.other_names.items()
            for place, other in enumerate(others)
            if other.casefold() == folded and name in self.classes
        ]
        nearest = [name for place, name in found if place == min(found)[0]]
        return nearest[0] if len(nearest) == 1 else None

    def to_json(self) -> str:
        return json.dumps({"schema": 1, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelCard:
        """Parse a card; unknown fields are ignored, so that newer cards still read.

        Raises ModelError if the text is not a card.
        """
        try:
            return cls._parse(text.encode() if isinstance(text, str) else text, CARD_PATH)
        except UnreadableFile as error:
            raise ModelError(
                "The model card cannot be read.", "Promote another version of the model."
            ) from error

    @classmethod
    def read(cls, version_folder: Path) -> ModelCard:
        """Read the card of the version in `version_folder`; raises ModelError."""
        path = version_folder / CARD_PATH
        version = f"version {version_folder.name} of {version_folder.parent.name}"
        try:
            content = read_file(path, MAX_CARD_BYTES)
            if content is not None:
                return cls._parse(content, path)
        except UnreadableFile as error:
            raise ModelError(
                f"The model card of {version} cannot be read: {error.fault}.", error.advice
            ) from error
        raise ModelError(
            f"{version.capitalize()} has no model card.", "Promote another version of the model."
        )

    @classmethod
    def _parse(cls, content: bytes, path: Path) -> ModelCard:
        """Return the card in a file's content; raises DamagedFile."""
        raw = parse_object(text_of(content, path), path)
        try:
            card = decode(cls, raw)
        except ValueError as error:
            raise DamagedFile(path, f"it is no model card: {error}"[:300]) from None
        for name in ("accuracy", "accuracy_error"):
            value = card.metrics.get(name)
            if value is not None and not _is_number(value):
                raise DamagedFile(path, f"it is no model card: {name} is {value!r}"[:300])
        return card


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(float(str(value)))
