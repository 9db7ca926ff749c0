"""Connects labelling on the Learn page, and the labels that the Classify page shows."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from backend.client import BackendClient
from backend.contract import Label
from desktop.classify.shown_labels import ShownLabels
from desktop.learn.labelling.answer import Answer
from desktop.learn.labelling.desk import LabellingDesk
from desktop.learn.labelling.presenter import LabellingPresenter
from desktop.learn.labelling.sender import GivenAnswer, Sender
from desktop.learn.outbox import Outbox, QueuedLabel
from desktop.learn.outbox_store import LabelStatement
from desktop.learn.page import LearnPage

if TYPE_CHECKING:
    from desktop.app import App


async def start_labelling(
    app: App, stack: AsyncExitStack, page: LearnPage, backend: BackendClient, outbox: Outbox
) -> LabellingPresenter[QueuedLabel]:
    """Build what takes labels on the Learn page; those it has taken are stored before it ends."""

    async def store(images: Sequence[str], answer: Answer, model: str) -> QueuedLabel:
        said = LabelStatement(answer.class_name, model, answer.kind, answer.settles)
        return await outbox.submit_known(images, said)

    def on_failed(given: GivenAnswer[QueuedLabel], error: Exception) -> None:
        app.notifications.error(error)
        desk.give_up(given)

    async def labels_of(image: str, model: str) -> Sequence[Label]:
        return await backend.labels_of(image, model or None)

    sender = Sender(store, outbox.undo, on_failed)
    desk = LabellingDesk(sender, backend, _user_name(), app.classify.card)
    await stack.enter_async_context(sender.running())
    shown = ShownLabels(
        app.classify_page, labels_of, app.jobs, all_delivered=lambda: not outbox.view.pending
    )
    presenter = LabellingPresenter(
        page, desk, backend, app.jobs, app.notifications, on_labels=shown.refresh
    )
    app.on_label = desk.answered_elsewhere
    app.classify.undo_earlier = presenter.undo_earlier
    return presenter


def _user_name() -> str:
    """Return the name under which the backend has labels of this user."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user without a name
        return ""
