"""The right side of the Classify page: the selected photo, its scores, and what it shows."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QSizePolicy, QStackedWidget, QWidget

from desktop import formats, theme
from desktop.classify.charts import Charts
from desktop.classify.charts_pane import ChartsPane
from desktop.classify.explain.panel import ExplainPanel
from desktop.classify.gallery import Gallery
from desktop.classify.label_box import LabelBox
from desktop.classify.photo import Photo, PhotoFailure, PhotoState
from desktop.classify.photo_view import PhotoView
from desktop.classify.score_chart import ScoreChart
from desktop.classify.thumbnails import Thumbnails
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.model_button import ModelButton
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge

MIN_WIDTH = 300


class DetailPane(QFrame):
    """Shows one photo with its chart, or how many are selected, and takes their label."""

    def __init__(self, gallery: Gallery, thumbnails: Thumbnails) -> None:
        super().__init__()
        theme.set_role(self, "pane")
        self.setMinimumWidth(MIN_WIDTH)
        self._gallery = gallery
        self._key = ""
        self._number = 0
        """How many photos are selected."""
        self._has_charts = False
        self.view = PhotoView(thumbnails)
        self.name = ElidedLabel(role="heading", mode=Qt.TextElideMode.ElideMiddle)
        self.badge = StateBadge("queued")
        self.source = ElidedLabel(role="small")
        self.models = ModelButton(tr("Answer with another model"))
        self.reclassify = build.icon_button("refresh", tr("Classify again"), "muted")
        self.explain = build.icon_button("eye", tr("Show what the answer depends on (E)"), "muted")
        theme.set_icon(self.explain, "eye", "muted", checked="accent", side=16)
        self.explain.setCheckable(True)
        self.explained = ExplainPanel()
        self.explained.hide()
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
        self.charts = ChartsPane()
        build.column(
            # Equal stretches: in a low window the rows of the chart move together before the
            # photo gets lower than the chart.
            (self.view, 30),
            self.explained,
            theme.S,
            build.row((self.name, 1), self.badge),
            build.row(
                (self.source, 1), self.models, self.explain, self.reclassify, spacing=theme.XS
            ),
            (self._answer, 30),
            (self.charts, 60),
            theme.S,
            self.label_box,
            None,
            parent=self,
            margins=(theme.L, theme.L, theme.L, theme.M),
        )
        self.show_photos(())

    def show_charts(self, charts: Charts) -> None:
        """Show the charts of the photos that are selected, or of all if none is."""
        self.charts.show_charts(charts)
        self._has_charts = charts.photos > 0
        self._place()

    def show_photos(self, photos: Sequence[Photo]) -> None:
        """Show the selected photos: one by itself, of several how many; charts say the rest."""
        photo = photos[0] if photos else None
        self._number = len(photos)
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
        self.explain.setVisible(photo is not None and not many and photo.top is not None)
        self._answer.setCurrentWidget(self.chart)
        self._place()
        # What a screen reader says of the pane as a whole; its parts have names of their own.
        self.setAccessibleName(self._words(photos))
        if photo is None:
            self.name.setText(tr("No photo selected"))
            self.source.setText(tr("Select one to see its scores."))
            self.chart.show_scores(())
            return
        self.label_box.show_photos(photos)
        if many:
            labelled = sum(1 for photo in photos if photo.label)
            self.name.setText(self._words(photos))
            self.source.setText(tr("{count} labelled", count=formats.count(labelled)))
            return
        state = self._gallery.state(photo)
        self.badge.set_state(state)
        # The answer itself says that there is one, and the box below what the label is.
        self.badge.setVisible(state not in (PhotoState.ANSWERED, PhotoState.LABELLED))
        self.name.setText(photo.name)
        self.source.setText(_origin(photo, self._gallery))
        self.chart.show_scores(
            photo.prediction.scores if photo.prediction else (),
            label=photo.label,
            unsure=state is PhotoState.UNSURE,
        )
        if photo.failure is not None:
            self.failure.show_failure(photo.failure)
            self._answer.setCurrentWidget(self.failure)
        elif photo.prediction is not None and not photo.prediction.scores:
            self.no_classes.setText(no_classes_sentence(photo.prediction.model))
            self._answer.setCurrentWidget(self.no_classes)

    def _words(self, photos: Sequence[Photo]) -> str:
        if len(photos) == 1:
            return tr(
                "Photo: {description}", description=photos[0].describe(self._gallery.unsure_below)
            )
        return (
            tr("{photos} selected", photos=formats.plural(len(photos), "photo"))
            if photos
            else tr("No photo selected")
        )

    def _place(self) -> None:
        """Show the one photo, or the charts of several if there are any."""
        charts = self._has_charts and self._number != 1
        self.charts.setVisible(charts)
        for part in (self.view, self._answer):
            part.setVisible(self._number == 1)


class FailurePanel(QWidget):
    """Takes the place of the chart: why there is no answer, and what can be done."""

    def __init__(self) -> None:
        super().__init__()
        self._what = PlainLabel("", "error", wrap=True, selectable=True)
        self._advice = PlainLabel("", "muted", wrap=True, selectable=True)
        self.reclassify = build.button(tr("Classify again"), "refresh")
        line = build.row(self.reclassify, None)
        build.column(self._what, self._advice, line, None, parent=self)

    @property
    def text(self) -> str:
        return f"{self._what.text()} {self._advice.text()}"

    def show_failure(self, failure: PhotoFailure) -> None:
        self._what.setText(translated(failure.what))
        self._advice.setText(translated(failure.advice))


def _origin(photo: Photo, gallery: Gallery) -> str:
    if photo.waiting:
        return tr("Queued, the answer is on its way")
    prediction = photo.prediction
    if prediction is None:
        return ""
    text = tr(
        "{model} v{version}, {milliseconds} ms",
        model=prediction.model,
        version=prediction.version,
        milliseconds=formats.count(round(prediction.milliseconds)),
    )
    if prediction.familiarity is not None and prediction.is_unsure():
        # Without it, "unsure" beside a score of 99% looks like a mistake.
        text = tr("Unlike the photos of its classes. {origin}", origin=text)
    if not gallery.is_outdated(photo):
        return text
    return tr(
        "{origin}; {model} answers now", origin=text, model=answering_words(gallery.answering)
    )


def answering_words(answering: tuple[str, int] | None) -> str:
    """Return a model and its version as `birds v3`; empty if they are not known."""
    return "" if answering is None else f"{answering[0]} v{answering[1]}"


def no_classes_sentence(model: str) -> str:
    """Say what to do with a model that knows no class yet."""
    return tr(
        "{model} knows no class yet. Label photos, or drop a folder of folders on the Models page.",
        model=model,
    )
