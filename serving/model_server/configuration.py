"""Reads the configuration files with the message classes that define them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.model_server.batching import BatchLimits
from serving.model_server.configuration_messages import (
    BatchingParameters,
    MonitoringConfig,
    SSLConfig,
)
from serving.model_server.monitoring import DEFAULT_PATH
from serving.model_server.text_format_error import parse_error_line
from serving.model_server.versions import Policy, policy_from_proto
from serving.tf.cores import core_count
from serving.tf.messages import model_server_config_pb2
from serving.tf.status import Code, invalid

PLATFORM = "tensorflow"

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DEFAULT_BATCH_SIZE = 1000
_DEFAULT_QUEUED_BATCHES = 10


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
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"The file {path} cannot be read: {error}") from error
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        line = parse_error_line(message.DESCRIPTOR.full_name, text, error)
        raise invalid(f"Invalid protobuf file: '{path}': {line}") from error
    return message


def read_models(path: str) -> dict[str, ModelConfig]:
    """Read a `ModelServerConfig` file; raises ServingError (INVALID_ARGUMENT).

    A file that configures nothing is not an error: models can come by reload.
    """
    proto = read_text(path, model_server_config_pb2.ModelServerConfig())
    return models_from_proto(proto) if proto.WhichOneof("config") else {}


def models_from_proto(proto: Any) -> dict[str, ModelConfig]:
    """Return the models of a `ModelServerConfig` by name, checked.

    Raises ServingError (INVALID_ARGUMENT) for a custom configuration, a duplicate
    name, a relative path, a missing or unsupported platform.
    """
    if proto.WhichOneof("config") != "model_config_list":
        raise invalid("ModelServer does not support custom model configurations.")
    models: dict[str, ModelConfig] = {}
    for entry in proto.model_config_list.config:
        if entry.name in models:
            raise invalid(f"Illegal to list model {entry.name} multiple times in config list")
        models[entry.name] = _model_from_proto(entry)
    return models


def _model_from_proto(entry: Any) -> ModelConfig:
    if not (entry.base_path.startswith("/") or _URI.match(entry.base_path)):
        raise invalid(
            f"Expected model {entry.name} to have an absolute path or URI; "
            f"got base_path()={entry.base_path}"
        )
    platform = _platform(entry)
    if platform != PLATFORM:
        raise invalid(f"Model {entry.name} requests unsupported platform {platform}")
    return ModelConfig(
        entry.name,
        entry.base_path,
        policy_from_proto(entry.model_version_policy),
        dict(entry.version_labels),
    )


def _platform(entry: Any) -> str:
    kinds = model_server_config_pb2
    if entry.model_type == kinds.MODEL_TYPE_UNSPECIFIED:
        if not entry.model_platform:
            raise invalid(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) "
                f"nor ModelServerConfig::model_platform. Model {entry.name} needs "
                f'model_platform: "{PLATFORM}".'
            )
        return str(entry.model_platform)
    if entry.model_platform:
        raise invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) "
            f"and ModelServerConfig::model_platform. Model {entry.name} needs one of them."
        )
    if entry.model_type != kinds.TENSORFLOW:
        raise invalid(
            f"ModelServerConfig::model_type choice {entry.model_type} not supported. Model "
            f'{entry.name} needs model_platform: "{PLATFORM}".'
        )
    return PLATFORM


def single_model(name: str, base_path: str) -> dict[str, ModelConfig]:
    """Return the configuration that `--model_name` and `--model_base_path` stand for."""
    if not base_path:
        raise invalid("Both --model_base_path and --model_config_file are empty!")
    proto = model_server_config_pb2.ModelServerConfig()
    entry = proto.model_config_list.config.add()
    entry.name, entry.base_path, entry.model_platform = name, base_path, PLATFORM
    return models_from_proto(proto)


def read_batching(path: str) -> BatchLimits:
    """Return the limits of a `BatchingParameters` file; unset ones are the original's.

    Raises ServingError (INVALID_ARGUMENT).
    """
    parameters = read_text(path, BatchingParameters()) if path else BatchingParameters()

    def value(name: str, default: int) -> int:
        return int(getattr(parameters, name).value) if parameters.HasField(name) else default

    largest = value("max_batch_size", _DEFAULT_BATCH_SIZE)
    splits_large_requests = parameters.HasField("enable_large_batch_splitting") and (
        parameters.enable_large_batch_splitting.value
    )
    computed = value("max_execution_batch_size", largest) if splits_large_requests else largest
    allowed_sizes = tuple(parameters.allowed_batch_sizes)
    slots = value("num_batch_threads", core_count())
    queue = value("max_enqueued_batches", _DEFAULT_QUEUED_BATCHES)
    timeout_seconds = value("batch_timeout_micros", 0)
    if min(largest, computed, slots, queue) < 1 or timeout_seconds < 0:
        raise invalid(f"The batching parameters in {path} must be positive.")
    _check_sizes(allowed_sizes, largest, computed, splits_large_requests)
    return BatchLimits(
        max_batch_size=computed,
        slots=slots,
        max_queued_rows=queue * largest,
        overload_code=Code.UNAVAILABLE,
        timeout_seconds=timeout_seconds / 1_000_000,
        splits_large_requests=splits_large_requests,
        max_request_rows=largest,
        allowed_sizes=allowed_sizes,
        pads_variable_lengths=parameters.pad_variable_length_inputs,
    )


def _check_sizes(
    allowed_sizes: tuple[int, ...], largest: int, computed: int, splits_large_requests: bool
) -> None:
    if not allowed_sizes:
        return
    if any(after <= before for before, after in pairwise(allowed_sizes)):
        raise invalid("allowed_batch_sizes entries must be monotonically increasing")
    if splits_large_requests and allowed_sizes[-1] != computed:
        raise invalid(
            "Last entry in allowed_batch_sizes must be equal to max_execution_batch_size; "
            f"last entry was {allowed_sizes[-1]}; expected {computed}"
        )
    if not splits_large_requests and allowed_sizes[-1] != largest:
        raise invalid(
            "Last entry in allowed_batch_sizes must match max_batch_size; "
            f"last entry was {allowed_sizes[-1]}; expected {largest}"
        )


def read_metrics_path(path: str) -> str | None:
    """Return where a `MonitoringConfig` file puts the metrics, if anywhere."""
    if not path:
        return None
    prometheus = read_text(path, MonitoringConfig()).prometheus_config
    return (prometheus.path or DEFAULT_PATH) if prometheus.enable else None


def read_ssl(path: str) -> Any:
    """Return the `SSLConfig` in a file; raises ServingError (INVALID_ARGUMENT)."""
    return read_text(path, SSLConfig())
