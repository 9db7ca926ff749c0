"""The right side of the Classify page: the selected photo, its scores, and what it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QSizePolicy, QStackedWidget, QWidget

from desktop import formats, theme
from desktop.classify.gallery import Gallery
from desktop.classify.label_box import LabelBox
from desktop.classify.photo import Photo, PhotoFailure
from desktop.classify.photo_view import PhotoView
from desktop.classify.score_chart import ScoreChart
from desktop.classify.thumbnails import Thumbnails
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.model_button import ModelButton
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge
from serving.predict.prediction import Score

MIN_WIDTH = 300


class DetailPane(QFrame):
    """Shows one photo with its chart, or how many are selected, and takes their label."""

    def __init__(self, gallery: Gallery, thumbnails: Thumbnails) -> None:
        super().__init__()
        theme.set_role(self, "pane")
        self.setMinimumWidth(MIN_WIDTH)
        self._gallery = gallery
        self._key = ""
        self.view = PhotoView(thumbnails)
        self.name = ElidedLabel(role="heading", mode=Qt.TextElideMode.ElideMiddle)
        self.badge = StateBadge("queued")
        self.source = ElidedLabel(role="small")
        self.models = ModelButton("Answer with another model")
        self.reclassify = build.icon_button("refresh", "Classify again", "muted")
        self.chart = ScoreChart()
        self.failure = FailurePanel()
        self._answer = QStackedWidget()
        self._answer.addWidget(self.chart)
        self._answer.addWidget(self.failure)
        self.no_classes = PlainLabel("", "muted", wrap=True)
        self.no_classes.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._answer.addWidget(self.no_classes)
        self._answer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.label_box = LabelBox()
        build.column(
            # Equal stretches: in a low window the rows of the chart move together before the
            # photo gets lower than the chart.
            (self.view, 30),
            theme.XS,
            build.row((self.name, 1), self.badge),
            build.row((self.source, 1), self.models, self.reclassify, spacing=theme.XS),
            (self._answer, 30),
            theme.S,
            self.label_box,
            None,
            parent=self,
            margins=(theme.L, theme.L, theme.L, theme.M),
        )
        self.show_photos(())

    def show_photos(self, photos: Sequence[Photo]) -> None:
        """Show the selected photos: one by itself, several as a summary."""
        photo = photos[0] if photos else None
        many = len(photos) > 1
        key = photo.key if photo else ""
        # A newer answer for the same photo must not clear what is being typed.
        if key != self._key or photo is None:
            self._key = key
            self.view.show_photo(photo.path if photo else None, photo.name if photo else "")
            self.label_box.chooser.field.clear()
        self.label_box.setVisible(photo is not None)
        self.badge.setVisible(photo is not None and not many)
        self.models.setVisible(photo is not None)
        self.reclassify.setVisible(photo is not None and (many or photo.failure is None))
        self._answer.setCurrentWidget(self.chart)
        if photo is None:
            self.name.setText("No photo selected")
            self.source.setText("Select one to see its scores.")
            self.chart.show_scores(())
            return
        self.label_box.show_photos(photos)
        if many:
            self.name.setText(f"{formats.count(len(photos))} photos selected")
            self.source.setText(_summary(photos))
            self.chart.show_scores(_best_classes(photos))
            return
        self.badge.set_state(self._gallery.state(photo))
        self.name.setText(photo.name)
        self.source.setText(_origin(photo, self._gallery))
        self.chart.show_scores(photo.prediction.scores if photo.prediction else ())
        if photo.failure is not None:
            self.failure.show_failure(photo.failure)
            self._answer.setCurrentWidget(self.failure)
        elif photo.prediction is not None and not photo.prediction.scores:
            self.no_classes.setText(no_classes_sentence(photo.prediction.model))
            self._answer.setCurrentWidget(self.no_classes)


class FailurePanel(QWidget):
    """Takes the place of the chart: why there is no answer, and what can be done."""

    def __init__(self) -> None:
        super().__init__()
        self._what = PlainLabel("", "error", wrap=True, selectable=True)
        self._advice = PlainLabel("", "muted", wrap=True, selectable=True)
        self.reclassify = build.button("Classify again", "refresh")
        line = build.row(self.reclassify, None)
        build.column(self._what, self._advice, line, None, parent=self)

    @property
    def text(self) -> str:
        return f"{self._what.text()} {self._advice.text()}"

    def show_failure(self, failure: PhotoFailure) -> None:
        self._what.setText(failure.what)
        self._advice.setText(failure.advice)


def _origin(photo: Photo, gallery: Gallery) -> str:
    if photo.waiting:
        return "Queued, the answer is on its way"
    prediction = photo.prediction
    if prediction is None:
        return ""
    text = f"{prediction.model} v{prediction.version}, {prediction.milliseconds:.0f} ms"
    if prediction.familiarity is not None and prediction.is_unsure():
        # Without it, "unsure" beside a score of 99% looks like a mistake.
        text = f"Unlike the photos of its classes. {text}"
    if not gallery.is_outdated(photo):
        return text
    return f"{text}; {answering_words(gallery.answering)} answers now"


def answering_words(answering: tuple[str, int] | None) -> str:
    """Return a model and its version as `birds v3`; empty if they are not known."""
    return "" if answering is None else f"{answering[0]} v{answering[1]}"


def no_classes_sentence(model: str) -> str:
    """Say what to do with a model that knows no class yet."""
    return (
        f"{model} knows no class yet. Label photos, or drop a folder of folders on the Models page."
    )


def _best_classes(photos: Sequence[Photo]) -> list[Score]:
    """Return which share of `photos` has each class as its best, the most frequent first."""
    best = Counter(photo.top.name for photo in photos if photo.top is not None)
    return [Score(name, times / len(photos)) for name, times in best.most_common()]


def _summary(photos: Sequence[Photo]) -> str:
    labelled = sum(1 for photo in photos if photo.label)
    return f"How many have each class as their best; {formats.count(labelled)} labelled"
