"""One model: its versions, with a way back to the cards."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from backend.contract import ModelSummary
from desktop.models import wording
from desktop.shortcuts import Shortcut, bind
from desktop.translation import tr
from desktop.versions.view import VersionsView
from desktop.widgets import build
from desktop.widgets.page_body import PageBody
from desktop.widgets.page_header import PageHeader
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_text import tooltip


class OneModelView(QWidget):
    """Shows a ModelSummary in place of the cards."""

    back_requested = Signal()

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self.header = PageHeader("")
        self.back = build.icon_button("back", tr("Back to the models"), side=20)
        self.back.setToolTip(
            tooltip(tr("Back to the models ({keys})", keys=Shortcut.BACK_TO_MODELS.text))
        )
        self.header.row.insertWidget(0, self.back)
        self.versions = VersionsView(pictures)
        build.column(self.header, (PageBody((self.versions, 1)), 1), parent=self, spacing=0)
        self.back.clicked.connect(self.back_requested)
        bind(Shortcut.BACK_TO_MODELS, self, self.back_requested.emit)

    @property
    def model(self) -> str:
        """The name of the model; empty before the first."""
        return self.versions.model

    def show_model(self, model: ModelSummary) -> None:
        self.header.title.setText(model.name)
        state = (
            tr("Current") if model.current else tr("Served") if model.served else tr("Not served")
        )
        self.header.sentence.setText(f"{state}. {wording.contents(model)}")
        self.versions.show_model(model)
