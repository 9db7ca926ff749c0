"""What programs write while a fleet runs: its record, its instances, the backend's address."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from serving.access_token import read_token
from serving.engines.engine_address import read_address
from serving.engines.instance_records import (
    checked_instance_record,
    read_instance_records,
    read_ports,
)
from serving.files import write_aside
from serving.fleet.record import FleetRecord, read_record, record_text
from serving.named_tokens import read_tokens
from serving.repair.problem import (
    Reader,
    WorkspaceProblem,
    damage,
    lock,
    move_aside,
    open_or_move_aside,
    readable_again,
)
from serving.state_files import UnreadableFile, read_object
from serving.workspace import Workspace


def check_fleet_record(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    yield from damage(workspace.fleet_record, read_record, partial(_repair_fleet_record, workspace))


def check_instances(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each damaged record or ports file of an instance."""
    folder = workspace.instances
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.json")):
        if not path.name.startswith("."):
            read = partial(_read_instance, folder)
            yield from damage(path, read, partial(_forget_instance, workspace, path, read))
    for path in sorted(folder.glob("*.ports")):
        if not path.name.startswith("."):
            yield from damage(
                path, read_ports, partial(_forget_instance, workspace, path, read_ports)
            )


def check_backend_run_file(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    path = workspace.backend_run_file
    yield from damage(path, read_object, partial(move_aside, path, workspace))


def check_token(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    path = workspace.token
    consequence = "A new token is made when one is needed."
    repair = partial(open_or_move_aside, path, read_token, workspace, consequence)
    yield from damage(path, read_token, repair)


def check_named_tokens(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    path = workspace.named_tokens
    consequence = "Make the tokens that others use again, with `servery token new`."
    repair = partial(open_or_move_aside, path, read_tokens, workspace, consequence)
    yield from damage(path, read_tokens, repair)


def check_engine_address(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    path = workspace.engine_address
    consequence = "The engine is chosen automatically again."
    yield from damage(
        path, read_address, partial(open_or_move_aside, path, read_address, workspace, consequence)
    )


def _repair_fleet_record(workspace: Workspace) -> str:
    path = workspace.fleet_record
    with lock(path.with_suffix(".lock")):
        if opened := readable_again(path, read_record):
            return opened
        try:
            read_record(path)
            return f"{path} is as it should be."
        except UnreadableFile:
            done = move_aside(path, workspace)
        count = len(read_instance_records(workspace.instances))
        if not count:
            return f"{done} Start as many instances as you like."
        write_aside(path, record_text(FleetRecord(count)))
        return f"{done} The fleet goes on with the {count} instances that there are."


def _read_instance(folder: Path, path: Path) -> object:
    return checked_instance_record(folder, path.stem)


def _forget_instance(workspace: Workspace, path: Path, read: Reader) -> str:
    """Move what is kept of an instance aside, upon which its server ends and another starts."""
    with lock(workspace.fleet_lock):
        if opened := readable_again(path, read):
            return opened
        done = [move_aside(path, workspace)]
        # A server ends by itself once its ports file is gone.
        ports = path.with_suffix(".ports")
        if path.suffix == ".json" and ports.exists():
            done.append(move_aside(ports, workspace))
        done.append(f"Instance {path.stem} ends, and the fleet starts another one.")
        return " ".join(done)
