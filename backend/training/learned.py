"""What a version stores of how it was taught: `learned.npz`.

The foundation, which is the head before anyone taught it, and the photos learned from,
each with what a head says about it that was fitted without it. Every training run starts from
the foundation and from all current labels, so the result depends neither on the order of
the labels nor on labels that were taken back; and a later run can compare itself with this
version on photos that both learned from.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.training.head import Floats, Head
from serving.errors import ModelError

LEARNED_PATH = Path("assets.extra") / "learned.npz"


@dataclass(frozen=True)
class CrossValidated:
    """What heads that did not learn from a photo say about it, for N labelled photos."""

    images: tuple[str, ...]
    """SHA-256 of each, in hex; sorted."""
    labels: tuple[str, ...]
    """[N]: the class that each is labelled with, one of `classes`."""
    classes: tuple[str, ...]
    """[C]: those of the version, in its order."""
    probabilities: npt.NDArray[np.float16]
    """[N, C], from 0 to 1. All zeros for a photo that had no class to be answered with."""
    energies: Floats
    """[N]: logarithm of the summed exponentials of the logits, so that the logits are
    `log(probabilities) + energies`."""


@dataclass(frozen=True)
class Learned:
    """The foundation of a version, and its fair answers for what it learned from."""

    foundation: Head
    """Its kernel is [2D, C]."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Image hash to the class that it was answered with while it was left out."""
    cross_validated: CrossValidated | None = None
    """None in a version that an older Servery made, or that nobody taught."""

    @classmethod
    def read(cls, version_folder: Path, head: Head) -> Learned:
        """Read what a version stores; one that stores nothing is its own foundation.

        `head` is the version's, with a kernel [2D, C]. Raises ModelError for a file that
        does not fit it.
        """
        path = version_folder / LEARNED_PATH
        if not path.is_file():
            return cls(head)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                classes = tuple(str(name) for name in arrays["foundation_classes"])
                size = head.kernel.shape[0] // 2
                kernel = np.zeros((2 * size, len(classes)), np.float32)
                # Learning leaves this part of the foundation as it is.
                kernel[:size] = head.kernel[:size, : len(classes)]
                kernel[size:, arrays["foundation_unit_columns"]] = arrays["foundation_unit_kernel"]
                bias: Floats = arrays["foundation_bias"].astype(np.float32)
                if head.classes[: len(classes)] != classes or bias.shape != (len(classes),):
                    raise ValueError("the foundation is not the head's")
                images = [bytes(image).decode("ascii") for image in arrays["images"]]
                answers = [str(name) for name in arrays["answers"]]
                return cls(
                    Head(kernel, bias, classes),
                    dict(zip(images, answers, strict=True)),
                    _cross_validated(arrays) if "probabilities" in arrays else None,
                )
        except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"The training data of version {version_folder.name} cannot be read.",
                "Promote another version, then train again.",
            ) from error

    def write(self, version_folder: Path) -> None:
        """Write `learned.npz` into a new version."""
        path = version_folder / LEARNED_PATH
        path.parent.mkdir(parents=True, exist_ok=True)
        foundation = self.foundation
        unit_kernel = foundation.kernel[foundation.kernel.shape[0] // 2 :]
        columns = np.flatnonzero(unit_kernel.any(axis=0))
        np.savez_compressed(
            path,
            foundation_classes=np.array(foundation.classes, np.str_),
            foundation_bias=foundation.bias,
            foundation_unit_columns=columns,
            foundation_unit_kernel=unit_kernel[:, columns],
            images=np.array(list(self.answers), "S64"),
            answers=np.array(list(self.answers.values()), np.str_),
            **({} if self.cross_validated is None else _arrays(self.cross_validated)),
        )


def _arrays(found: CrossValidated) -> dict[str, Any]:
    index_of = {name: index for index, name in enumerate(found.classes)}
    return {
        "cross_validated_images": np.array(found.images, "S64"),
        "cross_validated_labels": np.array([index_of[name] for name in found.labels], np.int32),
        "cross_validated_classes": np.array(found.classes, np.str_),
        "probabilities": found.probabilities,
        "energies": found.energies,
    }


def _cross_validated(arrays: np.lib.npyio.NpzFile) -> CrossValidated:
    """Return what `_arrays` made; raises ValueError or LookupError if its parts do not fit."""
    images = tuple(bytes(image).decode("ascii") for image in arrays["cross_validated_images"])
    classes = tuple(str(name) for name in arrays["cross_validated_classes"])
    labels = tuple(classes[index] for index in arrays["cross_validated_labels"])
    probabilities, energies = arrays["probabilities"], arrays["energies"]
    if probabilities.shape != (len(images), len(classes)) or len(labels) != len(images):
        raise ValueError("the probabilities are not those of the photos")
    if energies.shape != (len(images),):
        raise ValueError("the energies are not those of the photos")
    return CrossValidated(images, labels, classes, probabilities, energies)
