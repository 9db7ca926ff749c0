"""The cards of the Models page: what is known about each model, in their order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from backend.contract import BuiltInSummary, LabeledPhoto, ModelSummary, TrainingRun

MOSAIC = 9
"""Photos in the picture of a model."""


@dataclass(frozen=True)
class ModelEntry:
    """One card: a model of the workspace, or a built-in one that can be added."""

    name: str
    model: ModelSummary | None = None
    """None for a built-in model that the workspace does not have."""
    built_in: BuiltInSummary | None = None
    photos: tuple[LabeledPhoto, ...] = ()
    """Of different classes, at most MOSAIC."""
    run: TrainingRun | None = None
    """The training run or import that has not finished; the others of the model wait."""
    loading: bool = False
    """Instances are loading it because a person asked for that here."""
    milliseconds: float | None = None
    """How long this machine takes for a photo, if it answered some or was measured."""
    memory_estimate: int | None = None
    """Bytes in an instance, from models that were measured; None if there is none."""


def model_entries(
    models: Sequence[ModelSummary],
    built_in: Sequence[BuiltInSummary],
    runs: Sequence[TrainingRun] = (),
    photos: Mapping[str, Sequence[LabeledPhoto]] | None = None,
    loading: Collection[str] = (),
    milliseconds: Mapping[str, float] | None = None,
) -> list[ModelEntry]:
    """Return the cards: the models as the backend orders them, then what can be added."""
    by_name = {each.name: each for each in built_in}
    unfinished: dict[str, TrainingRun] = {}
    for run in sorted(runs, key=lambda run: run.created):
        if not run.state.finished:
            unfinished.setdefault(run.model, run)
    entries = [
        ModelEntry(
            each.name,
            each,
            by_name.get(each.name),
            tuple((photos or {}).get(each.name, ())),
            unfinished.get(each.name),
            each.name in loading,
            (milliseconds or {}).get(each.name, each.photo_milliseconds),
            estimated_memory(each, models),
        )
        for each in models
    ]
    names = {each.name for each in models}
    entries += [
        ModelEntry(each.name, built_in=each)
        for each in built_in
        if not each.installed and each.name not in names
    ]
    return entries


def estimated_memory(model: ModelSummary, models: Sequence[ModelSummary]) -> int | None:
    """Return the bytes that a model should take in an instance; None if nothing tells.

    A model on the same network takes as much; otherwise as many times its size on disk as
    the models that were measured.
    """
    measured = [each for each in models if each.memory_bytes is not None]
    network = model.backbone or model.name
    for each in measured:
        if (each.backbone or each.name) == network:
            return each.memory_bytes
    sizes = sum(live_size(each) for each in measured)
    if not sizes or not live_size(model):
        return None
    return round(live_size(model) * sum(each.memory_bytes or 0 for each in measured) / sizes)


def live_size(model: ModelSummary) -> int:
    """Return the bytes of the live version on disk; 0 without one."""
    return sum(each.size_bytes for each in model.versions if each.number == model.live_version)
