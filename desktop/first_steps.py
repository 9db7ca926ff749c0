"""What a new workspace shows before the first photo: three steps, each with what is true now."""

from __future__ import annotations

from enum import IntEnum

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QWidget

from desktop import theme
from desktop.formats import plural
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.focus import delegate_focus
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge
from serving.engines.names import PROCESS

_SENTENCE_WIDTH = 460


class Step(IntEnum):
    """The steps, in their order."""

    MODEL = 0
    INSTANCES = 1
    PHOTO = 2


_PICTURES = {
    Step.MODEL: "empty-models",
    Step.INSTANCES: "empty-fleet",
    Step.PHOTO: "empty-photos",
}
_HEADINGS = {
    Step.MODEL: tr("A model is here already"),
    Step.INSTANCES: tr("Instances answer for it"),
    Step.PHOTO: tr("Drop the first photo"),
}
_OTHERS = {
    Step.MODEL: tr("Choose another model"),
    Step.INSTANCES: tr("Show the fleet"),
    Step.PHOTO: "",
}
_NEXT = {
    Step.MODEL: tr("Keep this model"),
    Step.INSTANCES: tr("Next"),
    Step.PHOTO: tr("Open photos…"),
}


class FirstSteps(QWidget):
    """Shows one step after the other; knows nothing but what it is told."""

    models_requested = Signal()
    fleet_requested = Signal()
    photos_requested = Signal()
    finished = Signal()
    """The person has skipped them, or is through."""

    def __init__(self) -> None:
        super().__init__()
        zone = QFrame()
        theme.set_role(zone, "dropzone")
        self.setAccessibleName(tr("First steps"))
        self._step = Step.MODEL
        self._model, self._classes = "", 0
        self._ready, self._desired, self._engine = 0, 0, ""
        self.progress = PlainLabel(role="small")
        self._picture = PlainLabel()
        self.heading = PlainLabel(role="title", wrap=True)
        self.sentence = PlainLabel(role="muted", wrap=True)
        self.sentence.setMaximumWidth(_SENTENCE_WIDTH)
        for centered in (self.progress, self._picture, self.heading, self.sentence):
            centered.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.state = StateBadge("queued")
        self.back = build.button(tr("Back"), role="quiet")
        self.other = build.button("")
        self.next = build.button("", role="primary")
        self.skip = build.button(tr("Skip the first steps"), role="quiet")
        build.column(
            self.progress,
            (None, 2),
            self._picture,
            theme.S,
            self.heading,
            build.row((None, 1), (self.sentence, 100), (None, 1)),
            build.row(None, self.state, None),
            theme.S,
            build.row(None, self.back, self.other, self.next, None),
            (None, 3),
            build.row(None, self.skip, None),
            parent=zone,
            margins=(theme.XL, theme.L, theme.XL, theme.L),
        )
        build.column(zone, parent=self, margins=(theme.XL, theme.XL, theme.XL, theme.XL))
        self.back.clicked.connect(lambda: self.show_step(Step(self._step - 1)))
        self.other.clicked.connect(self._on_other_page)
        self.next.clicked.connect(self._on_next)
        self.skip.clicked.connect(self.finished)
        delegate_focus(self, self.next)
        self.show_step(Step.MODEL)

    @property
    def step(self) -> Step:
        return self._step

    def show_step(self, step: Step) -> None:
        self._step = step
        self.progress.setText(tr("First steps: {step} of {steps}", step=step + 1, steps=len(Step)))
        theme.set_icon(self._picture, _PICTURES[step], "muted", side=96)
        self.heading.setText(_HEADINGS[step])
        self.back.setVisible(step > Step.MODEL)
        self.other.setText(_OTHERS[step])
        self.other.setVisible(bool(_OTHERS[step]))
        self.next.setText(_NEXT[step])
        self.skip.setText(
            tr("Close the first steps") if step is Step.PHOTO else tr("Skip the first steps")
        )
        self._show_facts()

    def show_model(self, name: str, classes: int) -> None:
        """Say which model answers, and how many classes it knows; 0 if that is not known yet."""
        self._model, self._classes = name, classes
        self._show_facts()

    def show_fleet(self, ready: int, desired: int, engine: str) -> None:
        """Say how many instances are ready, of how many, and on which engine."""
        self._ready, self._desired, self._engine = ready, desired, engine
        self._show_facts()

    def _show_facts(self) -> None:
        self.sentence.setText(
            {
                Step.MODEL: self._model_sentence,
                Step.INSTANCES: self._fleet_sentence,
                Step.PHOTO: self._photo_sentence,
            }[self._step]()
        )
        state = "ready" if self._ready else "starting" if self._desired else "queued"
        self.state.set_state(state, self._state_words())
        self.state.setVisible(self._step is not Step.MODEL)

    def _model_sentence(self) -> str:
        model, classes = self._model, plural(self._classes, "class", "classes")
        if model and self._classes:
            answers = tr(
                "The model {model} knows {classes}, names for what a photo may show, and answers"
                " with the likeliest.",
                model=model,
                classes=classes,
            )
        elif model:
            answers = tr("The model {model} answers what a photo shows.", model=model)
        elif self._classes:
            answers = tr(
                "The built-in model knows {classes}, names for what a photo may show, and answers"
                " with the likeliest.",
                classes=classes,
            )
        else:
            answers = tr("The built-in model answers what a photo shows.")
        learns = tr("It learns what you correct, and another model can take its place at any time.")
        return f"{answers} {learns}"

    def _fleet_sentence(self) -> str:
        how = (
            tr("They run as processes of this machine, and photos stay on it.")
            if self._engine == PROCESS
            else tr("They run as containers, on the engine that Fleet names.")
            if self._engine
            else tr("Servery is looking for what they can run on.")
        )
        what = tr("An instance is a running model server; more of them answer more photos at once.")
        return f"{what} {how}"

    def _photo_sentence(self) -> str:
        what = tr(
            "Drop photos or a folder anywhere in this window, paste a"
            " picture, or open some. Each gets its best classes as bars."
        )
        if self._ready:
            return what
        return f"{what} " + tr("They are answered as soon as an instance is ready.")

    def _state_words(self) -> str:
        if not self._desired:
            return tr("No instance was started yet")
        return tr(
            "{ready} of {instances} ready",
            ready=self._ready,
            instances=plural(self._desired, "instance"),
        )

    def _on_next(self) -> None:
        if self._step is Step.PHOTO:
            self.photos_requested.emit()
        else:
            self.show_step(Step(self._step + 1))
            self.next.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_other_page(self) -> None:
        if self._step is Step.MODEL:
            self.models_requested.emit()
        else:
            self.fleet_requested.emit()
