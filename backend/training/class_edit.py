"""A class renamed, merged into another or deleted in a version, without a training run.

`python -m backend.training.class_edit` is a `serving.job_program`: it takes a ClassEditSpec, writes
a version derived from another into a staging folder, and answers `{}`. Only the constants of the
head change, and what is stored beside it for later training.

A merged class is to have the sum of both probabilities, which no column of a head gives: it
would be the logarithm of the sum of two exponentials of logits. The new column comes close to
that, by ridge regression on the known embeddings, most where either class is probable; if a class
of the foundation is merged, on a prototype of each class too. It begins as the mean of both
columns plus log 2, below which the exact logit never is.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.training.embeddings import EmbeddingCache
from backend.training.evaluation import CROSS_VALIDATION, answers_in, interval_half_width
from backend.training.evaluation import report as report_on
from backend.training.features import FEATURES_PATH, Features, Rows
from backend.training.fine_tuning.tuned_network import fair_embeddings
from backend.training.head import Floats, Head, ServableGraph, unit
from backend.training.learned import LEARNED_PATH, CrossValidated, Learned
from backend.training.photo_answers import ANSWERS_PATH, copy_answers, write_answers
from backend.training.prototypes import EMBEDDING_MEAN_PATH, prototypes, read_embedding_mean
from backend.training.worker_protocol import REPORT_PATH
from serving.clock import utc_now
from serving.errors import ModelError
from serving.files import copy_tree
from serving.job_program import be_job
from serving.models.card import CARD_PATH, ModelCard
from serving.progress import Report
from serving.state_files import UnreadableFile
from serving.tf.names import SAVED_MODEL_FILE

MIN_EMBEDDINGS = 200
"""With fewer known ones, a regression on them is worse than none, if both classes were taught."""
MAX_EMBEDDINGS = 1000
"""Known ones that a column is fitted to; the time grows with the cube of their number."""
RIDGE = 0.3
"""Of the regression on centred unit embeddings."""
_ELSEWHERE = 0.05
"""Weight of a point where neither class is probable; where one is certain, it is 1 more."""


@dataclass(frozen=True)
class ClassEdit:
    """What is done to the class `name`."""

    name: str
    new_name: str
    """Empty to delete it; a class that there is to merge it into that one."""

    def apply(self, classes: tuple[str, ...], kept: frozenset[str] = frozenset()) -> Columns:
        """Return what becomes of the columns of a head with these classes.

        A merged class takes the place of `name` if only that is in `kept`, else its own.
        """
        index = {name: number for number, name in enumerate(classes)}
        if self.name not in index:
            return Columns(tuple(range(len(classes))), classes)
        if self.new_name not in index:
            names = tuple(self.new_name if name == self.name else name for name in classes)
            keep = tuple(number for number, name in enumerate(names) if name)
            return Columns(keep, tuple(names[number] for number in keep))
        pair = (index[self.name], index[self.new_name])
        takes_place = self.name in kept and self.new_name not in kept
        place, gone = pair if takes_place else pair[::-1]
        keep = tuple(number for number in range(len(classes)) if number != gone)
        names = tuple(self.new_name if number == place else classes[number] for number in keep)
        return Columns(keep, names, pair)


@dataclass(frozen=True)
class Columns:
    """Which columns stay, and what they are called then."""

    keep: tuple[int, ...]
    classes: tuple[str, ...]
    merged: tuple[int, int] | None = None
    """Two former columns that become one, which is called as the second."""

    @property
    def place(self) -> int:
        """Where the merged column is among those that stay."""
        assert self.merged is not None
        return next(at for at, number in enumerate(self.keep) if number in self.merged)


@dataclass(frozen=True)
class ClassEditSpec:
    """What to derive from which version, and where to write it."""

    edit: ClassEdit
    base_version: int
    base_folder: str
    staging_folder: str
    """An empty folder, for the new version."""
    embeddings_folder: str
    images: tuple[str, ...] = ()
    """Hashes of photos whose embeddings may be known, the newest first; only read to merge."""
    change: int = 0
    """The id of the change, which the card of the version keeps."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, raw: Any) -> ClassEditSpec:
        """Return what `to_json` and `json.loads` made of one."""
        return cls(**{**raw, "edit": ClassEdit(**raw["edit"]), "images": tuple(raw["images"])})


def derive(spec: ClassEditSpec) -> None:
    """Write the version that `spec` describes; raises ModelError if there can be none."""
    base_folder, staged = Path(spec.base_folder), Path(spec.staging_folder)
    graph = ServableGraph(base_folder)
    head = graph.head()
    if spec.edit.name not in head.classes:
        raise ModelError(
            f"Version {spec.base_version} does not know the class {spec.edit.name}.",
            "See which classes it knows: `servery classes list`.",
        )
    replaced = {
        SAVED_MODEL_FILE,
        *(
            path.name
            for path in (CARD_PATH, FEATURES_PATH, LEARNED_PATH, REPORT_PATH, ANSWERS_PATH)
        ),
    }
    copy_tree(
        base_folder, staged, may_exist=True, ignore=lambda _folder, names: replaced & set(names)
    )
    learned: Learned | None = None
    if (base_folder / FEATURES_PATH).is_file():
        kept: frozenset[str] = frozenset()
        edited = edited_head(head, spec.edit, kept, None)
        features = Features.read(base_folder, head)
        edited_features(features, spec.edit).write(staged, edited.classes)
    else:
        former = Learned.read(base_folder, head) if _learns(base_folder, head) else None
        kept = frozenset(former.foundation.classes) if former is not None else frozenset()
        merges = former is not None and spec.edit.new_name in head.classes
        points = _points(spec, graph, head, kept) if merges else None
        edited = edited_head(head, spec.edit, kept, points)
        if former is not None and (base_folder / LEARNED_PATH).is_file():
            learned = edited_learned(former, spec.edit, edited)
            learned.write(staged)
    columns = spec.edit.apply(head.classes, kept)
    (staged / SAVED_MODEL_FILE).write_bytes(graph.with_columns(edited, columns.keep))
    if ServableGraph(staged).head().classes != edited.classes:
        raise ModelError(
            "The new version does not have the classes that it was to have.",
            "Try again; report it if it comes back.",
        )
    report = _write_measured(base_folder, staged, spec.edit, learned)
    if report is not None:
        (staged / REPORT_PATH).write_text(json.dumps(report))
    (staged / CARD_PATH).write_text(_edited_card(spec, edited, report).to_json())


def edited_head(
    head: Head, edit: ClassEdit, foundation: frozenset[str], points: Floats | None
) -> Head:
    """Return a head with the class renamed, merged or deleted.

    Of a merged class the rows for plain embeddings are those that the foundation's classes
    have, since learning leaves them as they are. `points` [N, D] are embeddings to merge by.
    """
    columns = edit.apply(head.classes, foundation)
    keep = list(columns.keep)
    kernel, bias = head.kernel[:, keep].copy(), head.bias[keep].copy()
    if columns.merged is not None:
        pair = list(columns.merged)
        column, constant = head.kernel[:, pair].mean(axis=1), head.bias[pair].mean() + np.log(2)
        size = 0 if points is None else points.shape[1]
        if points is not None and head.reads_unit_embeddings(size):
            known = [head.classes[number] in foundation for number in pair]
            if known[0] != known[1]:
                column[:size] = head.kernel[:size, pair[known.index(True)]]
            delta, more = _fit(head, columns.merged, column, float(constant), points)
            column[size:] += delta
            constant += more
        kernel[:, columns.place], bias[columns.place] = column, constant
    return Head(kernel, bias, columns.classes)


def _fit(
    head: Head, pair: tuple[int, int], column: Floats, constant: float, points: Floats
) -> tuple[Floats, float]:
    """Return what to add to the rows for unit embeddings [D] and to the bias of a merged class."""
    size = points.shape[1]
    units = unit(points).astype(np.float64)
    all_logits = head.logits(points).astype(np.float64)
    logits = all_logits[:, list(pair)]
    reached = points @ column[:size] + units @ column[size:] + constant
    exact = np.logaddexp(logits[:, 0], logits[:, 1])
    share = np.exp(exact - np.logaddexp.reduce(all_logits, axis=1))
    weights = (share + _ELSEWHERE) / (share + _ELSEWHERE).mean()
    missing = exact - reached
    mean, level = np.average(units, axis=0, weights=weights), np.average(missing, weights=weights)
    roots = np.sqrt(weights)
    centred = roots[:, None] * (units - mean)
    gram = centred @ centred.T + RIDGE * np.eye(len(centred))
    delta = centred.T @ np.linalg.solve(gram, roots * (missing - level))
    return delta.astype(np.float32), float(level - mean @ delta)


def edited_learned(learned: Learned, edit: ClassEdit, head: Head) -> Learned:
    """Return what a version stores of how it was taught, for the edited `head`."""
    before = learned.foundation
    foundation = edit.apply(before.classes, frozenset(before.classes))
    keep = list(foundation.keep)
    kernel, bias = before.kernel[:, keep].copy(), before.bias[keep].copy()
    size = kernel.shape[0] // 2
    # Learning leaves this part of the foundation as it is.
    kernel[:size] = head.kernel[:size, : len(foundation.classes)]
    if foundation.merged is not None:
        pair = list(foundation.merged)
        kernel[size:, foundation.place] = before.kernel[size:, pair].mean(axis=1)
        bias[foundation.place] = before.bias[pair].mean() + np.log(2)
    return replace(
        learned,
        foundation=Head(kernel, bias, foundation.classes),
        answers={
            image: name
            for image, answered in learned.answers.items()
            if (name := edit.new_name if answered == edit.name else answered)
        },
        cross_validated=(
            None
            if learned.cross_validated is None
            else _edited_probabilities(learned.cross_validated, edit, head.classes)
        ),
    )


def _edited_probabilities(
    found: CrossValidated, edit: ClassEdit, classes: tuple[str, ...]
) -> CrossValidated:
    """Return cross-validated probabilities for `classes`, those of the edited head.

    Exact but for a deleted class, whose photos go, and whose share of the others is divided
    among the rest as if it had not been there.
    """
    probabilities = found.probabilities.astype(np.float64)
    energies = found.energies.astype(np.float64)
    names = [edit.new_name if name == edit.name else name for name in found.classes]
    summed = np.zeros((len(found.images), len(classes)))
    for number, name in enumerate(names):
        if name in classes:
            summed[:, classes.index(name)] += probabilities[:, number]
    labels = [edit.new_name if name == edit.name else name for name in found.labels]
    rows = [number for number, name in enumerate(labels) if name]
    total = summed.sum(axis=1, keepdims=True)
    if not edit.new_name:
        summed = np.divide(summed, total, out=np.zeros_like(summed), where=total > 0)
        energies += np.log(np.maximum(total[:, 0], 1e-7))
    return CrossValidated(
        tuple(found.images[row] for row in rows),
        tuple(labels[row] for row in rows),
        classes,
        summed[rows].astype(np.float16),
        energies[rows].astype(np.float32),
    )


def edited_features(features: Features, edit: ClassEdit) -> Features:
    """Return what a version of an older Servery stores, with the class edited in it."""

    def rows(of: Rows) -> Rows:
        names = [edit.new_name if name == edit.name else name for name in of.classes]
        return replace(of, classes=tuple(names)).where(bool(name) for name in names)

    foundation = edited_head(features.foundation, edit, frozenset(), None)
    return Features(rows(features.train), rows(features.held_out), foundation)


def _learns(base_folder: Path, head: Head) -> bool:
    """Say whether the head is one of ours, with rows for the unit embedding too."""
    return head.reads_unit_embeddings(ModelCard.read(base_folder).embedding_size or 0)


def _points(
    spec: ClassEditSpec, graph: ServableGraph, head: Head, foundation: frozenset[str]
) -> Floats | None:
    """Return embeddings [N, D] to fit a merged column to; None if the mean of both is better.

    Of classes of the foundation prototypes are added, since few of the known photos show them:
    far apart as they are, the mean of two of them is neither. They say little of taught ones.
    """
    fair = fair_embeddings(Path(spec.base_folder))
    cache = EmbeddingCache(Path(spec.embeddings_folder), graph.backbone_hash(), fair)
    found = (cache.get(image) for image in spec.images)
    known = list(itertools.islice((row for row in found if row is not None), MAX_EMBEDDINGS))
    rows = np.array(known, np.float32).reshape(len(known), head.kernel.shape[0] // 2)
    if not {spec.edit.name, spec.edit.new_name} & foundation:
        return rows if len(rows) >= MIN_EMBEDDINGS else None
    if not known and not (Path(spec.base_folder) / EMBEDDING_MEAN_PATH).is_file():
        return None
    mean = read_embedding_mean(Path(spec.base_folder), rows)
    return np.concatenate([rows, prototypes(head, mean).embeddings[: len(head.classes)]])


def _write_measured(
    base_folder: Path, staged: Path, edit: ClassEdit, learned: Learned | None
) -> dict[str, Any] | None:
    """Write how the edited version answers photos, and return the report; None without any.

    Without a class it is what its cross-validation would have found: of the same heads, each
    without that column.
    """
    if edit.new_name:
        with contextlib.suppress(UnreadableFile):  # no photos are listed then
            copy_answers(base_folder, staged, edit.name, edit.new_name)
        return _edited_report(base_folder, edit)
    if learned is None or learned.cross_validated is None or not learned.cross_validated.images:
        return None
    found = answers_in(learned.cross_validated)
    write_answers(staged, found.images, found.labels, found.answered, found.scores.tolist())
    return asdict(report_on(CROSS_VALIDATION, found, Counter(found.labels)))


def _edited_report(base_folder: Path, edit: ClassEdit) -> dict[str, Any] | None:
    """Return the report of the base version with a class called otherwise; None if it has none."""
    path = base_folder / REPORT_PATH
    if not path.is_file():
        return None
    raw: dict[str, Any] = json.loads(path.read_text())
    columns = edit.apply(tuple(raw["classes"]))
    index = [
        columns.place if columns.merged and number in columns.merged else columns.keep.index(number)
        for number in range(len(raw["classes"]))
    ]
    count = len(columns.classes)
    confusion, photos = np.zeros((count, count), int), np.zeros(count, int)
    np.add.at(confusion, np.ix_(index, index), np.array(raw["confusion"], int))
    np.add.at(photos, index, np.array(raw["photos_per_class"], int))
    names = {edit.name: edit.new_name}
    mistakes = [
        {**each, **{key: names.get(each[key], each[key]) for key in ("label", "answered")}}
        for each in raw["mistakes"]
    ]
    right = int(np.trace(confusion))
    return {
        **raw,
        "classes": list(columns.classes),
        "photos_per_class": photos.tolist(),
        "confusion": confusion.tolist(),
        "mistakes": [each for each in mistakes if each["label"] != each["answered"]],
        "accuracy": right / raw["photos"] if raw["photos"] else None,
        "accuracy_error": interval_half_width(right, raw["photos"]) if raw["photos"] else None,
    }


def _edited_card(spec: ClassEditSpec, head: Head, report: dict[str, Any] | None) -> ModelCard:
    card = ModelCard.read(Path(spec.base_folder))
    edit, metrics = spec.edit, {}
    if edit.new_name:
        metrics = {
            name: value
            for name, value in card.metrics.items()
            if name in ("accuracy", "accuracy_error", "measured_images", "measured_on", "certainty")
        }
    if report is not None:
        metrics.update({name: report[name] for name in ("accuracy", "accuracy_error")})
    if report is not None and not edit.new_name:
        photos = report["photos"]
        metrics["measured_images"] = photos
        metrics["measured_on"] = f"{photos} labelled photos by cross-validation"
    others = dict(card.other_names)
    called = others.pop(edit.name, [])
    if edit.new_name and (called or edit.new_name in others):
        others[edit.new_name] = list(dict.fromkeys([*others.get(edit.new_name, []), *called]))
    return replace(
        card,
        classes=head.classes,
        other_names=others,
        created=utc_now(),
        base_version=spec.base_version,
        training_run=None,
        metrics=metrics,
        training={
            **card.training,
            "method": "a class was changed by a person",
            "class_change": spec.change,
        },
    )


def main() -> int:
    def handle(raw: Any, report: Report) -> object:
        derive(ClassEditSpec.from_json(raw))
        return {}

    return be_job(handle)


if __name__ == "__main__":
    exit_code = main()
    os._exit(exit_code)
