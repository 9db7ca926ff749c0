"""Buttons that show their icon alone where their words have no room."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QWidget

from desktop.widgets import build
from desktop.widgets.plain_text import tooltip
from desktop.widgets.shrinking_buttons import ShrinkingButtons
from tests.gui.conftest import show
from tests.support.clipped_text import clipped_texts


@pytest.mark.usefixtures("application")
def test_words_go_and_come_with_the_width() -> None:
    attach = build.button("Attach…", "plus", tip="Use a server that runs already")
    limits, stop = build.button("Limits…", "settings"), build.button("Stop all", "stop")
    row = ShrinkingButtons((attach, limits), stop)
    full = row.sizeHint().width()
    window = QWidget()  # as in a page: a window itself is as wide as its layout
    row.setParent(window)
    show(window, full, 40)
    row.resize(full, 40)
    assert (attach.text(), limits.text()) == ("Attach…", "Limits…")
    for width in (full - 1, row.minimumSizeHint().width()):
        row.resize(width, 40)
        assert (attach.text(), limits.text(), stop.text()) == ("", "", "Stop all")
        assert clipped_texts(row) == []
        assert row.sizeHint().width() == full
    assert attach.accessibleName() == "Attach"
    assert attach.toolTip() == tooltip("Attach\nUse a server that runs already")
    assert limits.toolTip() == tooltip("Limits")
    row.resize(full, 40)
    assert (attach.text(), attach.toolTip()) == ("Attach…", "Use a server that runs already")
