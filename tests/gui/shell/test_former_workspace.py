"""The window opens on a workspace of Servery 0.1, with its photos, its labels and its model."""

from __future__ import annotations

import pytest

from desktop.app import App, Options, run
from desktop.theme import Appearance
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.former_workspace import MODEL, OUTBOX_CLASS, write_former_workspace
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(180)]


def test_it_shows_the_history_and_goes_on_with_its_model(workspace: Workspace) -> None:
    write_former_workspace(workspace)

    async def look(app: App) -> None:
        photos = {photo.name: photo for photo in app.classify_page.gallery.photos}
        assert list(photos) == ["new.jpg", "dog.jpg", "cat.jpg"]
        answer = photos["cat.jpg"].prediction
        assert answer is not None
        assert (photos["cat.jpg"].label, answer.model, answer.version) == ("tabby", MODEL, 2)
        preferences = app.settings.preferences
        assert (preferences.appearance, preferences.unsure_below) == (Appearance.DARK, 0.6)
        fleet = await app.fleet
        await wait_until(lambda: fleet.view.ready == 1)
        assert (fleet.view.model, fleet.view.live_version, fleet.view.desired_count) == (
            MODEL,
            2,
            1,
        )
        # What waited in the outbox reaches the backend, for the model it was meant for.
        outbox = await app.outbox
        await wait_until(lambda: outbox.view.pending == 0)
        assert [label.class_name for label in outbox.view.refused] == ["otter"]
        labels = await (await app.backend).labels()
        assert OUTBOX_CLASS in [row.name for row in labels.classes]

    run(Options(workspace, engine="process"), look)
    assert ModelRepository(workspace.models).models() == [MODEL]
