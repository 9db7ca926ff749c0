"""Models, versions and reports in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.contract import (
    CanarySummary,
    Decision,
    DeletedModel,
    RunState,
    TrainingRun,
)
from desktop.model_faults import fault_sentences
from desktop.models import wording
from desktop.models.entries import ModelEntry
from serving.models.canary import CanaryPhase
from tests.support.sample_summaries import built_in, model

RUN = TrainingRun("r", "birds", RunState.RUNNING, "", progress=0.42, labels=200, version=2)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ModelEntry("a", model("a", current=True)), "Current"),
        (ModelEntry("a", model("a", served=True)), "Served"),
        (ModelEntry("a", model("a")), "Not served"),
        (ModelEntry("a", model("a"), loading=True), "Loading"),
        (ModelEntry("a", model("a"), run=RUN), "Learning, 42%"),
        (ModelEntry("a", model("a"), run=replace(RUN, state=RunState.QUEUED)), "Queued"),
        (ModelEntry("a", built_in=built_in("a", installed=False)), "Built in, not added"),
    ],
)
def test_the_state_of_a_model_has_words(entry: ModelEntry, words: str) -> None:
    assert wording.state_words(entry) == words


def test_a_live_version_that_cannot_be_served_is_the_state_of_its_model() -> None:
    newest, *others = model("a", current=True, versions=2).versions
    faulty = replace(newest, fault="Version 2 is damaged.", fault_advice="Promote another.")
    entry = ModelEntry(
        "a", replace(model("a", current=True, versions=2), versions=[faulty, *others])
    )
    assert entry.model is not None
    assert wording.state_words(entry) == "v2 cannot be served"
    assert fault_sentences(entry.model) == "Version 2 is damaged. Promote another."
    instead = replace(entry.model, fallback_version=1)
    said = "Version 2 is damaged. Version 1 answers in its place. Promote another."
    assert fault_sentences(instead) == said
    older = replace(entry, model=replace(entry.model, live_version=1))
    assert older.model is not None
    assert (wording.state(older), fault_sentences(older.model)) == ("current", "")


def test_a_model_without_classes_says_what_to_do_wherever_it_is_shown() -> None:
    empty = model("birds", classes=())
    assert wording.contents(empty) == "Label photos, or drop a folder of folders."
    assert wording.NO_CLASSES in wording.description(ModelEntry("birds", empty))
    assert "Label photos" in wording.described(ModelEntry("birds", empty))
    assert wording.contents(model("birds", labels=1)) == "2 classes, 1 photo"


def test_memory_is_measured_estimated_or_unknown() -> None:
    measured = ModelEntry("a", model("a", memory=182_000_000), memory_estimate=1)
    assert wording.memory(measured) == "182 MB"
    assert (
        wording.memory(ModelEntry("a", model("a"), memory_estimate=90_000_000)) == "about 90.0 MB"
    )
    assert wording.memory(ModelEntry("a", model("a"))) == "known once it was loaded"
    assert wording.memory(ModelEntry("a", model("a", served=True))) == "not measured yet"


def test_a_model_is_described_by_its_facts() -> None:
    entry = ModelEntry(
        "birds", model("birds", labels=1200, versions=3, backbone="big"), milliseconds=24.4
    )
    facts = dict(wording.facts(entry))
    assert facts["Accuracy"] == "91.4% ± 1.2"
    assert facts["Photos"] == "1,200"
    assert facts["On disk"] == "75.0 MB in 3 versions"
    assert facts["Speed here"] == "24 ms a photo"
    assert wording.cost(entry) == "75.0 MB, 24 ms a photo"


def test_a_canary_is_among_the_facts() -> None:
    tried = CanarySummary(
        *("a", 2, 1, 0.25, "", "ada", CanaryPhase.RUNNING, "It answers.", 60.0),
    )
    entry = ModelEntry("a", replace(model("a", versions=2), canary=tried))
    assert dict(wording.facts(entry))["Canary"] == "v2, 25% of the requests"


def test_what_is_deleted_with_a_model() -> None:
    assert (
        wording.deleted_contents(model("a", labels=120, versions=3)) == "3 versions and 120 labels"
    )
    sentence = wording.deleted_sentence(DeletedModel("birds", "t", 1, 1))
    assert sentence == "birds was deleted, with 1 version and 1 label."


def test_the_outcome_of_an_import_is_a_sentence() -> None:
    done = replace(RUN, state=RunState.SUCCEEDED, decision=Decision.PROMOTED)
    assert wording.import_outcome(done) == "birds v2 is live, made from 200 photos."
    assert wording.import_outcome(done, answers=False) == (
        "birds v2 was made from 200 photos. Another model answers until you use this one."
    )
    held_back = replace(done, decision=Decision.HELD_BACK, not_promoted_because="It forgot cats.")
    assert wording.import_outcome(held_back) == "birds v2 was made. It forgot cats."
    nothing = replace(done, version=None, step="Every photo was known.")
    assert wording.import_outcome(nothing) == "Every photo was known."
