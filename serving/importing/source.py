"""A model from elsewhere as a graph of constants, and as it came, to compare the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.errors import ModelError
from serving.importing.interface import Channels, InputKind, ModelFormat, ValueRange

Run = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""From a batch of what the model takes to what it gives, as its own program computes it."""


class NoClassifier(ModelError):
    """A model that does not turn one photo into one score for each class."""


@dataclass(frozen=True)
class Hints:
    """What is known about a model beside its graph."""

    value_range: ValueRange | None = None
    channels: Channels | None = None
    stated: bool = False
    """The format fixes it; otherwise the name of the architecture makes it likely."""
    licence: str = ""
    description: str = ""


@dataclass(frozen=True)
class Source:
    """One loaded model."""

    format: ModelFormat
    graph: Any
    """GraphDef of what the output needs, without variables; batch normalization is folded."""
    input: str
    """Name of a tensor."""
    output: str
    takes: InputKind
    shape: tuple[int | None, ...]
    """Of the input, batch first: [N, height, width, channels], or [N] of files."""
    output_shape: tuple[int | None, ...]
    run: Run
    signature: str = ""
    choices: tuple[str, ...] = ()
    hints: Hints = field(default_factory=Hints)
    embedding_mean: npt.NDArray[np.float32] | None = None
    """About the mean [D] of what its last layer sees, if its weights say so."""

    @property
    def one_at_a_time(self) -> bool:
        """It takes a single photo: a batch of 1, or a file without a batch."""
        return not self.shape or self.shape[0] == 1


def check_input(dtype: str, shape: tuple[int | None, ...]) -> InputKind:
    """Return what an input is made of; raises NoClassifier if it is no photo."""
    if dtype == "string":
        if len(shape) > 1:
            raise NoClassifier(f"It takes texts of shape {_shown(shape)}, not photos.", _ADVICE)
        return InputKind.JPEG
    if len(shape) != 4:
        raise NoClassifier(
            f"It takes {_kind(dtype)} of shape {_shown(shape)}; photos have four axes: a batch,"
            " height, width and channels.",
            _ADVICE,
        )
    if shape[3] not in (1, 3) and shape[1] in (1, 3):
        raise NoClassifier(
            f"It takes the channels of a photo before its height and width, {_shown(shape)}.",
            "Save it with the channels last.",
        )
    if shape[3] not in (1, 3):
        raise NoClassifier(
            f"It takes {shape[3] or 'any number of'} channels a pixel, {_shown(shape)}; photos have"
            " three, or one if they are gray.",
            _ADVICE,
        )
    if dtype in ("float32", "float16"):
        return InputKind.FLOAT
    if dtype == "uint8":
        return InputKind.UINT8
    raise NoClassifier(f"It takes {_kind(dtype)} of type {dtype}, not photos.", _ADVICE)


def check_output(shape: tuple[int | None, ...]) -> None:
    """Raise NoClassifier if an output cannot be one score for each class."""
    if len(shape) == 4:
        raise NoClassifier(
            f"It gives a picture for each photo, {_shown(shape)}, as models that find or cut out"
            " things do.",
            _ADVICE,
        )
    if len(shape) != 2 or shape[1] is None:
        raise NoClassifier(
            f"It gives values of shape {_shown(shape)}, not one score for each class.", _ADVICE
        )


_ADVICE = "Choose a model that classifies images."


def _kind(dtype: str) -> str:
    return "whole numbers" if dtype.startswith(("int", "uint")) else "numbers"


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"
