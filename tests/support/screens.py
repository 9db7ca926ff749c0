"""Every page and dialog of the window, made with a name in each text that can have one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtWidgets import (
    QWidget,
)

from backend.contract import (
    ClassCount,
    Cluster,
    Comparison,
    Conflict,
    DeletedModel,
    IssueKind,
    Label,
    LabelIssue,
    LabelSummary,
    Mistake,
    RunState,
    SkippedFile,
    TrainingRun,
)
from desktop.classify.gallery import Gallery
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import PhotoFailure
from desktop.fleet.engines import EngineAction, EngineSuggestion
from desktop.fleet.page import FleetPage
from desktop.help_page import HelpPage
from desktop.jobs import Jobs
from desktop.known_classes import KnownClasses
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.choices import Choice
from desktop.learn.labelling.doubts import doubts
from desktop.learn.labelling.queue_walk import NextPhoto
from desktop.learn.outbox import OutboxView
from desktop.learn.outbox_store import RefusedLabel
from desktop.learn.page import LearnPage, LearnView
from desktop.main_window import MainWindow
from desktop.models.entries import model_entries
from desktop.models.page import ModelsPage
from desktop.notifications import Notifications
from desktop.widgets.question import Question
from serving.engines.protocol import InstanceState
from serving.photo_folder import FolderPhoto, PhotoFolder, SkippedPath, SkipReason
from tests.support.fleet_views import fleet_view, instance_view
from tests.support.predictions import prediction
from tests.support.sample_summaries import IMAGE, built_in, model, report

OWNERS: list[QWidget] = []


def owned(dialog: QWidget, owner: QWidget) -> QWidget:
    """Return `dialog`, which lives as long as its owner does."""
    OWNERS.append(owner)
    return dialog


def classify_page(name: str) -> QWidget:
    gallery = Gallery(0.5)
    page = ClassifyPage(gallery)
    path = Path("/nowhere") / f"{name}.jpg"
    page.set_classes(KnownClasses(None, [name, f"{name} 2"]))
    page.set_note(f"{name} cannot be loaded.")
    gallery.queue([path, Path("/nowhere/failed.jpg")], 0)
    gallery.set_answering("another", 2)
    gallery.set_result(path, prediction((name, 0.7), ("cat", 0.2), model=name))
    gallery.set_label(str(path), name, name, can_be_undone=True)
    gallery.stop_waiting(
        [Path("/nowhere/failed.jpg")], PhotoFailure(f"{name} is no image.", f"Open {name}.")
    )
    page.select(str(path))
    return page


def with_one_photo(name: str) -> tuple[Gallery, ClassifyPage, Path]:
    gallery = Gallery(0.5)
    page = ClassifyPage(gallery)
    path = Path("/nowhere") / f"{name}.jpg"
    gallery.queue([path], 0)
    return gallery, page, path


def failed_photo(name: str) -> QWidget:
    gallery, page, path = with_one_photo(name)
    gallery.stop_waiting([path], PhotoFailure(f"{name} is no image.", f"Open {name}."))
    page.select(str(path))
    return page


def model_without_classes(name: str) -> QWidget:
    gallery, page, path = with_one_photo(name)
    gallery.set_result(path, prediction(model=name))
    page.select(str(path))
    return page


def learn_page(name: str) -> QWidget:
    page = LearnPage()
    page.show_model(model(name, classes=(name, "cat"), versions=3))
    page.show_labels(LabelSummary(9, 3, [ClassCount(name, 4, False), ClassCount("cat", 5, True)]))
    running = TrainingRun("r", name, RunState.RUNNING, "2026-05-01", step=f"Reading {name}")
    failed = TrainingRun("f", name, RunState.FAILED, "2026-05-01", step=f"{name} is damaged.")
    page.show_runs([running, failed])
    refused = RefusedLabel("1", name, f"There is no model {name}.")
    page.show_outbox(OutboxView(3, (refused,), f"{name} cannot be reached."))
    return page


def labelling(name: str) -> LearnPage:
    """Return a Learn page with something to label in each of its views."""
    page = LearnPage()
    counts = [ClassCount(name, 4, False), ClassCount("cat", 5, True)]
    page.classes.show_labels(LabelSummary(9, 3, counts))
    page.classes.show_classes(counts)
    page.classes.strip.open_for(name, {name: 4, "cat": 5})
    choices = [Choice(name, 0.5), Choice("cat", other=name), Choice(name + "x", is_new=True)]
    photo = NextPhoto("ab" * 32, f"It may show {name} or cat.")
    page.label_view.show_photo(photo, choices, Answer(name), ())
    said = Label(1, photo.image, name, "2026-05-01", by=name)
    page.label_view.show_history(photo.image, [said] * 5)
    page.groups_view.show_group(Cluster(1, [photo.image], name, 0.5), choices, (), 1, 1)
    disputed = Conflict(photo.image, [said, replace(said, by="anna", class_name="cat")])
    issue = LabelIssue("cd" * 32, name, "cat", 0.9, IssueKind.DUPLICATE, "ef" * 32)
    page.doubts_view.show_doubts(doubts([issue], [disputed]), 1)
    return page


def labelling_one(name: str) -> QWidget:
    return labelling(name)


def labelling_groups(name: str) -> QWidget:
    page = labelling(name)
    page.show_view(LearnView.GROUPS)
    return page


def doubtful_labels(name: str) -> QWidget:
    page = labelling(name)
    page.show_view(LearnView.DOUBTS)
    return page


def classes_of_labels(name: str) -> QWidget:
    page = labelling(name)
    page.show_view(LearnView.CLASSES)
    return page


def models_page(name: str) -> QWidget:
    page = ModelsPage()
    run = TrainingRun("r", "runs", RunState.RUNNING, "2026", progress=0.4, step=f"Reads {name}")
    found = [
        replace(
            model(name, classes=(name, "cat"), versions=3, backbone=name, current=True),
            description=name,
            attribution=f"{name} made it.",
        ),
        model("runs"),
    ]
    page.show_entries(model_entries(found, [built_in(name + "b", installed=False)], [run]))
    page.show_deleted([DeletedModel(name, "token", 2, 7)])
    page.select(name)
    return page


def one_model(name: str) -> QWidget:
    page = models_page(name)
    assert isinstance(page, ModelsPage)
    page.open_model(name)
    found = replace(
        report((name, "cat"), [[9, 1], [2, 8]]),
        mistakes=[Mistake(IMAGE, name, "cat", 0.9)],
        skipped=[SkippedFile(f"/photos/{name}", f"{name} is no image.")],
        notes=[f"{name} is taken for a class."],
    )
    page.one.versions.show_report(3, found)
    page.one.versions.report.matrix.cell_selected.emit(name, "cat")
    return page


def compared_versions(name: str) -> QWidget:
    page = models_page(name)
    assert isinstance(page, ModelsPage)
    page.open_model(name)
    page.one.versions.tabs.setCurrentWidget(page.one.versions.compare)
    page.one.versions.compare.show_comparisons(
        [Comparison(IMAGE, name, [name, "cat"], [0.9, 0.8], file=f"/nowhere/{name}.jpg")]
    )
    return page


def no_backend(name: str) -> QWidget:
    page = ModelsPage()
    page.show_unavailable(f"The backend failed: {name}")
    return page


def fleet_page(name: str) -> QWidget:
    page = FleetPage()
    failed = instance_view(2, InstanceState.FAILED, failure=f"It ended: {name}")
    ready = replace(
        instance_view(1), model=name, versions={name: 3, "cat": 1}, load_errors={name: name}
    )
    odd = replace(ready.instance, id=name, grpc_address=f"unix:/{name}", rest_address=name)
    page.show_view(
        replace(fleet_view(replace(ready, instance=odd), failed), engine_reason=f"Because {name}.")
    )
    page.strip.show_suggestion(EngineSuggestion(EngineAction.MOVE, f"Move {name}", f"Run {name}."))
    page.detail.log.show_latest(name, [f"Loaded {name}", name])
    return page


def folder_sheet(name: str) -> QWidget:
    page = models_page(name)
    assert isinstance(page, ModelsPage)
    root = Path("/nowhere") / name
    photos = tuple(FolderPhoto(root / each, name, False) for each in ("1.jpg", "2.jpg"))
    skipped = (SkippedPath(root / "x", SkipReason.NOT_AN_IMAGE),)
    found = PhotoFolder(root, photos, skipped, (f"{name} is taken for a class.",))
    sheet = page.open_folder_sheet(name[:40], found, lambda _: None)
    assert sheet is not None
    return owned(sheet, page)


def new_dialog(name: str) -> QWidget:
    page = models_page(name)
    assert isinstance(page, ModelsPage)
    dialog = page.open_new_dialog()
    assert dialog is not None
    dialog.form.name.field.setText(name)
    return owned(dialog, page)


def rename_dialog(name: str) -> QWidget:
    page = models_page(name)
    assert isinstance(page, ModelsPage)
    return owned(page.open_rename_dialog(name), page)


def question(name: str) -> QWidget:
    window = QWidget()
    words = f"Delete version 3 of {name} for good?"
    return owned(Question(window, name, words, f"{name} stays."), window)


def main_window(name: str) -> QWidget:
    jobs, notifications = Jobs(), Notifications()
    window = MainWindow(jobs, notifications)
    window.status.show_model(name, 3)
    window.status.show_failed(f"There is no fleet: {name}")
    window.status.show_model(name, 3)
    notifications.error(f"{name} could not be opened. Check {name}.")
    notifications.info(f"{name} is live.", f"Undo {name}", lambda: None)
    return window


def help_page(_: str) -> QWidget:
    return HelpPage()


SCREENS: dict[str, Callable[[str], QWidget]] = {
    made.__name__: made
    for made in (
        *(classify_page, failed_photo, model_without_classes, learn_page),
        *(labelling_one, labelling_groups, doubtful_labels, classes_of_labels),
        *(models_page, one_model, compared_versions, no_backend, fleet_page),
        *(folder_sheet, new_dialog, rename_dialog, question, main_window, help_page),
    )
}
