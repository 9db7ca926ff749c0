"""The files by which a model server is told what to load: TensorFlow Serving's own format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from serving.errors import ModelError
from serving.models.canary import CANARY_LABEL, STABLE_LABEL
from serving.state_files import DamagedFile, UnreadableFile, read_text
from serving.tf.messages import model_server_config_pb2

CONFIG_NAME = "serving.config"
MONITORING_NAME = "monitoring.config"
MAX_CONFIG_BYTES = 2**24
"""Of a list of models."""
MONITORING = "prometheus_config { enable: true }\n"
"""Makes a server count its requests at `/monitoring/prometheus/metrics`."""


@dataclass(frozen=True)
class PinnedModel:
    """What servers are to load of a model."""

    name: str
    folder: Path
    number: int
    """The version that answers."""
    canary: int | None = None
    """A version that is loaded beside it."""
    labelled: bool = False
    """The two have labels. Servers refuse those of a version that they have not loaded yet."""


def serving_config(models: Iterable[PinnedModel]) -> str:
    """Return a ModelServerConfig that pins versions of models."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.SetInParent()
    for model in models:
        entry = config.model_config_list.config.add()
        entry.name = model.name
        entry.base_path = str(model.folder.resolve())
        entry.model_platform = "tensorflow"
        # The one that answers is the first: `pinned_versions` reads that.
        entry.model_version_policy.specific.versions.append(model.number)
        if model.canary is not None:
            entry.model_version_policy.specific.versions.append(model.canary)
            if model.labelled:
                entry.version_labels[STABLE_LABEL] = model.number
                entry.version_labels[CANARY_LABEL] = model.canary
    return str(text_format.MessageToString(config))


def pinned_version(path: Path) -> int | None:
    """Return the version that the first model of a config is pinned to; None without the file.

    Raises ModelError if the file says no version.
    """
    try:
        versions = pinned_versions(path)
    except UnreadableFile as error:
        raise ModelError(
            f"The file {path} does not say which version is live: {error.fault}.",
            "Promote a version to write it again.",
        ) from error
    if versions == {}:
        raise ModelError(
            f"The file {path} does not say which version is live.",
            "Promote a version to write it again.",
        )
    return None if versions is None else next(iter(versions.values()))


def pinned_versions(path: Path) -> dict[str, int] | None:
    """Return the version that answers for each model of a config; None without the file.

    Raises DamagedFile for a file that pins no version, and UnreadableFile.
    """
    text = read_text(path, MAX_CONFIG_BYTES)
    if text is None:
        return None
    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(text, config)
        found = {
            entry.name: int(entry.model_version_policy.specific.versions[0])
            for entry in config.model_config_list.config
        }
    except (text_format.ParseError, IndexError, RecursionError):
        raise DamagedFile(path, "it is no list of models") from None
    return found


def read_monitoring(path: Path) -> None:
    """Raise DamagedFile if the file by which servers count requests is not as it was written."""
    text = read_text(path)
    if text is not None and text.strip() != MONITORING.strip():
        raise DamagedFile(path, "it does not say that requests are counted")
