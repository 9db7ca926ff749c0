"""`servery doctor` finds each kind of damage to each file, repairs it and destroys nothing."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from backend.store.label_writing import Statement
from backend.store.store import Store
from desktop.database_repair import prepare_desktop_database
from serving.access_token import AccessToken
from serving.engines.instance_records import InstanceRecord
from serving.fleet.record import FleetRecord, record_text
from serving.models.canary import CANARY_NAME, Canary
from serving.models.card import CARD_PATH, ModelCard
from serving.models.faults import FAULTS_NAME, ModelFaults
from serving.models.repository import ModelRepository
from serving.models.version_trust import trust_version
from serving.tf.trust import TRUSTED_NAME
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.damage import IN_ITS_PLACE, NO_OBJECT, NO_TEXT, Damage
from tests.support.sample_images import image_bytes
from tests.support.tiny_model import install_tiny

LABELS = 40


@dataclass(frozen=True)
class Doctor:
    """What one run of `servery doctor` printed and returned."""

    code: int
    problems: list[dict[str, object]]
    repaired: list[str]
    not_repaired: list[str]


def doctor(workspace: Workspace, *options: str) -> Doctor:
    finished = CommandLine(workspace.root.parent).run("doctor", "--json", "--no-machine", *options)
    assert "Traceback" not in finished.stderr, finished.stderr
    result = json.loads(finished.stdout)
    return Doctor(
        finished.returncode, result["problems"], result["repaired"], result["not_repaired"]
    )


@pytest.fixture
async def full_workspace(workspace: Workspace) -> Workspace:
    """A workspace with one of every file."""
    repository = ModelRepository(workspace.models)
    install_tiny(repository, "tiny")
    install_tiny(repository, "tiny")
    repository.promote("tiny", 1)
    repository.change_settings("tiny", lambda settings: replace(settings, keep_versions=3))
    repository.refresh_config()
    store = Store(workspace)
    for number in range(LABELS):
        await store.labels.add(
            "tiny",
            image_bytes("red") + bytes([number]),
            Statement(f"class {number}"),
            lambda name: True,
        )
    await store.close()
    with closing(sqlite3.connect(workspace.desktop_database, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        prepare_desktop_database(connection)
        connection.execute(
            "INSERT INTO outbox (key, image, jpeg, class_name, created)"
            " VALUES ('k', 'i', x'00', 'cat', 'now')"
        )
    workspace.fleet_record.parent.mkdir(exist_ok=True)
    workspace.fleet_record.write_text(record_text(FleetRecord(0)))
    workspace.settings.write_text('engine = "process"\n')
    workspace.embeddings.mkdir()
    (workspace.embeddings / "tiny.embeddings").write_bytes(b"servery embeddings 1\n\0\0\0\4")
    InstanceRecord("instance-1", {}, "hash", 1000.0, "", ("python",)).write(workspace.instances)
    (workspace.instances / "instance-1.ports").write_text('{"grpc": 1, "rest": 2}')
    workspace.backend_run_file.write_text('{"pid": 1, "url": "http://127.0.0.1:1"}')
    AccessToken(workspace.token).read_or_make()
    trust_version(repository, "tiny", 1)
    (workspace.models / "tiny" / FAULTS_NAME).write_text(ModelFaults(former=(1,)).to_json())
    ended = Canary(version=2, stable=1, share=0.1, started="").ending(answers=1)
    (workspace.models / "tiny" / CANARY_NAME).write_text(ended.to_json())
    workspace.programs.mkdir()
    (workspace.programs / "1-ab.json").write_text(
        '{"name": "servery serve", "pid": 1, "identity": "", "stops_fleet": false}'
    )
    assert doctor(workspace) == Doctor(0, [], [], [])
    return workspace


def image_path(workspace: Workspace) -> Path:
    return next(workspace.images.glob("*/*.jpg"))


FILES: dict[str, Callable[[Workspace], Path]] = {
    "settings": lambda workspace: workspace.settings,
    "fleet record": lambda workspace: workspace.fleet_record,
    "served models": lambda workspace: workspace.models / "served.json",
    "list for servers": lambda workspace: workspace.models / "serving.config",
    "monitoring": lambda workspace: workspace.models / "monitoring.config",
    "live version": lambda workspace: workspace.models / "tiny" / "serving.config",
    "settings of a model": lambda workspace: workspace.models / "tiny" / "model.json",
    "card": lambda workspace: workspace.models / "tiny" / "1" / CARD_PATH,
    "checksums": lambda workspace: workspace.models / "tiny" / "1/assets.extra/servery.sha256",
    "graph": lambda workspace: workspace.models / "tiny" / "1/saved_model.pb",
    "instance": lambda workspace: workspace.instances / "instance-1.json",
    "ports": lambda workspace: workspace.instances / "instance-1.ports",
    "run file": lambda workspace: workspace.backend_run_file,
    "token": lambda workspace: workspace.token,
    "trusted versions": lambda workspace: workspace.models / TRUSTED_NAME,
    "faults": lambda workspace: workspace.models / "tiny" / FAULTS_NAME,
    "canary": lambda workspace: workspace.models / "tiny" / CANARY_NAME,
    "running program": lambda workspace: workspace.programs / "1-ab.json",
    "backend's database": lambda workspace: workspace.backend_database,
    "desktop's database": lambda workspace: workspace.desktop_database,
    "photo": image_path,
    "embeddings": lambda workspace: workspace.embeddings / "tiny.embeddings",
}
DAMAGES: dict[str, Damage] = {
    **{name: IN_ITS_PLACE[name] for name in ("a folder", "a pipe")},
    **{name: NO_TEXT[name] for name in ("garbage",)},
    **{name: NO_OBJECT[name] for name in ("half of it",)},
}


def some(kinds: Iterable[str], *shown: str) -> list[Any]:
    """Return all kinds, all but `shown` as long ones: what reads a file is tested with each."""
    return [kind if kind in shown else pytest.param(kind, marks=pytest.mark.long) for kind in kinds]


@pytest.mark.slow
@pytest.mark.parametrize("kind", some(DAMAGES, "a folder", "half of it"))
def test_damage_to_every_file_at_once_is_found_and_repaired(
    full_workspace: Workspace, kind: str
) -> None:
    workspace = full_workspace
    # Without its checksums nobody can know that a graph is damaged.
    paths = {name: find(workspace) for name, find in FILES.items() if name != "checksums"}
    for path in paths.values():
        DAMAGES[kind](path)
    found = doctor(workspace)
    assert found.code == 1
    named = {str(problem["path"]) for problem in found.problems}
    version = workspace.models / "tiny" / "1"
    unnamed = {
        name: path
        for name, path in paths.items()
        if str(path) not in named and not (path.is_relative_to(version) and str(version) in named)
    }
    assert not unnamed, found
    mended = doctor(workspace, "--repair")
    assert mended.code == 0, mended
    assert doctor(workspace) == Doctor(0, [], [], [])
    assert len(list(workspace.damaged.iterdir())) >= len(FILES) - 4  # a version is moved whole
    repository = ModelRepository(workspace.models)
    assert repository.served().current == "tiny"
    assert repository.live("tiny").number == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["served models", "live version", "checksums", "photo"])
def test_one_damaged_file_changes_nothing_else(full_workspace: Workspace, name: str) -> None:
    FILES[name](full_workspace).write_bytes(b"\0" * 5000)
    mended = doctor(full_workspace, "--repair")
    assert mended.code == 0, mended
    assert mended.repaired, mended
    repository = ModelRepository(full_workspace.models)
    assert repository.served().current == "tiny"
    assert repository.live("tiny").number == 1


LOCKS = ("run/backend.lock", "run/fleet.lock", "fleet/fleet.lock", "models/.lock")


@pytest.mark.parametrize("kind", some(IN_ITS_PLACE, "a pipe", "a link to a device"))
def test_what_is_in_the_place_of_a_lock_is_moved_away(workspace: Workspace, kind: str) -> None:
    workspace.fleet_record.parent.mkdir()
    (workspace.models / "pets.lock").mkdir()
    for name in LOCKS:
        IN_ITS_PLACE[kind](workspace.root / name)
    found = doctor(workspace)
    assert {problem["path"] for problem in found.problems} == {
        str(workspace.root / name) for name in LOCKS
    }
    assert doctor(workspace, "--repair").code == 0
    assert doctor(workspace) == Doctor(0, [], [], [])
    assert len(list(workspace.damaged.iterdir())) == len(LOCKS)
    assert (workspace.models / "pets.lock").is_dir()


async def test_what_can_be_read_of_the_labels_is_recovered(full_workspace: Workspace) -> None:
    workspace = full_workspace
    with workspace.backend_database.open("r+b") as file:
        file.write(b"\xff" * 100)
    mended = doctor(workspace, "--repair")
    assert mended.code == 0
    assert f"{LABELS} labels" in mended.repaired[0]
    assert "is kept in" in mended.repaired[0]
    store = Store(workspace)
    assert (await store.labels.totals()) == {"tiny": LABELS}
    await store.close()


def test_a_database_that_is_used_is_refused_with_what_to_do(
    full_workspace: Workspace,
) -> None:
    workspace = full_workspace
    with workspace.backend_database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import sys; from pathlib import Path; from serving.database_lock import shared_lock\n"
         "shared_lock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()",
         str(workspace.backend_database)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        refused = doctor(workspace, "--repair")
        assert refused.code == 1
        assert "another program uses it. Close Servery's window" in refused.not_repaired[0]
    finally:
        holder.communicate()
    assert doctor(workspace, "--repair").code == 0


async def test_a_rebuilt_card_has_the_classes_of_the_graph(full_workspace: Workspace) -> None:
    version = ModelRepository(full_workspace.models).version("tiny", 1)
    classes = version.card().classes
    (version.path / CARD_PATH).write_bytes(b"")
    mended = doctor(full_workspace, "--repair")
    assert mended.code == 0, mended
    assert ModelCard.read(version.path).classes == classes
