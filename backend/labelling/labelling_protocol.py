"""What the backend and the program that suggests labels say to each other, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from backend.contract import Cluster, LabelIssue, QueueItem
from backend.labelling.photo_quality import Quality
from serving.json_decode import decode


class Topic(StrEnum):
    QUEUE = "queue"
    GROUPS = "groups"
    ISSUES = "issues"


@dataclass(frozen=True)
class LabellingSpec:
    """Everything that an answer depends on."""

    topic: Topic
    version_folder: str
    """Of the live version."""
    embeddings_folder: str
    images_folder: str
    labelled: dict[str, str]
    """The SHA-256 of photos, each with its class."""
    none: list[str]
    """Photos that show none of the classes, as a person said."""
    unlabelled: list[str]
    """Photos that may be suggested, the newest first, none of them skipped."""
    skipped: list[str]
    """Others that a person skipped, which come last."""
    count: int
    qualities: dict[str, Quality] = field(default_factory=dict)
    """Of labelled photos that were measured before."""

    def to_json(self) -> str:
        # Not `asdict`, which copies every text, holding up all other threads.
        qualities = {image: asdict(quality) for image, quality in self.qualities.items()}
        return json.dumps({**vars(self), "qualities": qualities})


@dataclass(frozen=True)
class LabellingAnswer:
    """The answer to one topic, the other lists being empty."""

    queue: list[QueueItem] = field(default_factory=list)
    groups: list[Cluster] = field(default_factory=list)
    issues: list[LabelIssue] = field(default_factory=list)
    qualities: dict[str, Quality] = field(default_factory=dict)
    """Of the photos that were measured now."""

    @classmethod
    def from_json(cls, raw: Any) -> LabellingAnswer:
        """Return an answer; raises ValueError for what is none."""
        return decode(cls, raw)
