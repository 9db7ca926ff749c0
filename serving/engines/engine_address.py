"""Which container engine a person chose for a workspace: a Docker context, or an address.

It is a file of its own in the workspace, so that every program goes by the same.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.errors import EngineError, storage_error
from serving.files import write_aside
from serving.state_files import DamagedFile, UnreadableFile, read_object
from serving.workspace import Workspace


@dataclass(frozen=True)
class EngineAddress:
    """A choice; without a context and a URL, the first engine that answers here is used."""

    context: str = ""
    """Name of a Docker context."""
    url: str = ""
    """`ssh://…`, `tcp://…` or `unix:///…`; not together with a context."""
    certificates: str = ""
    """Folder with `ca.pem`, `cert.pem` and `key.pem` for a URL with `tcp://`."""

    @property
    def automatic(self) -> bool:
        return not self.context and not self.url

    def __str__(self) -> str:
        return f"the Docker context {self.context}" if self.context else self.url or "automatic"


def read_address(path: Path) -> EngineAddress:
    """Return the choice in a file; raises DamagedFile, and UnreadableFile."""
    raw = read_object(path)
    if raw is None:
        return EngineAddress()
    values = {name: raw.get(name, "") for name in asdict(EngineAddress())}
    if not all(isinstance(value, str) for value in values.values()):
        raise DamagedFile(path, "it does not say which engine is chosen")
    return EngineAddress(**values)


def chosen_address(workspace: Workspace) -> EngineAddress:
    """Return the choice of a workspace; the automatic one if its file cannot be read."""
    with contextlib.suppress(UnreadableFile):
        return read_address(workspace.engine_address)
    return EngineAddress()


def save_address(workspace: Workspace, address: EngineAddress) -> None:
    """Have every program of the workspace use this engine from now on; raises EngineError."""
    path = workspace.engine_address
    try:
        write_aside(path, json.dumps(asdict(address), indent=2) + "\n")
    except OSError as error:
        what = "The choice of the engine could not be saved"
        raise storage_error(error, path, what, EngineError) from error
