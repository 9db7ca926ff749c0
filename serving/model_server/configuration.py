"""The configuration files, read with the message classes that define them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.model_server.status import invalid
from serving.model_server.versions import Policy, policy_from_proto
from serving.predict.messages import model_server_config_pb2

PLATFORM = "tensorflow"


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve."""

    name: str
    base_path: str
    policy: Policy
    labels: Mapping[str, int] = field(default_factory=dict)


def read_text(path: str, message: Any) -> Any:
    """Parse a text protobuf file into `message`; raises ServingError (INVALID_ARGUMENT)."""
    try:
        text_format.Parse(Path(path).read_text(), message)
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"The file {path} cannot be read: {error}") from error
    except text_format.ParseError as error:
        raise invalid(f"The file {path} does not parse: {error}") from error
    return message


def read_models(path: str) -> dict[str, ModelConfig]:
    """Read a `ModelServerConfig` file; raises ServingError (INVALID_ARGUMENT)."""
    return models_from_proto(read_text(path, model_server_config_pb2.ModelServerConfig()))


def models_from_proto(proto: Any) -> dict[str, ModelConfig]:
    """Return the models of a `ModelServerConfig` by name, checked.

    Raises ServingError: INVALID_ARGUMENT for an empty configuration, a duplicate
    name, a relative path, a missing or unsupported platform; UNIMPLEMENTED for a
    custom configuration.
    """
    choice = proto.WhichOneof("config")
    if choice is None:
        raise invalid("ServerCore config must not be empty.")
    if choice != "model_config_list":
        raise invalid("Custom model configurations are not supported.")
    models: dict[str, ModelConfig] = {}
    for entry in proto.model_config_list.config:
        if entry.name in models:
            raise invalid(f"Illegal to list model {entry.name} multiple times in config list")
        models[entry.name] = _model_from_proto(entry)
    return models


def _model_from_proto(entry: Any) -> ModelConfig:
    if not entry.base_path:
        raise invalid(f"Missing base_path for model: {entry.name}")
    if not Path(entry.base_path).is_absolute():
        raise invalid(
            "Expected model " + entry.name + " to have an absolute path or URI; "
            f"got base_path()={entry.base_path}"
        )
    return ModelConfig(
        entry.name,
        entry.base_path,
        policy_from_proto(entry.model_version_policy),
        dict(entry.version_labels),
    )


def single_model(name: str, base_path: str) -> dict[str, ModelConfig]:
    """Return the configuration that `--model_name` and `--model_base_path` stand for."""
    proto = model_server_config_pb2.ModelServerConfig()
    entry = proto.model_config_list.config.add()
    entry.name, entry.base_path, entry.model_platform = name, base_path, PLATFORM
    return models_from_proto(proto)
