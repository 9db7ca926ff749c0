"""What a person says about a photo."""

from __future__ import annotations

from dataclasses import dataclass

from backend.contract import LabelKind
from desktop.translation import tr


@dataclass(frozen=True)
class Answer:
    """A class, none of the classes, or nothing for now."""

    class_name: str = ""
    """Empty unless `kind` is CLASS."""
    kind: LabelKind = LabelKind.CLASS
    settles: bool = False
    """It outweighs what others have said before."""

    @property
    def text(self) -> str:
        """Say it in a word or two, to stand behind a photo."""
        if self.kind is LabelKind.NONE:
            return tr("none of these")
        return tr("skipped") if self.kind is LabelKind.SKIP else self.class_name


NONE_OF_THESE = Answer(kind=LabelKind.NONE)
SKIPPED = Answer(kind=LabelKind.SKIP)
