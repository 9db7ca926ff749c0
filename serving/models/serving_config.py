"""The files by which a model server is told what to load: TensorFlow Serving's own format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from google.protobuf import text_format

from serving.errors import ModelError
from serving.tf.messages import model_server_config_pb2

CONFIG_NAME = "serving.config"
MONITORING_NAME = "monitoring.config"
MONITORING = "prometheus_config { enable: true }\n"
"""Makes a server count its requests at `/monitoring/prometheus/metrics`."""


def serving_config(models: Iterable[tuple[str, Path, int]]) -> str:
    """Return a ModelServerConfig that pins a version of each model: name, folder, number."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.SetInParent()
    for name, folder, number in models:
        entry = config.model_config_list.config.add()
        entry.name = name
        entry.base_path = str(folder.resolve())
        entry.model_platform = "tensorflow"
        entry.model_version_policy.specific.versions.append(number)
    return str(text_format.MessageToString(config))


def pinned_version(path: Path) -> int | None:
    """Return the version that the first model of a config is pinned to; None without the file.

    Raises ModelError if the file says no version.
    """
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(text, config)
        return int(config.model_config_list.config[0].model_version_policy.specific.versions[0])
    except (text_format.ParseError, IndexError) as error:
        raise ModelError(
            f"The file {path} does not say which version is live.",
            "Promote a version to write it again.",
        ) from error
