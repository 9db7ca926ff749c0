"""The model repository: numbered, immutable versions in a folder per model.

    <root>/<model>/<version>/saved_model.pb, assets.extra/servery.json, ...
    <root>/<model>/serving.config             which version the fleet serves
    <root>/<model>/monitoring.config          that its servers count requests

`serving.config` is a `ModelServerConfig` in text form, the file that
`tensorflow_model_server --model_config_file` polls, so promoting is one atomic
write that every instance of every engine sees. It pins the live version with
`specific`: a new version is loaded before the old one goes, and rolling back is
the same act with an older number.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from serving.errors import ModelError
from serving.files import write_aside
from serving.models.card import ModelCard
from serving.tf.messages import model_server_config_pb2
from serving.tf.names import SAVED_MODEL_FILE

CONFIG_NAME = "serving.config"
MONITORING_NAME = "monitoring.config"
MONITORING = "prometheus_config { enable: true }\n"
"""Makes a server count its requests at `/monitoring/prometheus/metrics`."""
_STAGING_PREFIX = ".staging-"


@dataclass(frozen=True)
class Version:
    """One immutable SavedModel."""

    model: str
    number: int
    path: Path

    def card(self) -> ModelCard:
        """Read the version's model card; raises ModelError."""
        return ModelCard.read(self.path)


class ModelRepository:
    """The versions under one folder; the only place that knows which exist."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def models(self) -> list[str]:
        """Names of the models that have at least one version, sorted."""
        if not self.root.is_dir():
            return []
        folders = (entry.name for entry in self.root.iterdir() if entry.is_dir())
        return sorted(name for name in folders if self.versions(name))

    def versions(self, model: str) -> list[Version]:
        """The versions of `model`, oldest first; empty if there are none."""
        folder = self.root / model
        if not folder.is_dir():
            return []
        numbers = {
            int(entry.name): entry
            for entry in folder.iterdir()
            if entry.name.isdecimal() and (entry / SAVED_MODEL_FILE).is_file()
        }
        return [Version(model, number, numbers[number]) for number in sorted(numbers)]

    def version(self, model: str, number: int) -> Version:
        """Return one version; raises ModelError if it does not exist."""
        for version in self.versions(model):
            if version.number == number:
                return version
        raise ModelError(
            f"Model {model} has no version {number}.",
            "Choose one from the list of versions.",
        )

    def live(self, model: str) -> Version:
        """Return the version that the fleet serves; raises ModelError without one."""
        number = self._pinned(model)
        if number is None:
            raise ModelError(
                f"No version of model {model} is live.",
                "Promote one of its versions.",
            )
        return self.version(model, number)

    def promote(self, model: str, number: int) -> Version:
        """Make a version the one that the fleet serves; rolling back is the same.

        Raises ModelError if the version does not exist.
        """
        version = self.version(model, number)
        config = model_server_config_pb2.ModelServerConfig()
        entry = config.model_config_list.config.add()
        entry.name = model
        entry.base_path = str(version.path.parent.resolve())
        entry.model_platform = "tensorflow"
        entry.model_version_policy.specific.versions.append(number)
        write_aside(self.root / model / MONITORING_NAME, MONITORING)
        write_aside(self.config_path(model), text_format.MessageToString(config))
        return version

    def config_path(self, model: str) -> Path:
        """The file to give to `--model_config_file`."""
        return self.root / model / CONFIG_NAME

    @contextmanager
    def staged(self, model: str) -> Iterator[Path]:
        """Yield an empty folder to write a version into; see `adopt`.

        It is removed at the end unless it was adopted: a version that was not
        adopted never existed.
        """
        folder = self.root / model / f"{_STAGING_PREFIX}{secrets.token_hex(6)}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, model: str, staged: Path) -> Version:
        """Rename a finished, checked folder into place under the next free number.

        `staged` must lie on the repository's file system, as `staged()` makes it.
        """
        while True:
            existing = self.versions(model)
            number = existing[-1].number + 1 if existing else 1
            target = self.root / model / str(number)
            try:
                staged.rename(target)
            except OSError:
                if target.exists():
                    continue
                raise
            return Version(model, number, target)

    def _pinned(self, model: str) -> int | None:
        try:
            text = self.config_path(model).read_text()
        except FileNotFoundError:
            return None
        config = model_server_config_pb2.ModelServerConfig()
        try:
            text_format.Parse(text, config)
            return int(config.model_config_list.config[0].model_version_policy.specific.versions[0])
        except (text_format.ParseError, IndexError) as error:
            raise ModelError(
                f"The file {self.config_path(model)} does not say which version is live.",
                "Promote a version to write it again.",
            ) from error
