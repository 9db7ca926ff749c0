"""Records of instances are not believed: nothing outside the workspace is read or removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from serving.engines.instance_records import (
    InstanceRecord,
    checked_instance_record,
    read_instance_record,
    read_instance_records,
)
from serving.engines.process import ProcessEngine
from serving.errors import EngineError
from serving.state_files import DamagedFile
from serving.workspace import Workspace
from tests.support.damage import DAMAGES, Damage

ID = "instance-0a1b2c"


def write(workspace: Workspace, changes: Mapping[str, Any], name: str = ID) -> Path:
    """Write a record as somebody with bad intentions could."""
    raw = asdict(InstanceRecord(ID, {}, "hash", 1000.0, "x.log", ("python",), process=0))
    path = workspace.instances / f"{name}.json"
    path.write_text(json.dumps({**raw, **changes}))
    return path


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_record_hides_no_other(workspace: Workspace, damage: Damage) -> None:
    write(workspace, {})
    damage(workspace.instances / "instance-bad.json")
    assert [record.id for record in read_instance_records(workspace.instances)] == [ID]
    with pytest.raises(DamagedFile):
        checked_instance_record(workspace.instances, "instance-bad")
    assert [each.id for each in await ProcessEngine(workspace).instances()] == [ID]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_ports_are_none(workspace: Workspace, damage: Damage) -> None:
    write(workspace, {})
    record = read_instance_record(workspace.instances, ID)
    assert record is not None
    damage(record.ports_path(workspace.instances))
    assert record.ports(workspace.instances) == {}


@pytest.mark.parametrize("log", ["{outside}", "../../../outside", "{logs}/backend.log", ""])
async def test_only_its_own_log_is_removed_with_an_instance(
    workspace: Workspace, tmp_path: Path, log: str
) -> None:
    outside, backend_log = tmp_path / "outside", workspace.logs / "backend.log"
    for path in (outside, backend_log):
        path.write_text("precious")
    (workspace.logs / f"{ID}.log").write_text("its own")
    write(workspace, {"log": log.format(outside=outside, logs=workspace.logs)})
    engine = ProcessEngine(workspace)
    assert await engine.logs(ID) == "its own"
    await engine.stop(ID)
    assert await engine.instances() == []
    assert [path.read_text() for path in (outside, backend_log)] == ["precious", "precious"]


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", ".hidden", "a/../../b"])
async def test_an_id_that_is_a_path_names_no_instance(
    workspace: Workspace, tmp_path: Path, name: str
) -> None:
    write(workspace, {"id": name})
    (workspace.instances.parent / "outside.json").write_text(
        (workspace.instances / f"{ID}.json").read_text()
    )
    engine = ProcessEngine(workspace)
    assert await engine.instances() == []
    await engine.stop(name)
    with pytest.raises(EngineError):
        await engine.logs(name)
    assert (workspace.instances.parent / "outside.json").exists()


@pytest.mark.parametrize(
    "changes",
    [{"started": "now"}, {"process": "1"}, {"process": True}, {"command": "rm"}, {"spec": []},
     {"command": [1]}, {"stopping": "yes"}, {"id": None}, {"ended": 3}],
    ids=str,
)  # fmt: skip
def test_a_record_of_the_wrong_types_is_damaged(
    workspace: Workspace, changes: dict[str, Any]
) -> None:
    write(workspace, changes)
    with pytest.raises(DamagedFile):
        checked_instance_record(workspace.instances, ID)
