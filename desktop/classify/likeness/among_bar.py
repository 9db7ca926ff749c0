"""Says above the gallery which photos are shown if they are only some, and leads back to all."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from desktop import formats, theme
from desktop.classify.gallery_query import Query
from desktop.classify.photo import capitalized
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.wrapping_row import WrappingRow


class AmongBar(QWidget):
    """Seen while the query has photos to be among."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ElidedLabel(role="heading")
        self.compare = build.button("")
        self.show_all = build.button(tr("Show all photos"), tip=tr("Back to all photos (Escape)"))
        buttons = WrappingRow(self.compare, self.show_all)
        build.column(
            WrappingRow(self.words, buttons, words=self.words),
            parent=self,
            margins=(theme.L, theme.XS, theme.L, theme.S),
        )
        self.show_missing(0)
        self.hide()

    def show_query(self, query: Query) -> None:
        self.setVisible(query.among is not None)
        if query.among is not None:
            self.words.setText(capitalized(query.among.words))

    def show_missing(self, count: int) -> None:
        """Offer to compare `count` photos, too, that were answered without an embedding."""
        self.compare.setVisible(count > 0)
        self.compare.setText(tr("Compare {count} more", count=formats.count(count)))
        self.compare.setToolTip(
            tr(
                "These photos were classified before Servery compared photos, or"
                " by a model that sees in another way. They are classified again."
            )
        )
