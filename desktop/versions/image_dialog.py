"""Asks how the container image of a version is to be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialogButtonBox,
    QLineEdit,
    QWidget,
)

from backend.contract import BaseImage, ImageSettings, NewImage
from desktop import theme
from desktop.formats import size
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions import wording
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.dialogs import Dialog, FileDialog
from desktop.widgets.plain_label import PlainLabel
from serving.engines.docker.model_image.tag import ImageNameError, registry_of, tag_of_version

NO_BASE = tr(
    "The container engine has no image of a model server to build on. Get"
    " one on the Fleet page: Image, Build our own."
)


class ImageDialog(Dialog):
    """Edits a NewImage, and whether promotions make such images."""

    image_requested = Signal(object, object)
    """NewImage, and the ImageSettings if they were changed, else None"""

    def __init__(
        self,
        model: str,
        number: int,
        settings: ImageSettings,
        bases: Sequence[BaseImage],
        parent: QWidget | None = None,
    ) -> None:
        title = tr("Make an image of version {number} of {model}", number=number, model=model)
        super().__init__(title, parent)
        self.setMinimumWidth(520)
        self._model, self._number, self._settings = model, number, settings
        self.tag = QLineEdit(tag_of_version(settings.tag, model, number))
        self.tag.setAccessibleName(tr("Name of the image"))
        self.problem = PlainLabel(role="error", wrap=True)
        self.base = ComboBox(
            tr("Base"),
            ((each.name, f"{each.name}, {size(each.size_bytes)}") for each in bases),
        )
        self.base.select(settings.base)
        self.no_base = PlainLabel(NO_BASE, "error", wrap=True)
        self.push = QCheckBox()
        self.push.setChecked(settings.push)
        self.save = QCheckBox(tr("Save it as a file, too"))
        self.file = QLineEdit()
        self.file.setAccessibleName(tr("File"))
        self.file.setPlaceholderText(tr("The whole path of the file"))
        self.choose = build.button(tr("Choose…"))
        self.always = QCheckBox(tr("Make one of each version that goes live from now on"))
        self.always.setChecked(settings.after_promotion)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.make = buttons.addButton(tr("Make the image"), QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.make, "primary")
        self.make.setDefault(True)
        build.column(
            PlainLabel(wording.IMAGE_EXPLANATION, "muted", wrap=True),
            PlainLabel(tr("Name"), "heading"),
            self.tag,
            self.problem,
            PlainLabel(tr("Base"), "heading"),
            self.base,
            self.no_base,
            PlainLabel(tr("Where it goes"), "heading"),
            self.push,
            self.save,
            build.row((self.file, 1), self.choose),
            self.always,
            theme.S,
            buttons,
            parent=self,
            spacing=theme.S,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self.base.setVisible(bool(bases))
        self.no_base.setVisible(not bases)
        self.tag.textChanged.connect(self._show)
        self.file.textChanged.connect(self._show)
        self.save.toggled.connect(self._show)
        self.choose.clicked.connect(self.open_file_dialog)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        self._show()

    def new_image(self) -> NewImage:
        """Return what the controls ask for now; raises ImageNameError."""
        tag = tag_of_version(self.tag.text(), self._model, self._number)
        save = self.file.text().strip() if self.save.isChecked() else ""
        return NewImage(
            tag, str(self.base.currentData() or ""), push=self.push.isChecked(), save=save
        )

    def open_file_dialog(self) -> None:
        """Ask for the file that the image is to be saved as."""
        dialog = FileDialog(self, tr("Save the image"), self.file.text() or self._suggested_file())
        dialog.setAcceptMode(FileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(tr("Image archives (*.tar)"))
        dialog.setDefaultSuffix("tar")
        dialog.fileSelected.connect(self.file.setText)
        dialog.open()

    def _suggested_file(self) -> str:
        name = self.tag.text().rpartition("/")[2].replace(":", "-") or "image"
        return str(Path.home() / f"{name}.tar")

    def _show(self) -> None:
        problem, registry = "", ""
        try:
            registry = registry_of(self.new_image().tag)
        except ImageNameError as error:
            problem = translated(str(error))
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.push.setText(
            tr("Push it to {registry}", registry=registry) if registry else tr("Push it")
        )
        self.push.setToolTip(tr("With the credentials that `docker login` has stored"))
        self.file.setVisible(self.save.isChecked())
        self.choose.setVisible(self.save.isChecked())
        has_file = Path(self.file.text().strip()).is_absolute() or not self.save.isChecked()
        self.make.setEnabled(not problem and has_file and self.base.count() > 0)

    def _accept(self) -> None:
        new = self.new_image()
        settings = self._settings
        if self.always.isChecked():
            # The name of the next version's image is like that of this one.
            pattern = self.tag.text().strip()
            if pattern.endswith(f":{self._number}"):
                pattern = f"{pattern.removesuffix(str(self._number))}{{version}}"
            settings = ImageSettings(pattern, True, new.base, new.push, settings.keep)
        elif settings.after_promotion:
            settings = replace(settings, after_promotion=False)
        is_changed = replace(settings, seen_live=None) != replace(self._settings, seen_live=None)
        self.image_requested.emit(new, settings if is_changed else None)
        self.accept()
