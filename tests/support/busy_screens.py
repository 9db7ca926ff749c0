"""Pages with every panel that can be on them at a time, which leave the least room for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtWidgets import QWidget

from backend.contract import (
    CanarySummary,
    FineTuningOffer,
    RolloutSummary,
    RunState,
    TrainingRun,
)
from desktop.classify.gallery_query import Among, Query
from desktop.classify.page import ClassifyPage
from desktop.classify.watched_folders import WatchedFolder
from desktop.fleet.engines import EngineAction, EngineSuggestion
from desktop.fleet.page import FleetPage
from desktop.learn.outbox import OutboxView
from desktop.learn.outbox_store import RefusedLabel
from desktop.learn.page import LearnPage, LearnView
from desktop.models.page import ModelsPage
from desktop.translation import tr
from desktop.versions.view import VersionsView
from serving.engines.protocol import InstanceState
from serving.models.canary import CanaryPhase
from serving.models.faults import VersionFault
from tests.support.fleet_views import fleet_view, instance_view
from tests.support.predictions import prediction
from tests.support.sample_summaries import model
from tests.support.screens import classify_page, failed_photo, labelling, models_page


def _with_strips(page: LearnPage, name: str) -> LearnPage:
    run = TrainingRun("r", name, RunState.RUNNING, "2026-05-01", step=f"Reading {name}")
    page.show_runs([run])
    refused = RefusedLabel("1", name, f"There is no model {name}.")
    page.show_outbox(OutboxView(3, (refused,), f"{name} cannot be reached."))
    few = FineTuningOffer(
        "The network is fine-tuned once 200 photos are labelled, and 9 are.",
        "Label more photos.",
        9,
        None,
    )
    page.fine_tuning.show_offer(few)
    page.when.setChecked(True)
    return page


def _with_canary(versions: VersionsView, name: str) -> None:
    canary = CanarySummary(
        name,
        2,
        3,
        0.1,
        "2026-05-01T10:00:00+00:00",
        "anna",
        CanaryPhase.RUNNING,
        "Version 2 needs 40 more photos before it can be compared with version 3.",
        3600.0,
        requests=120,
        photos=60,
        agreements=57,
        agreement_low=0.86,
        agreement_high=0.99,
    )
    versions.show_model(replace(model(name, versions=3), canary=canary))
    waits = f"Version 3 of {name} is live on 1 of 2 instances."
    versions.show_rollout(RolloutSummary(name, 3, ["a"], ["b"], ["b"], False, waits))


def busy_learn_page(name: str, view: LearnView = LearnView.LABEL) -> QWidget:
    page = _with_strips(labelling(name), name)
    page.show_view(view)
    return page


def busy_look_alikes(name: str) -> QWidget:
    return busy_learn_page(name, LearnView.GROUPS)


def busy_doubts(name: str) -> QWidget:
    return busy_learn_page(name, LearnView.DOUBTS)


def busy_classes(name: str) -> QWidget:
    return busy_learn_page(name, LearnView.CLASSES)


def busy_versions(name: str) -> QWidget:
    page = _with_strips(labelling(name), name)
    page.show_model(model(name, classes=(name, "cat"), versions=3))
    _with_canary(page.versions, name)
    page.show_view(LearnView.VERSIONS)
    return page


def nothing_to_label(name: str) -> QWidget:
    page = _with_strips(LearnPage(), name)
    page.label_view.show_empty(
        "Nothing to label yet",
        "Photos come here once they are classified: those that teach most come first.",
        "Classify photos",
    )
    return page


def busy_model(name: str) -> QWidget:
    page = models_page(name)
    assert isinstance(page, ModelsPage)
    page.open_model(name)
    _with_canary(page.one.versions, name)
    return page


def busy_fleet_page(name: str) -> QWidget:
    page = FleetPage()
    failed = instance_view(2, InstanceState.FAILED, failure=f"It ended: {name}")
    states = (InstanceState.STARTING, InstanceState.DRAINING, InstanceState.ASLEEP)
    others = [instance_view(3 + number, state) for number, state in enumerate(states)]
    fault = VersionFault(f"{name} has no signature.", f"Export {name} again.")
    view = replace(
        fleet_view(instance_view(1), failed, *others, desired_count=12),
        engine_reason=f"Because {name}.",
        faults={name: fault, "cat": fault},
    )
    page.show_view(view)
    page.why.setChecked(True)
    page.strip.show_suggestion(
        EngineSuggestion(
            EngineAction.GET_IMAGE,
            f"No image of {name}",
            f"Containers run from an image, and there is none of {name} on this machine yet.",
        )
    )
    page.images.show()
    page.table.select(failed.instance.id)
    return page


def busy_classify_page(name: str, make: Callable[[str], QWidget] = classify_page) -> QWidget:
    page = make(name)
    assert isinstance(page, ClassifyPage)
    keys = page.shown_keys()
    if make is classify_page:
        scores = [(name, 0.4), *((f"{name} {number}", 0.1) for number in range(1, 5))]
        page.gallery.set_result(Path(keys[0]), prediction(*scores, model=name))
    page.set_query(
        Query(among=Among(tr("most like {name}", name=f"{name}.jpg"), dict.fromkeys(keys, 1)))
    )
    page.among_bar.show_missing(1200)
    page.drop_strip.offer(keys, name)
    page.watch_strip.show_folders([WatchedFolder(Path("/nowhere") / name, 12, f"{name} is gone.")])
    page.header.show_outdated(1200, name)
    page.header.show_filter(name, 2)
    page.select(keys[0])
    return page


def busy_failed_photo(name: str) -> QWidget:
    return busy_classify_page(name, failed_photo)


def several_photos(name: str) -> QWidget:
    page = busy_classify_page(name)
    assert isinstance(page, ClassifyPage)
    page.grid.selectAll()
    return page


BUSY_SCREENS: dict[str, Callable[[str], QWidget]] = {
    made.__name__: made
    for made in (
        *(busy_learn_page, busy_look_alikes, busy_doubts, busy_classes, busy_versions),
        *(nothing_to_label, busy_model, busy_fleet_page),
        *(busy_classify_page, busy_failed_photo, several_photos),
    )
}
