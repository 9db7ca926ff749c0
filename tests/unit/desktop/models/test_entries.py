"""Which cards there are, and what they are about."""

from __future__ import annotations

from backend.contract import LabeledPhoto, RunState, TrainingRun
from desktop.models.entries import estimated_memory, model_entries
from tests.support.sample_summaries import IMAGE, built_in, model


def test_models_come_in_the_order_of_the_backend_then_what_can_be_added() -> None:
    entries = model_entries(
        [model("big", current=True), model("birds")],
        [built_in("big", installed=True), built_in("small", installed=False)],
    )
    assert [each.name for each in entries] == ["big", "birds", "small"]
    assert [each.model is not None for each in entries] == [True, True, False]
    assert entries[0].built_in is not None


def test_a_card_has_the_run_that_has_not_finished_its_photos_and_its_speed() -> None:
    runs = [
        TrainingRun("3", "birds", RunState.QUEUED, "2026-05-03"),
        TrainingRun("2", "birds", RunState.RUNNING, "2026-05-02"),
        TrainingRun("1", "birds", RunState.SUCCEEDED, "2026-05-01"),
    ]
    (entry,) = model_entries(
        [model("birds")],
        [],
        runs,
        {"birds": [LabeledPhoto(IMAGE, "wren")]},
        {"birds"},
        {"birds": 24.0},
    )
    assert entry.run is not None
    assert entry.run.id == "2"
    assert entry.photos == (LabeledPhoto(IMAGE, "wren"),)
    assert entry.loading
    assert entry.milliseconds == 24.0


def test_memory_is_estimated_from_a_model_on_the_same_network() -> None:
    big = model("big", memory=180_000_000)
    other = model("other", memory=90_000_000)
    assert estimated_memory(model("birds", backbone="big"), [other, big]) == 180_000_000


def test_memory_is_estimated_from_the_size_if_no_network_is_the_same() -> None:
    big = model("big", memory=180_000_000)
    assert estimated_memory(model("birds"), [big]) == 180_000_000
    assert estimated_memory(model("birds"), [model("big")]) is None
