"""Where everything of one person is kept."""

from __future__ import annotations

import errno
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from serving.errors import ServeryError, storage_error
from serving.private import (
    access_warnings,
    check_owner,
    is_open_to_others,
    make_private_folder,
    restrict_access,
)

log = logging.getLogger(__name__)

ENVIRONMENT_VARIABLE = "SERVERY_WORKSPACE"
DAMAGED_NAME = "damaged"

_FOLDERS = frozenset(
    {
        "models",
        "run",
        "logs",
        "images",
        "training",
        "fleet",
        "pasted",
        "moves",
        "thumbnails",
        "downloads",
        "likeness",
        DAMAGED_NAME,
    }
)
_FILES = frozenset({"backend", "desktop", "engine", "settings", "token", "tokens"})
"""The names, up to the first dot, of the files directly in a workspace."""


class WorkspaceError(ServeryError):
    """The folder of all state, or one in it, cannot be made."""


@dataclass(frozen=True)
class Workspace:
    """The folder that holds all state of one person, and the names inside it."""

    root: Path

    @classmethod
    def named(cls, path: Path) -> Workspace:
        """Return the workspace that a person named, by whatever links, `..` and `~user`.

        Raises WorkspaceError if nothing can have this name.
        """
        try:
            root = path.expanduser().resolve()
            _refuse_loop(root)
        except (RuntimeError, OSError, ValueError) as error:  # no such user, a loop of links
            raise WorkspaceError(
                f"The workspace {path} cannot be used: {str(error).rstrip('.')}.",
                "Name another folder.",
            ) from error
        if not _is_text(root):
            # Its path is handed on in JSON and in databases.
            raise WorkspaceError(
                f"The workspace {root} cannot be used: its name is not text in UTF-8.",
                "Choose another name, or another folder.",
            )
        return cls(root)

    @classmethod
    def default(cls) -> Workspace:
        """Return `SERVERY_WORKSPACE`, or the platform's data folder; raises WorkspaceError."""
        if named := os.environ.get(ENVIRONMENT_VARIABLE):
            return cls.named(Path(named))
        try:
            folder = platformdirs.user_data_dir("servery", appauthor=False)
        except RuntimeError as error:
            raise WorkspaceError(
                "There is no folder to keep the workspace in: this user has no home.",
                f"Name one with --workspace, or set {ENVIRONMENT_VARIABLE} or HOME.",
            ) from error
        return cls.named(Path(folder))

    def create(self) -> Workspace:
        """Make the folders that are missing, for the person alone; returns itself.

        One that other users could read, as Servery 0.1 made it, is closed to them. What of
        that is not possible is logged. Raises ForeignFolder if it is another user's,
        and WorkspaceError if the disk refuses a folder.
        """
        try:
            make_private_folder(self.root)
            check_owner(self.root)
            if is_open_to_others(self.root):
                self.restrict_access()
            folders = (self.models, self.run, self.instances, self.logs, self.images)
            for folder in (*folders, self.training_runs):
                make_private_folder(folder)
        except OSError as error:
            what = f"The workspace {self.root} cannot be used"
            folder = Path(str(error.filename or self.root))
            raise storage_error(error, folder, what, WorkspaceError) from error
        return self

    def restrict_access(self) -> None:
        """Close the workspace and what Servery keeps in it to other users; log what stays open.

        It takes a second for 100,000 files.
        """
        if self.root.stat().st_mode & 0o022:
            log.warning(
                "Until now other users could change what is in %s. A model is a program: delete "
                "models that you do not know.",
                self.root,
            )
        for sentence in (
            *access_warnings(self.root),
            *restrict_access(self.root, (self.models, self.images), _is_ours),
        ):
            log.warning("%s", sentence)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder that must be one, the outer ones first."""
        return (
            self.root,
            self.models,
            self.instances.parent,
            self.instances,
            self.sockets,
            self.programs,
            self.fleet_record.parent,
            self.logs,
            self.images,
            self.training_runs,
            self.embeddings,
            self.downloads,
            self.likeness,
            self.thumbnails,
            self.damaged,
        )

    @property
    def models(self) -> Path:
        """The model repository: `<model>/<version>/`."""
        return self.root / "models"

    @property
    def run(self) -> Path:
        """What tells programs of each other while they run."""
        return self.root / "run"

    @property
    def instances(self) -> Path:
        """Records of the process engine, one for each instance."""
        return self.run / "instances"

    @property
    def programs(self) -> Path:
        """An entry for each window and `servery serve` that runs."""
        return self.run / "programs"

    @property
    def sockets(self) -> Path:
        """UNIX sockets of instances, unless its path is too long for that."""
        return self.run / "sockets"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def model_images(self) -> Path:
        """A record and a log for each container image that was made of a model."""
        return self.logs / "model-images"

    @property
    def images(self) -> Path:
        """Labelled images by content hash, owned by the backend."""
        return self.root / "images"

    @property
    def training_runs(self) -> Path:
        """A folder for each training run, owned by the backend."""
        return self.root / "training"

    @property
    def embeddings(self) -> Path:
        """What backbones saw in labelled photos, kept from training run to training run."""
        return self.training_runs / "embeddings"

    @property
    def thumbnails(self) -> Path:
        """Small pictures of photos in the gallery that take long to decode."""
        return self.root / "thumbnails"

    @property
    def likeness(self) -> Path:
        """What backbones saw in the photos of the gallery, by which the window compares them."""
        return self.root / "likeness"

    @property
    def downloads(self) -> Path:
        """Weights that are being downloaded, until a model has them."""
        return self.root / "downloads"

    @property
    def backend_database(self) -> Path:
        return self.root / "backend.sqlite"

    @property
    def desktop_database(self) -> Path:
        """History, and labels that the backend has not acknowledged yet."""
        return self.root / "desktop.sqlite"

    @property
    def backend_run_file(self) -> Path:
        """The address and process id of a running backend."""
        return self.run / "backend.json"

    @property
    def fleet_lock(self) -> Path:
        """Held by a program while it changes the fleet, so that two never plan at once."""
        return self.run / "fleet.lock"

    @property
    def token(self) -> Path:
        """What lets in callers over HTTP that are not known to be the person."""
        return self.root / "token"

    @property
    def webhooks(self) -> Path:
        """Which URLs are notified of what happens, with their secrets."""
        return self.root / "webhooks.json"

    @property
    def webhook_messages(self) -> Path:
        """What is still to be sent to them, in a file for each backend."""
        return self.root / "webhook-messages"

    @property
    def named_tokens(self) -> Path:
        """What is kept of the tokens that the person gave to others."""
        return self.root / "tokens.json"

    @property
    def fleet_record(self) -> Path:
        """What the fleet should be, for every program to read."""
        return self.root / "fleet" / "fleet.json"

    @property
    def damaged(self) -> Path:
        """Damaged files that were moved out of the way."""
        return self.root / DAMAGED_NAME

    @property
    def engine_address(self) -> Path:
        """Which container engine a person chose."""
        return self.root / "engine.json"

    @property
    def settings(self) -> Path:
        return self.root / "settings.toml"


def _is_ours(name: str) -> bool:
    """Say whether Servery keeps something under this name, or writes it aside there."""
    plain = name.removeprefix(".")
    return plain in _FOLDERS or plain.split(".")[0] in _FILES


def _refuse_loop(path: Path) -> None:
    """Raise RuntimeError for a loop of links, which `resolve` does before Python 3.13 alone."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise RuntimeError(f"Symlink loop from {str(path)!r}") from error


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
