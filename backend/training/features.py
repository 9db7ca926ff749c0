"""What a version stores so that later training does not forget: `features.npz`.

Embeddings of images with their classes, a part of them held out for evaluation,
and the foundation: the head before anyone taught it. Every training run starts from
the foundation and from all current labels, so the result depends neither on the
order of the labels nor on labels that were taken back.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.training.head import Floats, Head
from serving.errors import ModelError

FEATURES_PATH = Path("assets.extra") / "features.npz"
HELD_OUT_SHARE = 0.2

Integers = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Rows:
    """Embeddings [N, D], a class name for each, and the image each came from.

    `images` is empty for a row that was there before anyone taught the model.
    """

    embeddings: Floats
    classes: tuple[str, ...]
    images: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.classes)

    def where(self, keep: Iterable[bool]) -> Rows:
        """Return the rows whose flag is set."""
        indices = [index for index, flag in enumerate(keep) if flag]
        return Rows(
            self.embeddings[indices],
            tuple(self.classes[index] for index in indices),
            tuple(self.images[index] for index in indices),
        )

    def joined(self, other: Rows) -> Rows:
        """Return these rows, then those of `other`."""
        return Rows(
            np.concatenate([self.embeddings, other.embeddings]),
            self.classes + other.classes,
            self.images + other.images,
        )

    def indices(self, classes: tuple[str, ...]) -> Integers:
        """Return the index of each row's class in `classes`."""
        index_of = {name: index for index, name in enumerate(classes)}
        return np.array([index_of[name] for name in self.classes], np.int32)


@dataclass(frozen=True)
class Features:
    """The rows to learn from, those to evaluate on, and the head before any training."""

    train: Rows
    held_out: Rows
    foundation: Head

    @classmethod
    def read(cls, version_folder: Path, head: Head) -> Features:
        """Read what a version stores; one that stores nothing is its own foundation.

        `head` is the version's. Raises ModelError for a file that does not fit it.
        """
        path = version_folder / FEATURES_PATH
        if not path.is_file():
            empty = Rows(np.zeros((0, head.kernel.shape[0]), np.float32), (), ())
            return cls(empty, empty, head)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                foundation = head
                if "foundation_kernel" in arrays:
                    foundation = Head(
                        arrays["foundation_kernel"].astype(np.float32),
                        arrays["foundation_bias"].astype(np.float32),
                        tuple(str(name) for name in arrays["foundation_classes"]),
                    )
                return cls(
                    _rows(arrays, "train", head), _rows(arrays, "held_out", head), foundation
                )
        except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"The training data of version {version_folder.name} cannot be read.",
                "Promote another version, then train again.",
            ) from error

    def write(self, version_folder: Path, classes: tuple[str, ...]) -> None:
        """Write `features.npz` into a new version that answers with `classes`."""
        path = version_folder / FEATURES_PATH
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            train_embeddings=self.train.embeddings.astype(np.float16),
            train_classes=self.train.indices(classes),
            train_images=np.array(self.train.images, "S64"),
            held_out_embeddings=self.held_out.embeddings.astype(np.float16),
            held_out_classes=self.held_out.indices(classes),
            held_out_images=np.array(self.held_out.images, "S64"),
            foundation_kernel=self.foundation.kernel,
            foundation_bias=self.foundation.bias,
            foundation_classes=np.array(self.foundation.classes, np.str_),
        )

    def classes(self) -> tuple[str, ...]:
        """Return the foundation's classes, then the taught ones in the order of their rows."""
        taught = (*self.train.classes, *self.held_out.classes)
        return tuple(dict.fromkeys((*self.foundation.classes, *taught)))

    def relabeled(
        self, labeled: Rows, decided: frozenset[str], test_part: frozenset[str] = frozenset()
    ) -> Features:
        """Return features with exactly `labeled` in place of every row of a decided image.

        `labeled` has each image once. An image that was held out before stays held out
        and one that was learned from stays learned from, so no version is ever evaluated
        on an image that it learned. Of the others about HELD_OUT_SHARE per class are held
        out, selected by their hashes; none of a class with fewer than five images. Images
        of `test_part` are held out in any case.
        """
        held_before = frozenset(self.held_out.images)
        learned_before = frozenset(self.train.images)
        choice = labeled.where(image not in test_part for image in labeled.images)
        hold = _held_out(choice, held_before, learned_before) | test_part
        train = self.train.where(image not in decided for image in self.train.images)
        held_out = self.held_out.where(image not in decided for image in self.held_out.images)
        return Features(
            train.joined(labeled.where(image not in hold for image in labeled.images)),
            held_out.joined(labeled.where(image in hold for image in labeled.images)),
            self.foundation,
        )


def _held_out(
    labeled: Rows, held_before: frozenset[str], learned_before: frozenset[str]
) -> frozenset[str]:
    by_class: dict[str, list[str]] = {}
    for name, image in zip(labeled.classes, labeled.images, strict=True):
        by_class.setdefault(name, []).append(image)
    held: set[str] = set()
    for images in by_class.values():
        count = int(len(images) * HELD_OUT_SHARE)
        still_held = sorted(image for image in images if image in held_before)
        fresh = sorted(
            image for image in images if image not in held_before and image not in learned_before
        )
        held.update((still_held + fresh)[:count])
    return frozenset(held)


def _rows(arrays: np.lib.npyio.NpzFile, part: str, head: Head) -> Rows:
    embeddings = arrays[f"{part}_embeddings"].astype(np.float32)
    indices = arrays[f"{part}_classes"]
    if embeddings.ndim != 2 or embeddings.shape != (len(indices), head.kernel.shape[0]):
        raise ValueError(f"{part} embeddings of shape {embeddings.shape}")
    images = arrays[f"{part}_images"] if f"{part}_images" in arrays else [b""] * len(indices)
    return Rows(
        embeddings,
        tuple(head.classes[index] for index in indices),
        tuple(bytes(image).decode("ascii") for image in images),
    )
