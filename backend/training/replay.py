"""What is learned from in place of photos of a foundation's classes, of which there are none.

That depends on the foundation alone, which all versions of a model have in common, as have all
models that begin with the classes of the same backbone. So it is computed once, and kept in a
file beside the embeddings: it takes a second of a core, which a run in a new process need not wait
for.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.training.head import Floats, Head, unit
from backend.training.prototypes import prototypes
from backend.training.softmax_regression import NEGLIGIBLE, Axes
from serving.files import write_aside

_FOUNDATIONS = 2
"""That are kept: 40 MB each for a thousand classes, in memory, and 30 MB each on the disk."""
_SUFFIX = ".replay.npz"
_ARRAYS = ("points", "best", "logits", "directions", "spread_of_axes", "coordinates")
_DAMAGED = (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile)
_kept: dict[str, Replay] = {}
"""By the digest of foundation and mean; the one used last is the last one."""


@dataclass(frozen=True)
class Replay:
    """The prototypes of a foundation with C classes, as a fit needs them."""

    points: Floats
    """[., D]: unit embeddings of all prototypes; those of the first confidence come first."""
    best: Floats
    """[.]: the largest logit that the foundation gives each."""
    logits: Floats
    """[C, C]: the foundation's, for those of the first confidence."""
    spread: float
    """How far the largest logit is above the mean one, in the median."""
    axes: Axes
    """All D of them, those along which the prototypes of the first confidence differ first."""
    varied: int
    """Along how many they do."""
    coordinates: Floats
    """[C, D], of those of the first confidence."""

    @property
    def typical(self) -> Floats:
        """[C, D]: unit embeddings of the prototypes of the first confidence."""
        return self.points[: len(self.logits)]

    def with_points(self, points: Floats) -> tuple[Axes, Floats]:
        """Return axes for points [N, D] and the prototypes together, and their coordinates.

        The axes of both are not computed again, which takes longer than a fit: the points are
        placed on those of the prototypes, and the axes beyond are turned to suit the points.
        """
        placed = self.axes.coordinates(points)
        beyond = placed[:, self.varied :]
        _, turned = np.linalg.eigh(beyond.T @ beyond)
        turned = turned[:, ::-1][:, : len(points)].astype(np.float32)
        count = self.varied + turned.shape[1]
        coordinates = np.zeros((len(points) + len(self.coordinates), count), np.float32)
        coordinates[: len(points), : self.varied] = placed[:, : self.varied]
        coordinates[: len(points), self.varied :] = beyond @ turned
        coordinates[len(points) :, : self.varied] = self.coordinates[:, : self.varied]
        directions = np.concatenate(
            [
                self.axes.directions[:, : self.varied],
                self.axes.directions[:, self.varied :] @ turned,
            ],
            axis=1,
        )
        spread = np.square(coordinates).mean(axis=0)
        kept = spread > spread.max() * NEGLIGIBLE
        axes = Axes(
            self.axes.centre,
            np.ascontiguousarray(directions[:, kept]),
            np.ascontiguousarray(spread[kept]),
        )
        return axes, np.ascontiguousarray(coordinates[:, kept])


def replay_of(foundation: Head, mean: Floats, folder: Path | None = None) -> Replay:
    """Return what is learned beside labels; `mean` [D] is the mean embedding of all photos.

    `foundation` has classes. What is in a file of `folder` is not computed, and what is computed
    is written there; a file that is damaged is replaced.
    """
    digest = hashlib.sha256()
    for array in (foundation.kernel, foundation.bias, mean):
        digest.update(array.tobytes())
    name = digest.hexdigest()
    replay = _kept.pop(name, None)
    if replay is None and folder is not None:
        replay = _read(folder / f"{name}{_SUFFIX}", foundation)
    if replay is None:
        replay = _computed(foundation, mean)
        if folder is not None:
            _write(folder, name, replay)
    _kept[name] = replay
    while len(_kept) > _FOUNDATIONS:
        del _kept[next(iter(_kept))]
    return replay


def _computed(foundation: Head, mean: Floats) -> Replay:
    made = prototypes(foundation, mean)
    classes = len(foundation.classes)
    points = unit(made.embeddings)
    typical = points[:classes]
    squares, directions = np.linalg.eigh(typical.T @ typical)
    squares, directions = squares[::-1], directions[:, ::-1]
    axes = Axes(
        np.zeros(points.shape[1], np.float32),
        np.ascontiguousarray(directions, np.float32),
        np.maximum(squares, 0).astype(np.float32) / classes,
    )
    best = made.logits.max(axis=1)
    return Replay(
        points=points,
        best=best,
        logits=made.logits[:classes].copy(),
        spread=float(np.median(best - made.logits.mean(axis=1))),
        axes=axes,
        varied=int(np.sum(squares > squares[0] * NEGLIGIBLE)),
        coordinates=axes.coordinates(typical),
    )


def _write(folder: Path, name: str, replay: Replay) -> None:
    content = io.BytesIO()
    np.savez(
        content,
        points=replay.points,
        best=replay.best,
        logits=replay.logits,
        directions=replay.axes.directions,
        spread_of_axes=replay.axes.spread,
        coordinates=replay.coordinates,
        spread=np.float64(replay.spread),
        varied=np.int64(replay.varied),
    )
    # A disk that is full costs the next run a second, and this one nothing.
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_aside(folder / f"{name}{_SUFFIX}", content.getvalue())
        files = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        for path in files[:-_FOUNDATIONS]:
            path.unlink(missing_ok=True)


def _read(path: Path, foundation: Head) -> Replay | None:
    """Return what `_write` wrote; None if there is no such file, or another one."""
    size, classes = foundation.kernel.shape[0] // 2, len(foundation.classes)
    try:
        # Checked against its checksums as it is read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            points, best, logits, directions, spreads, coordinates = (
                arrays[each].astype(np.float32, copy=False) for each in _ARRAYS
            )
            spread, varied = float(arrays["spread"]), int(arrays["varied"])
    except _DAMAGED:
        return None
    shapes = (points.shape[1:], logits.shape, directions.shape, coordinates.shape)
    if shapes != ((size,), (classes, classes), (size, size), (classes, size)):
        return None
    axes = Axes(np.zeros(size, np.float32), directions, spreads)
    return Replay(points, best, logits, spread, axes, varied, coordinates)
