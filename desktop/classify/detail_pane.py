"""The right side of the Classify place: the selected photo, its scores, and what it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop import formats, theme
from desktop.classify.class_chooser import ClassChooser
from desktop.classify.photo import Photo, PhotoState
from desktop.classify.photo_view import PhotoView
from desktop.classify.score_chart import ScoreChart
from desktop.classify.thumbnails import Thumbnails
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.state_badge import StateBadge
from serving.predict.prediction import Score

MIN_WIDTH = 300


class DetailPane(QFrame):
    """Shows one photo with its chart, or how many are selected, and takes their label."""

    label_requested = Signal(str)
    """The class that the selected photos show."""
    undo_requested = Signal()
    reclassify_requested = Signal()

    def __init__(self, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "pane")
        self.setMinimumWidth(MIN_WIDTH)
        self._photo: Photo | None = None
        self.view = PhotoView(thumbnails)
        self.name = ElidedLabel(mode=Qt.TextElideMode.ElideMiddle)
        theme.set_role(self.name, "heading")
        self.badge = StateBadge("queued")
        self.source = ElidedLabel()
        theme.set_role(self.source, "small")
        self.reclassify = QToolButton()
        theme.set_role(self.reclassify, "quiet")
        theme.set_icon(self.reclassify, "refresh", "muted", side=16)
        self.reclassify.setToolTip("Classify again")
        self.reclassify.setAccessibleName("Classify again")
        self.reclassify.clicked.connect(self.reclassify_requested)
        self.chart = ScoreChart()
        self.failure = _FailurePanel()
        self.failure.reclassify.clicked.connect(self.reclassify_requested)
        self._answer = QStackedWidget()
        self._answer.addWidget(self.chart)
        self._answer.addWidget(self.failure)
        self._answer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._label = self._label_box()

        title = QHBoxLayout()
        title.setSpacing(theme.S)
        title.addWidget(self.name, 1)
        title.addWidget(self.badge)
        origin = QHBoxLayout()
        origin.setSpacing(theme.XS)
        origin.addWidget(self.source, 1)
        origin.addWidget(self.reclassify)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.L, theme.L, theme.L, theme.M)
        layout.setSpacing(theme.S)
        layout.addWidget(self.view, 8)
        layout.addSpacing(theme.XS)
        layout.addLayout(title)
        layout.addLayout(origin)
        layout.addWidget(self._answer)
        layout.addSpacing(theme.S)
        layout.addWidget(self._label)
        layout.addStretch(1)
        self.show_photos((), None, None)

    def set_classes(self, names: Iterable[str]) -> None:
        """Offer `names` as the classes that are known."""
        self.chooser.set_classes(names)

    def show_photos(
        self, photos: Sequence[Photo], state: PhotoState | None, live_version: int | None
    ) -> None:
        """Show the selected photos; `state` is that of the first, None without any."""
        photo = photos[0] if photos else None
        same = photo is not None and self._photo is not None and photo.key == self._photo.key
        self._photo = photo
        if not same:
            self.view.show_photo(photo.path if photo else None, photo.name if photo else "")
            self.chooser.field.clear()
        many = len(photos) > 1
        self._label.setVisible(photo is not None)
        self.badge.setVisible(photo is not None and not many)
        self.reclassify.setVisible(photo is not None and (many or photo.failure is None))
        if photo is None or state is None:
            self.name.setText("No photo selected")
            self.source.setText("Select one to see its scores.")
            self.chart.show_scores(())
            self._answer.setCurrentWidget(self.chart)
            return
        self.badge.set_state(state)
        self.name.setText(f"{formats.count(len(photos))} photos selected" if many else photo.name)
        self.source.setText(_summary(photos) if many else _origin(photo, live_version))
        self.chart.show_scores(_best_classes(photos) if many else _scores(photo))
        if photo.failure is not None and not many:
            self.failure.show_failure(photo.failure.what, photo.failure.advice)
            self._answer.setCurrentWidget(self.failure)
        else:
            self._answer.setCurrentWidget(self.chart)
        self._show_label(photos)

    def _label_box(self) -> QWidget:
        self.question = QLabel("Right?")
        theme.set_role(self.question, "heading")
        self.yes = QPushButton("Yes")
        theme.set_icon(self.yes, "check", side=16)
        self.yes.clicked.connect(self._confirm)
        self.undo = QPushButton("Undo")
        theme.set_role(self.undo, "quiet")
        theme.set_icon(self.undo, "undo", side=16)
        self.undo.setToolTip("Take the label back (Ctrl+Z)")
        self.undo.clicked.connect(self.undo_requested)
        self.labelled = StateBadge("labelled")
        self.chooser = ClassChooser()
        self.chooser.label_requested.connect(self.label_requested)
        line = QHBoxLayout()
        line.setSpacing(theme.S)
        line.addWidget(self.question)
        line.addWidget(self.labelled)
        line.addStretch(1)
        line.addWidget(self.yes)
        line.addWidget(self.undo)
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.S)
        layout.addLayout(line)
        layout.addWidget(self.chooser)
        return box

    def _show_label(self, photos: Sequence[Photo]) -> None:
        labels = {photo.label for photo in photos}
        label = photos[0].label if len(labels) == 1 else ""
        best = {photo.top.name for photo in photos if photo.top is not None}
        agreed = best.pop() if len(best) == 1 else ""
        self.question.setVisible(not label)
        self.labelled.setVisible(bool(label))
        if label:
            self.labelled.set_state("labelled", f"Labelled {_shortened(label)}")
        if len(photos) > 1:
            self.question.setText(f"All {agreed}?" if agreed else "What do they show?")
        else:
            self.question.setText("Right?" if agreed else "What does it show?")
        self.yes.setVisible(bool(agreed) and not label)
        self.yes.setToolTip(f"Label as {agreed} (1)")
        self.yes.setAccessibleName(f"Yes, {agreed}")
        self.undo.setVisible(bool(label) and all(photo.label_can_be_undone for photo in photos))

    def _confirm(self) -> None:
        if self._photo is not None and self._photo.top is not None:
            self.label_requested.emit(self._photo.top.name)


class _FailurePanel(QWidget):
    """In place of the chart: why there is no answer, and what can be done."""

    def __init__(self) -> None:
        super().__init__()
        self._what = QLabel()
        theme.set_role(self._what, "error")
        self._advice = QLabel()
        theme.set_role(self._advice, "muted")
        for label in (self._what, self._advice):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.reclassify = QPushButton("Classify again")
        theme.set_icon(self.reclassify, "refresh", side=16)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.S)
        layout.addWidget(self._what)
        layout.addWidget(self._advice)
        layout.addWidget(self.reclassify, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)

    @property
    def text(self) -> str:
        return f"{self._what.text()} {self._advice.text()}"

    def show_failure(self, what: str, advice: str) -> None:
        self._what.setText(what)
        self._advice.setText(advice)


def _origin(photo: Photo, live_version: int | None) -> str:
    if photo.waiting:
        return "Queued, the answer is on its way"
    prediction = photo.prediction
    if prediction is None:
        return ""
    text = f"{prediction.model} v{prediction.version}, {prediction.milliseconds:.0f} ms"
    if live_version is not None and prediction.version != live_version:
        text += f"; v{live_version} is live now"
    return text


def _scores(photo: Photo) -> tuple[Score, ...]:
    return photo.prediction.scores if photo.prediction else ()


def _best_classes(photos: Sequence[Photo]) -> list[Score]:
    """Return which share of `photos` has each class as its best, the most frequent first."""
    best = Counter(photo.top.name for photo in photos if photo.top is not None)
    return [Score(name, times / len(photos)) for name, times in best.most_common()]


def _summary(photos: Sequence[Photo]) -> str:
    labelled = sum(1 for photo in photos if photo.label)
    return f"How many have each class as their best; {formats.count(labelled)} labelled"


def _shortened(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
