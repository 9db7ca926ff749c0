"""The dialog for what every instance may use and what it runs from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QSpinBox,
    QWidget,
)

from desktop import theme
from desktop.formats import count, size
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.dialogs import Dialog
from desktop.widgets.plain_label import PlainLabel
from serving.fleet.record import InstanceLimits

TCP_MEANING = tr(
    "They then listen on ports of 127.0.0.1 as well: every user and every"
    " program of this machine can send them photos and see which models they"
    " serve. Nobody can change what they serve. Without it, only your own"
    " programs reach them."
)
MEGABYTE = 10**6
MINUTE = 60
MAX_SHOWN_SLEEP = 24 * 60
"""Minutes."""
MEMORY_STEP = 250
PIDS_STEP, MIN_PIDS, MAX_SHOWN_PIDS = 64, 128, 65536
MIN_MEMORY = 128
"""Megabytes; no model server starts with less."""


class LimitsDialog(Dialog):
    """Edits the limits; what cannot be limited on this engine is not shown."""

    limits_requested = Signal(InstanceLimits)

    def __init__(
        self,
        limits: InstanceLimits,
        *,
        in_containers: bool,
        images: Sequence[str] = (),
        cores: int = 1,
        memory: int = 0,
        default_memory: int = 0,
        default_pids: int = 0,
        parent: QWidget | None = None,
    ) -> None:
        """`images` are what the engine has, `memory` is in bytes.

        The defaults are what a container gets if nothing is set; 0 for no limit.
        """
        super().__init__(tr("Limits of each instance"), parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._limits = limits
        self.memory = QSpinBox()
        self.memory.setRange(0, max(memory // MEGABYTE, limits.memory_limit // MEGABYTE))
        self.memory.setSingleStep(MEMORY_STEP)
        self.memory.setGroupSeparatorShown(True)
        self.memory.setSuffix(tr(" MB"))
        self.memory.setSpecialValueText(
            tr("Automatic ({limit})", limit=size(default_memory))
            if default_memory
            else tr("No limit")
        )
        self.memory.setValue(limits.memory_limit // MEGABYTE)
        self.cpu = QDoubleSpinBox()
        self.cpu.setDecimals(1)
        self.cpu.setRange(0, max(float(cores), limits.cpu_limit))
        self.cpu.setSingleStep(0.5)
        self.cpu.setSpecialValueText(tr("No limit"))
        self.cpu.setValue(limits.cpu_limit)
        self.threads = QSpinBox()
        self.threads.setRange(0, max(2 * cores, limits.threads))
        self.threads.setSpecialValueText(tr("Automatic"))
        self.threads.setValue(limits.threads)
        self.pids = QSpinBox()
        self.pids.setRange(0, max(MAX_SHOWN_PIDS, limits.pids_limit))
        self.pids.setSingleStep(PIDS_STEP)
        self.pids.setGroupSeparatorShown(True)
        self.pids.setSpecialValueText(
            tr("Automatic ({limit})", limit=count(default_pids)) if default_pids else tr("No limit")
        )
        self.pids.setValue(limits.pids_limit)
        self.sleep = QSpinBox()
        self.sleep.setRange(0, max(MAX_SHOWN_SLEEP, round(limits.sleep_after / MINUTE)))
        self.sleep.setGroupSeparatorShown(True)
        self.sleep.setSuffix(tr(" min without a photo"))
        self.sleep.setSpecialValueText(tr("Never"))
        # One second is more than nothing.
        self.sleep.setValue(-(-limits.sleep_after // MINUTE))
        self.image = _image_box(images, limits.image)
        self.tcp = QCheckBox(tr("Let other users of this machine use the instances (TCP)"))
        self.tcp.setChecked(limits.tcp)
        self.tcp_meaning = PlainLabel(TCP_MEANING, "small", wrap=True)

        form = QFormLayout()
        form.setHorizontalSpacing(theme.XL)
        form.setVerticalSpacing(theme.M)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for title, field, shown in (
            (tr("Memory"), self.memory, True),
            (tr("Processor cores"), self.cpu, in_containers),
            (tr("Threads"), self.threads, True),
            (tr("Processes and threads"), self.pids, in_containers),
            (tr("Give memory back after"), self.sleep, not in_containers),
            (tr("Image"), self.image, in_containers),
        ):
            field.setAccessibleName(title)
            field.setMinimumWidth(240)
            if isinstance(field, QAbstractSpinBox):
                field.lineEdit().setTextMargins(theme.S, 0, 0, 0)
            form.addRow(title, field)
            form.labelForField(field).setMinimumHeight(theme.CONTROL_HEIGHT)
            form.setRowVisible(field, shown)

        for widget in (self.tcp, self.tcp_meaning):
            form.addRow(widget)
            form.setRowVisible(widget, not in_containers)

        explanation = PlainLabel(
            tr(
                "A change is rolled out one instance at a time: each new one is"
                " ready before an old one stops. Threads are divided among the"
                " instances unless you set them. Memory, and processes and"
                " threads, are limited so that a faulty model cannot take the"
                " machine."
            )
            if in_containers
            else tr(
                "A change is rolled out one instance at a time. Processor"
                " cores and the image can be set if instances run in"
                " containers."
            ),
            "muted",
            wrap=True,
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.apply = buttons.addButton(tr("Apply"), QDialogButtonBox.ButtonRole.AcceptRole)
        theme.set_role(self.apply, "primary")
        buttons.accepted.connect(self._apply)
        buttons.rejected.connect(self.reject)
        build.column(
            explanation,
            form,
            buttons,
            parent=self,
            spacing=theme.L,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self.setMinimumWidth(460)
        self.apply.setDefault(True)

    def selected_limits(self) -> InstanceLimits:
        """The limits that the controls show now."""
        memory = self.memory.value()
        return replace(
            self._limits,
            threads=self.threads.value(),
            memory_limit=max(memory, MIN_MEMORY) * MEGABYTE if memory else 0,
            cpu_limit=self.cpu.value(),
            image=self.image.currentData() or "",
            pids_limit=max(self.pids.value(), MIN_PIDS) if self.pids.value() else 0,
            tcp=self.tcp.isChecked(),
            sleep_after=self._sleep_after(),
        )

    def _sleep_after(self) -> int:
        """Return the seconds, those that were set by hand unless the minutes were changed."""
        before = self._limits.sleep_after
        minutes = self.sleep.value()
        return before if minutes == -(-before // MINUTE) else minutes * MINUTE

    def _apply(self) -> None:
        if self.selected_limits() != self._limits:
            self.limits_requested.emit(self.selected_limits())
        self.accept()


def _image_box(images: Sequence[str], selected: str) -> ComboBox:
    box = ComboBox()
    box.add(tr("Automatic"), "")
    for name in dict.fromkeys([*images, *([selected] if selected else [])]):
        box.add(name, name)
    box.setCurrentIndex(max(0, box.findData(selected)))
    return box
