"""A label is never lost, never stored twice, and can be taken back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from backend.client import BackendRefused
from backend.contract import BatchLabel, Label, LabelAction, LabelKind
from desktop.learn.outbox import Outbox, OutboxView
from desktop.learn.outbox_store import LabelNotSaved, LabelStatement
from serving.errors import BackendError
from tests.support.waiting import TIMEOUT_SECONDS, wait_for_view

JPEG = b"\xff\xd8 one photo"
OTHER = b"\xff\xd8 another photo"


async def wait_until_empty(outbox: Outbox) -> None:
    """Wait until nothing is pending or refused."""
    await wait_for_view(outbox, lambda view: view == OutboxView())


class Receiver:
    """Stores labels by key, as the backend does; can be away, slow or unwilling."""

    def __init__(self) -> None:
        self.stored: dict[str, Label] = {}
        self.calls: list[str] = []
        self.models: list[str | None] = []
        self.said: list[tuple[object, ...]] = []
        self.batches: dict[str, BatchLabel] = {}
        self.removed: list[int] = []
        self.away = False
        self.status = 422
        self.drops_answers = 0
        self.refuses: set[str] = set()
        self.defects: set[str] = set()
        """Classes whose labels make it fail in a way that nothing foresees."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def label(
        self,
        image: bytes | str,
        class_name: str = "",
        *,
        kind: LabelKind = LabelKind.CLASS,
        by: str = "",
        settles: bool = False,
        batch: str | None = None,
        model: str | None = None,
        key: str | None = None,
        said_at: str = "",
    ) -> Label:
        assert said_at
        self.calls.append(class_name)
        self.models.append(model)
        self.said.append((image, class_name, kind, settles, batch, by))
        self.asked.set()
        if self.away:
            raise BackendError("The backend does not answer.", "It is tried again.")
        if class_name in self.refuses:
            raise BackendRefused(self.status, "The image is damaged.", "Choose another file.")
        if class_name in self.defects:
            raise KeyError(class_name)
        label = self.stored.setdefault(
            key or "", Label(len(self.stored) + 1, str(image), class_name, "now")
        )
        await self.gate.wait()
        if self.drops_answers:
            self.drops_answers -= 1
            raise BackendError("The connection broke.", "It is tried again.")
        return label

    async def label_batch(self, batch: BatchLabel, *, key: str | None = None) -> LabelAction:
        self.calls.append(batch.class_name)
        self.asked.set()
        if self.away:
            raise BackendError("The backend does not answer.", "It is tried again.")
        self.batches.setdefault(key or "", batch)
        if self.drops_answers:
            self.drops_answers -= 1
            raise BackendError("The connection broke.", "It is tried again.")
        number = 100 + list(self.batches).index(key or "")
        return LabelAction(number, "now", "", batch.class_name, batch.kind, batch.images)

    async def undo_action(self, action: int) -> LabelAction:
        await self.undo_label(action)
        return LabelAction(action, "now", "", "", LabelKind.CLASS, undone=True)

    async def undo_label(self, label_id: int) -> None:
        if self.away:
            raise BackendError("The backend does not answer.", "It is tried again.")
        self.removed.append(label_id)

    @property
    def classes(self) -> list[str]:
        return [label.class_name for label in self.stored.values()]


@asynccontextmanager
async def entered(path: Path, receiver: Receiver) -> AsyncIterator[Outbox]:
    async with Outbox(path, receiver, initial_backoff=0.02, max_backoff=0.05) as outbox:
        yield outbox


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "desktop.sqlite"


async def test_a_label_reaches_the_backend_and_leaves_the_outbox(database: Path) -> None:
    receiver = Receiver()
    views: list[OutboxView] = []
    async with entered(database, receiver) as outbox:
        outbox.subscribe(views.append)
        await outbox.submit(JPEG, "panda")
        await wait_until_empty(outbox)
    assert receiver.classes == ["panda"]
    assert views[0].pending == 1


async def test_a_label_goes_to_the_model_that_it_was_given_for(database: Path) -> None:
    receiver = Receiver()
    receiver.away = True
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "panda", "animals")
        await outbox.submit(OTHER, "panda")
    receiver.away = False
    receiver.models.clear()
    async with entered(database, receiver) as outbox:
        await wait_until_empty(outbox)
    assert receiver.models == ["animals", None]


async def test_a_label_is_on_disk_when_submit_returns(database: Path) -> None:
    receiver = Receiver()
    receiver.gate.clear()
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "panda")
        with sqlite3.connect(database) as reader:
            rows = reader.execute("SELECT class_name, jpeg FROM outbox").fetchall()
        reader.close()
    assert rows == [("panda", JPEG)]


async def test_the_database_syncs_every_write_to_the_disk(database: Path) -> None:
    async with entered(database, Receiver()) as outbox:
        (mode,) = await outbox._store.database.execute("PRAGMA journal_mode")
        (synchronous,) = await outbox._store.database.execute("PRAGMA synchronous")
    assert (mode[0], synchronous[0]) == ("wal", 2)


async def test_labels_wait_while_the_backend_is_away_and_follow_when_it_is_back(
    database: Path,
) -> None:
    receiver = Receiver()
    receiver.away = True
    async with entered(database, receiver) as outbox:
        for name in ("one", "two", "three"):
            await outbox.submit(name.encode(), name)
        view = await wait_for_view(outbox, lambda view: bool(view.problem) and view.pending == 3)
        assert view.problem == "The backend does not answer. It is tried again."
        receiver.away = False
        await wait_until_empty(outbox)
    assert sorted(receiver.classes) == ["one", "three", "two"]


async def test_a_defect_in_sending_a_label_holds_up_no_other(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()
    receiver.defects.add("odd")
    async with entered(database, receiver) as outbox:
        await outbox.submit(b"odd", "odd")
        await outbox.submit(b"next", "next")
        view = await wait_for_view(outbox, lambda view: bool(view.problem) and view.pending == 1)
        assert view.problem == "Something went wrong inside Servery. The log says what."
        assert receiver.classes == ["next"]
        receiver.defects.clear()
        await wait_until_empty(outbox)
    assert "A label could not be delivered" in caplog.text


async def test_labels_survive_the_end_of_the_application(database: Path) -> None:
    receiver = Receiver()
    receiver.away = True
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "panda")
    receiver.away = False
    async with entered(database, receiver) as outbox:
        await wait_until_empty(outbox)
    assert receiver.classes == ["panda"]


async def test_a_lost_response_does_not_store_the_label_twice(database: Path) -> None:
    receiver = Receiver()
    receiver.drops_answers = 2
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "panda")
        await wait_until_empty(outbox)
    assert receiver.calls == ["panda"] * 3
    assert receiver.classes == ["panda"]


async def test_a_refused_label_is_set_aside_with_the_reason_and_the_rest_is_sent(
    database: Path,
) -> None:
    receiver = Receiver()
    receiver.refuses.add("broken")
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "broken")
        await outbox.submit(OTHER, "panda")
        await wait_for_view(outbox, lambda view: not view.pending)
        (refused,) = outbox.view.refused
        assert (refused.class_name, refused.reason) == (
            "broken",
            "The image is damaged. Choose another file.",
        )
        assert receiver.classes == ["panda"]
        receiver.refuses.clear()
        await outbox.retry_refused()
        await wait_until_empty(outbox)
    assert receiver.classes == ["panda", "broken"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_transient_error_is_retried(database: Path, status: int) -> None:
    receiver = Receiver()
    receiver.status = status
    receiver.refuses.add("panda")
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "panda")
        view = await wait_for_view(outbox, lambda view: bool(view.problem))
        assert view.refused == ()
        receiver.refuses.clear()
        await wait_until_empty(outbox)
    assert receiver.classes == ["panda"]


async def test_refused_labels_can_be_discarded(database: Path) -> None:
    receiver = Receiver()
    receiver.refuses.add("broken")
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "broken")
        await wait_for_view(outbox, lambda view: bool(view.refused))
        await outbox.discard_refused()
        assert outbox.view == OutboxView()


async def test_undoing_a_label_that_was_never_sent_forgets_it(database: Path) -> None:
    receiver = Receiver()
    receiver.gate.clear()
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "first")
        await receiver.asked.wait()
        second = await outbox.submit(OTHER, "second")
        await outbox.undo(second)
        receiver.gate.set()
        await wait_until_empty(outbox)
    assert receiver.calls == ["first"]
    assert receiver.removed == []


async def test_undoing_a_label_on_its_way_removes_it_once_the_backend_has_it(
    database: Path,
) -> None:
    receiver = Receiver()
    receiver.gate.clear()
    async with entered(database, receiver) as outbox:
        label = await outbox.submit(JPEG, "panda")
        await receiver.asked.wait()
        await outbox.undo(label)
        assert outbox.view.pending == 1
        receiver.gate.set()
        await wait_until_empty(outbox)
    assert receiver.removed == [1]


async def test_undoing_an_acknowledged_label_waits_for_the_backend_too(database: Path) -> None:
    receiver = Receiver()
    async with entered(database, receiver) as outbox:
        label = await outbox.submit(JPEG, "panda")
        await wait_until_empty(outbox)
        receiver.away = True
        await outbox.undo(label)
        assert outbox.view.pending == 1
    receiver.away = False
    async with entered(database, receiver) as outbox:
        await wait_until_empty(outbox)
    assert receiver.removed == [1]


async def test_undoing_twice_removes_once(database: Path) -> None:
    receiver = Receiver()
    async with entered(database, receiver) as outbox:
        label = await outbox.submit(JPEG, "panda")
        await wait_until_empty(outbox)
        await outbox.undo(label)
        await outbox.undo(label)
        await wait_until_empty(outbox)
    assert receiver.removed == [1]


async def test_labels_of_one_image_keep_their_order_through_failures(database: Path) -> None:
    receiver = Receiver()
    receiver.drops_answers = 1
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, "wrong")
        await outbox.submit(JPEG, "right")
        await outbox.submit(OTHER, "other")
        await wait_until_empty(outbox)
    order = receiver.classes
    assert order.index("wrong") < order.index("right")
    assert sorted(order) == ["other", "right", "wrong"]


async def test_what_is_not_a_class_and_what_settles_survive_the_end_of_the_application(
    database: Path,
) -> None:
    receiver = Receiver()
    receiver.away = True
    async with entered(database, receiver) as outbox:
        await outbox.submit(JPEG, None, batch="dropped together")
        await outbox.submit_known(
            ["ab"], LabelStatement("panda", "animals", settles=True, by="Ann")
        )
        await outbox.submit_known(["cd"], LabelStatement("", kind=LabelKind.SKIP))
    receiver.away = False
    receiver.said.clear()
    async with entered(database, receiver) as outbox:
        await wait_until_empty(outbox)
    assert receiver.said == [
        (JPEG, "", LabelKind.NONE, False, "dropped together", ""),
        ("ab", "panda", LabelKind.CLASS, True, None, "Ann"),
        ("cd", "", LabelKind.SKIP, False, None, ""),
    ]


async def test_one_label_for_many_photos_is_sent_once_and_undone_at_once(database: Path) -> None:
    receiver = Receiver()
    receiver.drops_answers = 2
    async with entered(database, receiver) as outbox:
        label = await outbox.submit_known(["ab", "cd"], LabelStatement("panda", "animals"))
        await wait_until_empty(outbox)
        await outbox.undo(label)
        await wait_until_empty(outbox)
    assert receiver.calls == ["panda"] * 3
    (batch,) = receiver.batches.values()
    assert batch.said_at
    assert replace(batch, said_at="") == BatchLabel(
        ["ab", "cd"], "panda", LabelKind.CLASS, model="animals"
    )
    assert receiver.removed == [100]


async def test_many_photos_wait_for_what_was_said_of_one_of_them_before(database: Path) -> None:
    receiver = Receiver()
    receiver.drops_answers = 1
    async with entered(database, receiver) as outbox:
        await outbox.submit_known(["cd"], LabelStatement("wrong"))
        await outbox.submit_known(["ab", "cd"], LabelStatement("right"))
        await outbox.submit_known(["ef"], LabelStatement("other"))
        await wait_until_empty(outbox)
    calls = receiver.calls
    assert calls.index("right") > [at for at, name in enumerate(calls) if name == "wrong"][-1]


@pytest.mark.parametrize("turns", range(5))
async def test_it_closes_even_just_after_it_was_woken(database: Path, turns: int) -> None:
    receiver = Receiver()
    receiver.away = True
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),
        Outbox(database, receiver, initial_backoff=3600) as outbox,
    ):
        await outbox.submit(JPEG, "panda")
        await wait_for_view(outbox, lambda view: bool(view.problem))
        outbox.retry_now()
        for _ in range(turns):
            await asyncio.sleep(0)


async def test_a_disk_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with entered(tmp_path / "file" / "desktop.sqlite", Receiver()) as outbox:
        with pytest.raises(LabelNotSaved, match="could not be written"):
            await outbox.submit(b"jpeg", "cat")
        assert "could not be written" in outbox.view.problem
        (tmp_path / "file").unlink()
        await outbox.submit(b"jpeg", "cat")
        outbox.retry_now()
        await wait_for_view(outbox, lambda view: not view.pending and not view.problem)


async def test_what_an_earlier_version_left_on_disk_is_delivered(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.executescript("""
            CREATE TABLE outbox (
                position INTEGER PRIMARY KEY AUTOINCREMENT,
                key TEXT NOT NULL UNIQUE,
                image TEXT NOT NULL,
                jpeg BLOB NOT NULL,
                class_name TEXT NOT NULL,
                created TEXT NOT NULL,
                sent INTEGER NOT NULL DEFAULT 0,
                withdrawn INTEGER NOT NULL DEFAULT 0,
                label_id INTEGER,
                refusal TEXT NOT NULL DEFAULT ''
            );
            INSERT INTO outbox VALUES
                (1, 'k1', 'i1', x'ffd801', 'panda', '2026-01-01T00:00:00+00:00', 0, 0, NULL, ''),
                (2, 'k2', 'i2', x'ffd802', 'tiger', '2026-01-01T00:00:00+00:00', 1, 0, NULL, ''),
                (3, 'k3', 'i3', x'', 'lion', '2026-01-01T00:00:00+00:00', 1, 1, 7, ''),
                (4, 'k4', 'i4', x'ffd804', 'bear', '2026-01-01T00:00:00+00:00', 1, 0, NULL, 'No.');
        """)
    connection.close()
    receiver = Receiver()
    async with entered(database, receiver) as outbox:
        view = await wait_for_view(outbox, lambda view: not view.pending)
    assert receiver.classes == ["panda", "tiger"]
    assert receiver.models == [None, None]
    assert receiver.removed == [7]
    assert [(label.class_name, label.reason) for label in view.refused] == [("bear", "No.")]
