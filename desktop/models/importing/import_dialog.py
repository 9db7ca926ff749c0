"""Shows what was found in a model file, lets a person correct it, and imports it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QFrame,
    QMessageBox,
    QProgressBar,
    QScrollArea,
    QWidget,
)

from desktop import theme
from desktop.dropped_addresses import addresses_in
from desktop.models.importing import wording
from desktop.models.importing.draft import ImportDraft
from desktop.models.importing.facts_form import FactsForm
from desktop.models.importing.photo_strip import PhotoStrip
from desktop.models.name_field import NameField
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import Dialog, FileDialog
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.question import Question
from serving.image_file import IMAGE_SUFFIXES

LABEL_SUFFIXES = (".txt", ".csv", ".tsv", ".json")
_LABEL_FILTER = tr(
    "Labels ({patterns});;All files (*)", patterns=" ".join(f"*{each}" for each in LABEL_SUFFIXES)
)
_PROBLEM_LENGTH = 800


class ImportDialog(Dialog):
    """Shows a draft. Closing it while an import runs leaves that running."""

    import_requested = Signal(str)
    """Under this name."""
    cancel_requested = Signal()
    """The import is to be cancelled."""
    trust_requested = Signal()
    labels_chosen = Signal(Path)

    def __init__(
        self, draft: ImportDraft, taken: Sequence[str], pictures: Pictures, parent: QWidget
    ) -> None:
        """`taken` are the names of the models that there are."""
        super().__init__(tr("Import {name}", name=draft.path.name), parent)
        self.setAcceptDrops(True)
        self._draft = draft
        self.title = ElidedLabel(draft.path.name, "title", Qt.TextElideMode.ElideMiddle)
        self.kind = PlainLabel("", wrap=True)
        self.safety = PlainLabel("", "muted", wrap=True)
        self.trust_text = PlainLabel("", wrap=True, limit=_PROBLEM_LENGTH)
        self.trust = build.button(tr("Trust this model…"))
        self.problem = PlainLabel("", "error", wrap=True, selectable=True, limit=_PROBLEM_LENGTH)
        self.problem.setAccessibleName(tr("Why it cannot be imported"))
        self.other_labels = build.button(tr("Choose labels…"))
        self.again = build.button(tr("Look again"))
        self.facts = FactsForm()
        self.photos = PhotoStrip(pictures)
        self.name = NameField(taken, draft.path.stem)
        self._is_named = False
        self.step = PlainLabel("", "muted")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(tr("Progress"))
        self.close_button = build.button(tr("Cancel"))
        self.start = build.button(tr("Import"), role="primary")
        self.start.setDefault(True)
        self._lay_out()
        self._connect()
        self.show_draft(draft)
        self.resize(*_fitting_size(parent))
        self.name.setFocus()

    def show_draft(self, draft: ImportDraft) -> None:
        """Show what is known now."""
        self._draft = draft
        found = draft.found
        if found is not None and not self._is_named:
            self._is_named = True
            if found.name and self.name.field.text() == draft.path.stem:
                self.name.field.setText(found.name)
        self.kind.setText(wording.file_sentence(found) if found is not None else "")
        self.kind.setVisible(found is not None)
        self.safety.setText(wording.safety_sentence(draft))
        self.trust_text.setText(wording.trust_explanation(draft))
        self._trust_panel.setVisible(draft.needs_trust)
        self.problem.setText(wording.problem_sentence(draft))
        self.problem.setVisible(bool(self.problem.text()))
        has_form = draft.interface is not None
        self.other_labels.setVisible(bool(draft.labels_path) and not has_form)
        self.again.setVisible(bool(draft.problem) and not draft.step)
        self.facts.show_draft(draft)
        self._photo_frame.setVisible(has_form)
        self.photos.show_draft(draft)
        self.step.setText(translated(draft.step))
        self.progress.setRange(0, 0 if draft.progress is None else 1000)
        self.progress.setValue(round(1000 * (draft.progress or 0)))
        self.progress.setVisible(bool(draft.step))
        runs = draft.progress is not None
        self.name.setEnabled(not runs)
        self.close_button.setText(tr("Hide") if runs else tr("Cancel"))
        self.cancel.setVisible(runs)
        self._enable()

    def open_label_dialog(self) -> None:
        """Ask for a file with the names of the classes."""
        dialog = FileDialog(self, tr("Choose a file with the names of the classes"))
        dialog.setFileMode(FileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(_LABEL_FILTER)
        dialog.fileSelected.connect(lambda name: self.labels_chosen.emit(Path(name)))
        dialog.open()

    def open_trust_question(self) -> Question:
        """Say what the model could do, and let the person decide."""
        box = Question(
            self,
            tr("Trust a model"),
            tr("Do you trust the author of {name}?", name=self._draft.path.name),
            wording.trust_explanation(self._draft),
        )
        trust = box.addButton(tr("Trust it"), QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        trust.clicked.connect(self.trust_requested)
        box.open()
        return box

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        photos, labels = _sorted_files(addresses_in(event.mimeData()).files)
        if (photos or labels) and self._draft.progress is None:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
        else:
            event.ignore()

    def dropEvent(self, event: QDropEvent) -> None:
        photos, labels = _sorted_files(addresses_in(event.mimeData()).files)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if photos:
            self.photos.photos_chosen.emit(photos)
        if labels:
            self.labels_chosen.emit(labels[0])

    def _enable(self) -> None:
        self.start.setEnabled(self._draft.can_import and bool(self.name.name))

    def _accept_name(self) -> None:
        if self._draft.can_import and self.name.name:
            self.import_requested.emit(self.name.name)

    def _lay_out(self) -> None:
        self.cancel = build.button(tr("Cancel the import"))
        self._trust_panel = QFrame()
        theme.set_role(self._trust_panel, "panel")
        build.column(
            self.trust_text,
            build.row(self.trust, None),
            parent=self._trust_panel,
            margins=(theme.M, theme.M, theme.M, theme.M),
        )
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        build.column(
            self.kind,
            self.safety,
            self._trust_panel,
            self.problem,
            build.row(self.again, self.other_labels, None),
            self.facts,
            None,
            parent=inside,
            margins=(0, 0, theme.M, 0),
        )
        area = _Column()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inside)
        self._photo_frame = QWidget()
        build.column((self.photos, 1), parent=self._photo_frame)
        named = PlainLabel(tr("Name"), "heading")
        named.setFixedHeight(self.name.field.sizeHint().height())
        working = QWidget()
        build.column(self.step, self.progress, parent=working, spacing=theme.XS)
        working.setMinimumHeight(self.step.fontMetrics().height() + 2 * theme.S)
        build.column(
            self.title,
            (build.row((area, 1), (self._photo_frame, 1), spacing=theme.M), 1),
            build.row(build.column(named, None), (self.name, 1), spacing=theme.M),
            build.row((working, 1), self.cancel, self.close_button, self.start),
            parent=self,
            spacing=theme.M,
            margins=(theme.XL, theme.L, theme.XL, theme.L),
        )
        self.setMinimumHeight(400)

    def _connect(self) -> None:
        self.facts.labels_requested.connect(self.open_label_dialog)
        self.other_labels.clicked.connect(self.open_label_dialog)
        self.trust.clicked.connect(self.open_trust_question)
        self.cancel.clicked.connect(self.cancel_requested)
        self.close_button.clicked.connect(self.reject)
        self.start.clicked.connect(self._accept_name)
        self.name.changed.connect(self._enable)


class _Column(QScrollArea):
    """Scrolls up and down, and is wide enough for what is in it."""

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        content, bar = self.widget(), self.verticalScrollBar().sizeHint().width()
        if content is None:
            return hint
        return hint.expandedTo(QSize(content.minimumSizeHint().width() + bar, 0))


def _sorted_files(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the photos and the files of labels among `paths`, by their endings."""
    listed = list(paths)

    def of(suffixes: Iterable[str]) -> list[Path]:
        return [path for path in listed if path.suffix.lower() in suffixes]

    return of(IMAGE_SUFFIXES), of(LABEL_SUFFIXES)


def _fitting_size(parent: QWidget) -> tuple[int, int]:
    """Return how large the dialog opens: not larger than the window below it."""
    window = parent.window().size()
    return min(940, max(560, window.width() - 40)), min(680, max(400, window.height() - 40))
