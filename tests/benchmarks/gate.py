"""How often the gate is wrong: with labels that were shuffled on purpose, and with good ones.

    python -m tests.benchmarks.gate [--data FOLDER] [--runs 20] [--labels 12] [--keep-classes]

FOLDER has a folder of photos for each class, or such folders in `train` and `test`. In each run,
half of the classes, chosen at random, are taught to a new model, whose version 2 is live then.
The next training run gets the other classes too, and half as many labels again of the old ones,
five times: with good labels; with those of the old classes, of the new ones, or of both
shuffled; and with good ones beside one more class, given to as many photos chosen at random.
Photos that are not labelled are the pool. Every run is a real one: the worker makes a version,
and the gate judges it.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backend.store.images import ImageFolder
from backend.training.evidence import Evidence, Shuffled
from backend.training.gate import Verdict, judge
from backend.training.new_version import learn
from backend.training.worker_protocol import LabeledImage, StoredImage, TrainingSpec
from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.new_model import create_from_backbone
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.normalize_image import read_normalized_image
from serving.workspace import Workspace

DATA = Path(__file__).parents[3] / "shared" / "data" / "trashnet"
MODEL = "judged"
MAX_POOL = 200
MAX_PHOTOS = 150
"""Of each class, so that a large folder takes no hours."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
GOOD, OLD, NEW, BOTH = "good labels", "old ones shuffled", "new ones shuffled", "both shuffled"
ANY = "a class of any"
KINDS = (GOOD, OLD, NEW, BOTH, ANY)

Photos = dict[str, list[LabeledImage]]


@dataclass
class Outcome:
    """What the gate said of all runs of one kind."""

    verdicts: list[Verdict] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)

    @property
    def held_back(self) -> int:
        return sum(not verdict.passed for verdict in self.verdicts)

    def p_values(self, value: Callable[[Evidence], Shuffled | None]) -> list[float]:
        return sorted(found.p for each in self.evidence if (found := value(each)) is not None)


class Judged:
    """A workspace in which versions are made and judged, without instances."""

    def __init__(self, workspace: Workspace, keep_classes: bool) -> None:
        self._workspace = workspace
        self._images = ImageFolder(workspace.images)
        self.repository = ModelRepository(workspace.models)
        self.first = create_from_backbone(self.repository, MODEL, DEFAULT_BUILT_IN, keep_classes)

    def photos(self, data: Path) -> Photos:
        """Return the photos of each class, normalized and stored."""
        roots = [data / part for part in ("train", "test") if (data / part).is_dir()] or [data]
        found: Photos = {}
        for root in roots:
            for folder in sorted(each for each in root.iterdir() if each.is_dir()):
                for path in sorted(folder.iterdir()):
                    own = found.setdefault(folder.name, [])
                    if path.suffix.lower() in SUFFIXES and len(own) < MAX_PHOTOS:
                        image = self._images.put(read_normalized_image(path))
                        stored = str(self._images.path(image))
                        own.append(LabeledImage(image, stored, folder.name))
        return {name: photos for name, photos in found.items() if photos}

    def teach(
        self, base: Version, labels: Sequence[LabeledImage], pool: Sequence[LabeledImage]
    ) -> tuple[Version, Verdict, Evidence]:
        """Make a version, and return what the gate says of it."""
        with staged_version(self.repository, MODEL) as staged:
            spec = TrainingSpec(
                run_id="run",
                base_version=base.number,
                base_folder=str(base.path),
                staging_folder=str(staged),
                embeddings_folder=str(self._workspace.embeddings),
                images=tuple(labels),
                images_ever_labeled=tuple(sorted(label.image for label in labels)),
                unlabelled=tuple(StoredImage(each.image, each.path) for each in pool),
            )
            result = learn(spec, lambda message: None)
            version = commit_version(self.repository, MODEL, staged)
        assert result.evidence is not None
        return version, judge(result.evaluation, result.evidence), result.evidence

    def embed(self, photos: Photos) -> None:
        """Compute the embedding of every photo, as those that were classified have theirs."""
        everything = {image.image: image for own in photos.values() for image in own}
        self._forget(self.teach(self.first, list(everything.values()), [])[0])

    def _forget(self, version: Version) -> None:
        for path in sorted(version.path.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        version.path.rmdir()

    def run(self, photos: Photos, labels: int, seed: int, outcomes: dict[str, Outcome]) -> None:
        generator = random.Random(seed)
        names = generator.sample(sorted(photos), len(photos))
        old = names[: max(2, len(names) // 2)]
        new = [name for name in names if name not in old]
        mixed = {name: generator.sample(own, len(own)) for name, own in photos.items()}
        before = [image for name in old for image in mixed[name][:labels]]
        more = [image for name in old for image in mixed[name][labels : labels + labels // 2]]
        fresh = [image for name in new for image in mixed[name][:labels]]
        rest = [
            image
            for name, own in mixed.items()
            for image in own[labels + (labels // 2 if name in old else 0) :]
        ]
        pool = generator.sample(rest, min(MAX_POOL, len(rest)))
        in_pool = {image.image for image in pool}
        others = [image for image in rest if image.image not in in_pool]
        anything = random.Random(seed).sample(others, min(labels, len(others)))
        base, _, _ = self.teach(self.first, before, pool)
        made = [base]
        known = before + more
        given = {
            GOOD: known + fresh,
            OLD: _shuffled(known, generator) + fresh,
            NEW: known + _shuffled(fresh, generator),
            BOTH: _shuffled(known + fresh, generator),
            ANY: known + fresh + [replace(image, class_name=ANY) for image in anything],
        }
        for kind, images in given.items():
            version, verdict, evidence = self.teach(base, images, pool)
            made.append(version)
            outcomes[kind].verdicts.append(verdict)
            outcomes[kind].evidence.append(evidence)
        for version in made:
            self._forget(version)


def _shuffled(images: Sequence[LabeledImage], generator: random.Random) -> list[LabeledImage]:
    names = [image.class_name for image in images]
    generator.shuffle(names)
    return [
        LabeledImage(image.image, image.path, name)
        for image, name in zip(images, names, strict=True)
    ]


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{values[0]:.3f} / {statistics.median(values):.3f} / {values[-1]:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how often the gate is wrong.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--labels", type=int, default=12, help="of each class")
    parser.add_argument("--keep-classes", action="store_true", help="beside the backbone's own")
    arguments = parser.parse_args()
    outcomes = {kind: Outcome() for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="servery-gate-") as folder:
        judged = Judged(Workspace(Path(folder)).create(), arguments.keep_classes)
        photos = judged.photos(arguments.data)
        judged.embed(photos)
        began = time.monotonic()
        for seed in range(arguments.runs):
            judged.run(photos, arguments.labels, seed, outcomes)
            held = ", ".join(f"{kind} {each.held_back}" for kind, each in outcomes.items())
            print(f"{seed + 1} of {arguments.runs} runs, held back: {held}", file=sys.stderr)
        seconds = time.monotonic() - began
    print(f"{arguments.runs} runs of each kind, {arguments.labels} labels of each of {len(photos)}")
    print(f"classes, {seconds:.0f} s. p-values: least / median / largest.\n")
    print(
        f"{'labels':<20} {'held back':>9}  {'new: p':<22} {'known: p':<22}"
        f" {'pool changed':<22} rules"
    )
    for kind, outcome in outcomes.items():
        taught = outcome.p_values(lambda each: each.taught)
        known = outcome.p_values(lambda each: each.known)
        rules = Counter(verdict.rule.value for verdict in outcome.verdicts if not verdict.passed)
        listed = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
        held = f"{outcome.held_back} of {len(outcome.verdicts)}"
        pool = sorted(each.agreement.changed for each in outcome.evidence if each.agreement)
        print(
            f"{kind:<20} {held:>9}  {_spread(taught):<22} {_spread(known):<22}"
            f" {_spread(pool):<22} {listed}"
        )
    for verdict in outcomes[GOOD].verdicts:
        if not verdict.passed:
            print(f"held back although good: {verdict.because}")


if __name__ == "__main__":
    main()
