"""The page of one model."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication

from desktop.versions.view import VersionsView
from desktop.widgets.pictures import Pictures
from tests.gui.conftest import show
from tests.support.sample_summaries import model

BIRDS = model("birds", labels=120, versions=3, served=True)


@pytest.fixture
def view(application: QApplication) -> VersionsView:
    view = show(VersionsView(Pictures()), 1000, 680)
    view.show_model(BIRDS)
    QApplication.processEvents()
    return view
