"""Where everything of one person is kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

ENVIRONMENT_VARIABLE = "SERVERY_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    """The folder that holds all state of one person, and the names inside it."""

    root: Path

    @classmethod
    def default(cls) -> Workspace:
        """Return `SERVERY_WORKSPACE`, or the platform's data folder."""
        named = os.environ.get(ENVIRONMENT_VARIABLE)
        if named:
            return cls(Path(named).expanduser().resolve())
        return cls(Path(platformdirs.user_data_dir("servery", appauthor=False)))

    def create(self) -> Workspace:
        """Make the folders that are missing; returns itself."""
        for folder in (self.models, self.instances, self.logs, self.images, self.training_runs):
            folder.mkdir(parents=True, exist_ok=True)
        return self

    @property
    def models(self) -> Path:
        """The model repository: `<model>/<version>/`."""
        return self.root / "models"

    @property
    def instances(self) -> Path:
        """Records of the process engine, one for each instance."""
        return self.root / "run" / "instances"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

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
    def backend_database(self) -> Path:
        return self.root / "backend.sqlite"

    @property
    def desktop_database(self) -> Path:
        """History, and labels that the backend has not acknowledged yet."""
        return self.root / "desktop.sqlite"

    @property
    def backend_run_file(self) -> Path:
        """The address and process id of a running backend."""
        return self.root / "run" / "backend.json"

    @property
    def fleet_lock(self) -> Path:
        """Held by a program while it changes the fleet, so that two never plan at once."""
        return self.root / "run" / "fleet.lock"

    @property
    def settings(self) -> Path:
        return self.root / "settings.toml"
