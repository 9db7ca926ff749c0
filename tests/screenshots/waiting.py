"""Saving a picture once the window shows what it is of."""

from __future__ import annotations

import asyncio
from pathlib import Path

from PySide6.QtWidgets import QWidget

from desktop.app import App
from desktop.learn.labelling.answer_view import AnswerView
from desktop.learn.page import LearnPage
from desktop.translation import tr
from tests.support.waiting import wait_until

_PAINT_SECONDS = 0.7
_LOOKING = (
    tr("Looking for the photos that teach most"),
    tr("Looking for the next photos"),
    tr("Looking for labels that may be wrong"),
    tr("Looking for photos that look alike"),
    tr("Looking for more photos that look alike"),
)
"""What views say until the backend has answered."""


async def save(widget: QWidget, path: Path) -> None:
    """Save what a widget shows, after its pictures have had time to arrive."""
    await asyncio.sleep(_PAINT_SECONDS)
    widget.grab().save(str(path))
    print(path)


async def save_window(app: App, path: Path) -> None:
    """Save the window once every photo in it has been fetched."""
    await asyncio.sleep(0.1)  # for what is to be fetched to be asked for
    await wait_until(lambda: all(job.title != tr("Fetch a photo") for job in app.jobs.running))
    await save(app.window, path)


def all_answered(app: App) -> bool:
    """Whether no photo waits for its classes."""
    return not any(photo.waiting for photo in app.classify_page.gallery.photos)


def is_learning(app: App) -> bool:
    """Whether a training run from labels is followed."""
    return any(job.title == tr("Learn from the labels") for job in app.jobs.running)


def is_looking(learn: LearnPage) -> bool:
    """Whether the view that is shown waits for what the backend finds."""
    shown = learn.tabs.currentWidget()
    return (
        isinstance(shown, AnswerView)
        and not shown.can_answer
        and shown.empty.heading.text() in _LOOKING
    )
