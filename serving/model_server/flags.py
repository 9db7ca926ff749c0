"""The command line flags: the original server's, and a few of our own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from serving.tf.names import SERVE_TAG


class InvalidFlag(Exception):
    """A flag's value cannot be read."""


def _flag(default: Any, usage: str) -> Any:
    return field(default=default, metadata={"usage": usage})


def _ignored(default: Any) -> Any:
    """Declare a flag of the original that is accepted and ignored."""
    return field(
        default=default, metadata={"usage": "Accepted; has no effect here", "ignored": True}
    )


@dataclass(frozen=True)
class Flags:
    """One field a flag. Names, defaults and meaning are the original's."""

    port: int = _flag(
        8500,
        "TCP port for the gRPC API; 0 turns it off, or, with --ports_file, "
        "lets the system choose one",
    )
    rest_api_port: int = _flag(
        0,
        "TCP port for the REST API; 0 turns it off, or, with "
        "--ports_file, lets the system choose one",
    )
    host: str = _flag("127.0.0.1", "Address that both APIs listen on")
    ports_file: str = _flag("", "File that gets the ports as JSON once the server listens")
    model_name: str = _flag("default", "Name of the model, without --model_config_file")
    model_base_path: str = _flag("", "Folder with the model's numbered version folders")
    model_config_file: str = _flag("", "ModelServerConfig in text form: which models to serve")
    model_config_file_poll_wait_seconds: int = _flag(
        0, "Seconds between polls of the configuration file; 0 reads it once"
    )
    file_system_poll_wait_seconds: int = _flag(
        1, "Seconds between polls of the version folders; 0 reads them once"
    )
    max_num_load_retries: int = _flag(5, "How often a failed load is retried")
    load_retry_interval_micros: int = _flag(60_000_000, "Microseconds between these retries")
    num_load_threads: int = _flag(0, "Threads for loading; 0 takes as many as there are cores")
    num_unload_threads: int = _ignored(0)
    enable_model_warmup: bool = _flag(True, "Run the warm-up records of a version before serving")
    num_request_iterations_for_warmup: int = _flag(0, "How often each warm-up record is run")
    saved_model_tags: str = _flag(SERVE_TAG, "Comma-separated tags of the meta graph to load")
    tensorflow_session_parallelism: int = _flag(0, "Threads for running a session, if not 0")
    tensorflow_intra_op_parallelism: int = _flag(0, "Threads for one operation")
    tensorflow_inter_op_parallelism: int = _flag(0, "Threads for operations side by side")
    rest_api_timeout_in_ms: int = _flag(30_000, "Time limit of a REST call")
    rest_api_enable_cors_support: bool = _flag(False, "Send CORS headers")
    enable_batching: bool = _flag(False, "Batch requests as --batching_parameters_file says")
    batching_parameters_file: str = _flag("", "BatchingParameters in text form")
    monitoring_config_file: str = _flag("", "MonitoringConfig in text form")
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, "Let labels name versions that are not available yet"
    )
    enable_grpc_healthcheck_service: bool = _flag(False, "Answer grpc.health.v1.Health")
    enable_reflection_service: bool = _flag(False, "Answer server reflection")
    enforce_session_run_timeout: bool = _flag(True, "End a computation at the call's deadline")
    grpc_socket_path: str = _flag("", "UNIX socket that the gRPC API listens on as well")
    grpc_channel_arguments: str = _flag("", "Comma-separated key=value arguments for gRPC")
    grpc_max_concurrent_requests: int = _flag(0, "Calls served at once; more are refused")
    ssl_config_file: str = _flag("", "SSLConfig in text form for the gRPC API")
    enable_signature_method_name_check: bool = _flag(
        False, "Refuse calls of a method that the signature does not name as its own"
    )
    enable_serialization_as_tensor_content: bool = _flag(
        False, "Answer Predict with tensor_content instead of the typed fields"
    )
    runtime: str = _flag(
        "auto",
        "What computes: tensorflow; openvino, for every version that it can compute with the same "
        "answers; auto, for what the card of each version says",
    )
    flush_filesystem_caches: bool = _ignored(True)
    grpc_max_threads: int = _ignored(0)
    mixed_precision: str = _ignored("")
    num_tflite_interpreters_per_pool: int = _ignored(0)
    num_tflite_pools: int = _ignored(1)
    per_process_gpu_memory_fraction: float = _ignored(0.0)
    platform_config_file: str = _ignored("")
    prefer_tflite_model: bool = _ignored(False)
    enable_profiler: bool = _ignored(False)
    remove_unused_fields_from_bundle_metagraph: bool = _ignored(True)
    rest_api_num_threads: int = _ignored(0)
    skip_initialize_tpu: bool = _ignored(False)
    thread_pool_factory_config_file: str = _ignored("")
    total_model_memory_limit_bytes: int = _ignored(0)
    use_alts_credentials: bool = _ignored(False)
    xla_cpu_compilation_enabled: bool = _ignored(False)
    help: bool = _flag(False, "Print this list and exit")
    start_with_missing_models: bool = _flag(
        False, "Start even if some of the first models are missing or cannot be loaded"
    )
    sleep_after_seconds: int = _flag(
        0,
        "Seconds without a call after which the memory is given back until somebody connects; "
        "0 never does. Takes UNIX sockets for both APIs, and none of TCP",
    )
    stop_grace_seconds: int = _flag(30, "Longest wait for accepted calls after SIGTERM")
    max_request_bytes: int = _flag(
        80 << 20, "Bytes of a gRPC message or REST body, also once unzipped; 0 sets no limit"
    )
    max_request_parts: int = _flag(
        1 << 20, "Fields, list elements and strings of a gRPC message; 0 sets no limit"
    )
    max_request_rows: int = _flag(10_000, "Images or tf.Examples of one request; 0 sets no limit")
    max_unsent_values: int = _flag(
        1 << 20,
        "Values of a tensor that its shape declares and nobody sent; 0 sets no limit",
    )
    max_json_values: int = _flag(
        1 << 22, "Numbers, strings, lists and objects of a REST body; 0 sets no limit"
    )
    max_json_depth: int = _flag(
        100, "Lists and objects within each other in a REST body; 0 sets no limit"
    )
    max_image_pixels: int = _flag(
        200_000_000, "Pixels of an image that is sent, by its header; 0 sets no limit"
    )
    max_image_bytes: int = _flag(
        256 << 20, "Memory for decoding an image, by its header; 0 sets no limit"
    )
    max_bytes_in_flight: int = _flag(
        320 << 20,
        "Memory of all requests being answered, estimated; more are refused; 0 sets no limit",
    )
    version: bool = _flag(False, "Print the version and exit")
    grpc_max_connections: int = _flag(256, "gRPC connections open at once; more are closed")
    rest_api_max_connections: int = _flag(
        256, "HTTP connections open at once; the one that waits longest makes room for the next"
    )
    rest_api_head_timeout_in_ms: int = _flag(10_000, "Time limit for the head of an HTTP request")
    rest_api_body_timeout_in_ms: int = _flag(
        30_000, "Longest time without progress of an HTTP request's body, or of its response"
    )
    refuse_config_reload: bool = _flag(
        False, "Answer HandleReloadConfigRequest with PERMISSION_DENIED"
    )
    model_root: str = _flag("", "The only folder that models are loaded from; by default any")
    refuse_unsafe_models: bool = _flag(
        False,
        "Refuse models that can do more than compute: with operations for files, Python or the "
        "network, or unknown ones",
    )
    trusted_models_file: str = _flag(
        "", "List of the versions that are loaded in spite of --refuse_unsafe_models"
    )
    enable_tcp: bool = _flag(True, "Listen on TCP; otherwise on the UNIX sockets alone")
    rest_api_socket_path: str = _flag("", "UNIX socket that the REST API listens on as well")
    allow_host: str = _flag(
        "",
        "Comma-separated host names under which the REST API is reached, besides addresses and "
        "localhost",
    )


def parse(arguments: Sequence[str]) -> tuple[Flags, tuple[str, ...]]:
    """Read a command line; return the flags, and the arguments that are not flags.

    A boolean flag may stand alone. Raises InvalidFlag if a value cannot be read.
    """
    fields = {item.name: item for item in dataclasses.fields(Flags)}
    values: dict[str, Any] = {}
    unknown: list[str] = []
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        item = fields.get(name)
        if item is None or not argument.startswith("--"):
            unknown.append(argument)
            continue
        values[name] = _value(name, type(item.default), text if equals else None)
    return Flags(**values), tuple(unknown)


def _value(name: str, kind: type, text: str | None) -> Any:
    if kind is bool:
        if text is None or text.lower() in ("true", "1"):
            return True
        if text.lower() in ("false", "0"):
            return False
    elif text is not None:
        if kind is str:
            return text
        with suppress(ValueError):
            return kind(text)
    raise InvalidFlag(f"Couldn't interpret value {text or ''} for flag {name}.")


def ignored_flags(flags: Flags) -> list[str]:
    """Return the names of the flags that were set and have no effect here."""
    return [
        item.name
        for item in dataclasses.fields(Flags)
        if item.metadata.get("ignored") and getattr(flags, item.name) != item.default
    ]


def usage() -> str:
    """Return the list of flags with their defaults."""
    lines = ["usage: python -m serving.model_server", "Flags:"]
    for item in dataclasses.fields(Flags):
        kind = {bool: "bool", int: "int32", float: "float"}.get(type(item.default), "string")
        default = str(item.default).lower() if kind == "bool" else repr(item.default)
        lines.append(f"\t--{item.name}={default}\t{kind}\t{item.metadata['usage']}")
    return "\n".join(lines)
