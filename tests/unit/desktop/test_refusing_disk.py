"""A disk that is full or read-only: a sentence, nothing lost, and it works again afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from backend.client import BackendClient
from desktop.classify.export import export_photos
from desktop.classify.history import History
from desktop.learn.outbox import Outbox
from desktop.repair import check_settings, repair_all
from desktop.settings import Settings
from serving.access_token import AccessToken
from serving.errors import ServeryError
from serving.fleet.record import FleetRecord, RecordFile
from serving.models.card import CARD_PATH
from serving.models.repository import ModelRepository
from serving.models.version_trust import trust_version, withdraw_trust
from serving.repair.fleet import check_fleet_record
from serving.repair.models import check_cards
from serving.repair.problem import find_problems
from serving.workspace import Workspace
from tests.support.predictions import answered_photo
from tests.support.small_disk import small_disk
from tests.support.tiny_model import TINY_MODEL, install_tiny

MANY_BYTES = b"x" * 100_000
"""More than a file has room for that is there already."""


async def write_export(workspace: Workspace) -> None:
    photos = [answered_photo(Path("/a.jpg"), ("cat" * 10_000, 0.9))]
    export_photos(photos, workspace.root / "answers.csv", 0.5)


async def write_settings(workspace: Workspace) -> None:
    settings = Settings(workspace.settings)
    errors: list[ServeryError] = []
    settings.on_error = errors.append
    settings.change(engine="process")
    for error in errors:
        raise error


async def write_history(workspace: Workspace) -> None:
    async with History(workspace.desktop_database) as history:
        before = len(await history.photos())
        name = f"/{before}{'x' * 100_000}.jpg"
        await history.remember([answered_photo(Path(name), ("cat", 0.9))])
        assert len(await history.photos()) == before + 1


async def write_outbox(workspace: Workspace) -> None:
    async with BackendClient("") as none, Outbox(workspace.desktop_database, none) as outbox:
        before = outbox.view.pending
        await outbox.submit(MANY_BYTES, "cat")
        assert outbox.view.pending == before + 1


async def write_token(workspace: Workspace) -> None:
    before = AccessToken(workspace.token).read()
    try:
        AccessToken(workspace.token).renew()
    except ServeryError:
        assert AccessToken(workspace.token).read() == before
        raise


async def write_record(workspace: Workspace) -> None:
    record = RecordFile(workspace.fleet_record, workspace.damaged)
    count = record.read().desired_count + 1
    await record.change(lambda _: FleetRecord(desired_count=count))
    assert record.read().desired_count == count


async def write_live(workspace: Workspace) -> None:
    repository = ModelRepository(workspace.models)
    live = repository.live(TINY_MODEL).number
    try:
        repository.promote(TINY_MODEL, 3 - live)
    except ServeryError:
        assert repository.live(TINY_MODEL).number == live
        raise


async def write_trust(workspace: Workspace) -> None:
    repository = ModelRepository(workspace.models)
    if not withdraw_trust(repository, TINY_MODEL, 1):
        trust_version(repository, TINY_MODEL, 1)


async def repair(workspace: Workspace) -> None:
    """Repair everything at once, as `servery doctor --repair` does."""
    checks = (check_settings, check_fleet_record, check_cards)
    _, failed = repair_all(find_problems(workspace, checks))
    for error in failed:
        raise error
    assert not find_problems(workspace, checks)
    damage(workspace)


def damage(workspace: Workspace) -> None:
    workspace.settings.write_text("?")
    workspace.fleet_record.write_text("?")
    (workspace.models / TINY_MODEL / "1" / CARD_PATH).write_text("?")


WRITERS: list[Callable[[Workspace], Awaitable[None]]] = [
    write_export,
    write_settings,
    write_history,
    write_outbox,
    write_token,
    write_record,
    write_live,
    write_trust,
    repair,
]


@pytest.mark.parametrize("is_first", [True, False], ids=["the first", "another"])
@pytest.mark.parametrize(
    ("state", "why"), [("full", "the disk is full"), ("read-only", "the disk can only be read")]
)
@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
async def test_what_a_disk_refuses_is_a_sentence_and_works_afterwards(
    tmp_path: Path,
    write: Callable[[Workspace], Awaitable[None]],
    state: str,
    why: str,
    is_first: bool,
) -> None:
    with small_disk(tmp_path / "disk", 2**23) as disk:
        workspace = Workspace(disk.folder / "workspace").create()
        repository = ModelRepository(workspace.models)
        for _ in range(2):
            install_tiny(repository)
        if write is repair:
            workspace.fleet_record.parent.mkdir()
            damage(workspace)
        if not is_first:
            await write(workspace)
        if state == "full":
            disk.fill()
        with nullcontext() if state == "full" else disk.read_only():
            for _ in range(2):
                with pytest.raises(ServeryError) as refused:
                    await write(workspace)
                assert why in str(refused.value)
                assert "Make " in refused.value.advice
        disk.make_room()
        await write(workspace)
        left = [path for path in disk.folder.rglob(".*") if path.is_file()]
        assert not [path for path in left if not path.name.endswith("lock")]
