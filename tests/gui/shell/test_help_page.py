"""Help says what comes with Servery and who made it."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication, QLabel

from desktop.help_page import HelpPage
from serving.models.builtin.catalog import built_in_models


def test_about_lists_the_built_in_models_with_makers_and_licence(application: QApplication) -> None:
    page = HelpPage()
    texts = [label.text() for label in page.findChildren(QLabel)]
    for model in built_in_models():
        assert any(model.title in text for text in texts)
        (text,) = [text for text in texts if text.startswith(model.attribution)]
        for word in ("Google", "ML Illustrated", "WordNet", "Changed for Servery", "Apache-2.0"):
            assert word in text
    page.deleteLater()
