"""The desktop's database as version 0.1.0 wrote it opens and loses nothing."""

from __future__ import annotations

from pathlib import Path

from desktop.classify.history import History
from desktop.classify.photo import Photo, PhotoFailure
from desktop.learn.outbox_store import OutboxStore, RefusedLabel
from serving.predict.prediction import Prediction, Score
from serving.workspace import Workspace
from tests.support.former_workspace import OUTBOX_CLASS, write_desktop_database
from tests.support.sample_images import drawing


async def test_photos_and_labels_are_all_there(workspace: Workspace) -> None:
    write_desktop_database(workspace)
    async with History(workspace.desktop_database) as history:
        photos = await history.photos()
    assert photos == [
        Photo(
            Path("/photos/cat.jpg"),
            "cat.jpg",
            1.0,
            prediction=Prediction("starter", 2, (Score("cat", 0.9),), "a1b2", 12.5),
            labels={"starter": "tabby"},
            waiting=False,
        ),
        Photo(
            Path("/photos/dog.jpg"),
            "dog.jpg",
            2.0,
            failure=PhotoFailure("The fleet is stopped.", "Start an instance.", transient=True),
            waiting=False,
        ),
        Photo(Path("/photos/new.jpg"), "new.jpg", 3.0, waiting=True),
    ]
    store = OutboxStore(workspace.desktop_database)
    await store.database.open()
    try:
        (pending,) = await store.pending()
        assert (pending.key, pending.statement.class_name) == ("k1", OUTBOX_CLASS)
        assert await store.begin("k1") == drawing(OUTBOX_CLASS, "waiting")
        assert await store.refused() == (RefusedLabel("k2", "otter", "Too large."),)
    finally:
        await store.database.close()
