"""The share of photos of ImageNet's classes that a built-in model gets right.

    python -m tests.benchmarks.imagenet_accuracy --photos FOLDER --names wnid
        [--model efficientnet-lite2]

FOLDER and the folders in it hold photos whose names, or whose folders' names, begin with the
WordNet id of what they show (`n02510455_giant_panda.jpg`, `n02510455/1.jpg`). They go the way
that every photo goes: the one reader, then the version that Servery installs.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backend.training.loaded_version import LoadedVersion
from serving.errors import ImageError
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_models
from serving.models.builtin.imagenet import imagenet_classes
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.normalize_image import read_normalized_image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
BATCH = 16
_WORDNET_ID = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class Answer:
    """What the model said of one photo."""

    photo: Path
    expected: str
    classes: tuple[str, ...]
    """Best first."""
    scores: tuple[float, ...]


@dataclass
class Accuracy:
    answers: list[Answer] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)

    def top(self, count: int) -> int:
        """Return how many photos have the right class among the first `count`."""
        return sum(answer.expected in answer.classes[:count] for answer in self.answers)


def named_photos(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each photo with a WordNet id in its name, or else in that of a folder, and the id."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            names = (path.name, *(parent.name for parent in path.resolve().parents))
            found = next(filter(None, map(_WORDNET_ID.match, names)), None)
            if found is not None:
                yield path, found.group()


def measure(version: Version, folder: Path) -> Accuracy:
    """Classify the photos in `folder` that show a class of ImageNet."""
    class_of = {each.wordnet_id: each.name for each in imagenet_classes()}
    photos = [(path, class_of[key]) for path, key in named_photos(folder) if key in class_of]
    accuracy = Accuracy()
    with LoadedVersion(version.path) as loaded:
        for start in range(0, len(photos), BATCH):
            batch = []
            for path, expected in photos[start : start + BATCH]:
                try:
                    batch.append((path, expected, read_normalized_image(path)))
                except ImageError:
                    accuracy.unreadable.append(path)
            if not batch:
                continue
            classes, scores = loaded.predict([jpeg for _, _, jpeg in batch])
            for (path, expected, _), names, row in zip(batch, classes, scores, strict=True):
                decoded = tuple(name.decode() for name in names)
                accuracy.answers.append(Answer(path, expected, decoded, tuple(map(float, row))))
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a built-in model on ImageNet's classes.")
    parser.add_argument("--photos", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--names", choices=["wnid"], default="wnid", help="how photos are named")
    names = [model.name for model in built_in_models()]
    parser.add_argument("--model", choices=names, default=DEFAULT_BUILT_IN)
    parser.add_argument("--wrong", action="store_true", help="list the photos that are wrong")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        version = install_built_in(ModelRepository(Path(folder)), arguments.model)
        started = time.monotonic()
        accuracy = measure(version, arguments.photos)
        seconds = time.monotonic() - started
    count = len(accuracy.answers)
    if not count:
        sys.exit(f"No photo in {arguments.photos} is named by the WordNet id of a class.")
    for answer in accuracy.answers if arguments.wrong else ():
        if answer.classes[0] != answer.expected:
            print(
                f"{answer.photo}: {answer.classes[0]} ({answer.scores[0]:.0%}),"
                f" shows {answer.expected}"
            )
    print(f"{arguments.model}, {count:,} photos, {count / seconds:.0f} a second")
    for place in (1, 5):
        print(f"top-{place} {accuracy.top(place) / count:7.1%} ({accuracy.top(place):,} right)")
    if accuracy.unreadable:
        print(f"skipped: {len(accuracy.unreadable):,} that cannot be read")


if __name__ == "__main__":
    main()
