"""The flags of a model server, whichever engine runs it."""

from __future__ import annotations

from serving.engines.docker.model_image.labels import (
    BAKED_MODELS,
    BAKED_MONITORING,
    BakedModel,
)
from serving.engines.protocol import InstanceSpec
from serving.models.serving_config import MONITORING_NAME
from serving.tf.trust import TRUSTED_NAME

GRPC_PORT = 8500
REST_PORT = 8501
"""Where a model server listens by default, in a container of either image too."""
LOAD_RETRIES, LOAD_RETRY_SECONDS = 1, 1
"""How often, and how long after, a server tries again to load a version that failed."""


GRPC_SOCKET_FLAG, REST_SOCKET_FLAG = "--grpc_socket_path", "--rest_api_socket_path"
TCP_FLAG = "--enable_tcp"
REFUSE_RELOAD = "--refuse_config_reload=true"
START_WITH_MISSING = "--start_with_missing_models=true"


def own_server_flags(spec: InstanceSpec) -> list[str]:
    """Return the flags that our own server knows and the original does not.

    Whoever can connect to an instance may ask it for predictions and for nothing else: it loads
    what the repository names, from the repository, and only what computes or is trusted.
    """
    folder = spec.config_file.parent
    return [
        # A model that is damaged must not keep the others from being served.
        START_WITH_MISSING,
        REFUSE_RELOAD,
        f"--model_root={folder}",
        "--refuse_unsafe_models=true",
        f"--trusted_models_file={folder / TRUSTED_NAME}",
        *_runtime_flags(spec),
    ]


def server_flags(spec: InstanceSpec, threads: int) -> list[str]:
    """Return the flags, all of which `tensorflow_model_server` knows.

    `threads` are for arithmetic within one request, and for requests side by side.
    """
    flags = [*following_flags(str(spec.config_file)), *_thread_flags(threads)]
    monitoring = spec.config_file.with_name(MONITORING_NAME)
    if monitoring.is_file():
        flags.append(f"--monitoring_config_file={monitoring}")
    return flags


def following_flags(config_file: str) -> list[str]:
    """Return the flags by which a server follows the `serving.config` of a model repository."""
    return [
        f"--model_config_file={config_file}",
        "--model_config_file_poll_wait_seconds=1",
        "--file_system_poll_wait_seconds=1",
        # One that starts while a canary goes on reads the labels before it has loaded anything.
        "--allow_version_labels_for_unavailable_models=true",
        # A server looks at its configuration again only when a new model is loaded or has failed:
        # by default it would try a broken one for five minutes, and follow nobody meanwhile.
        f"--max_num_load_retries={LOAD_RETRIES}",
        f"--load_retry_interval_micros={LOAD_RETRY_SECONDS * 1_000_000}",
    ]


def baked_server_flags(threads: int) -> list[str]:
    """Return those of a server whose image holds what it serves, and names it to it."""
    return [*_thread_flags(threads), f"--monitoring_config_file={BAKED_MONITORING}"]


def own_baked_server_flags(spec: InstanceSpec, baked: BakedModel) -> list[str]:
    """Return those of them that our own server knows and the original does not."""
    return [
        REFUSE_RELOAD,
        f"--model_root={BAKED_MODELS}",
        # What is unsafe was trusted when the image was made, and is looked up at each start.
        *(() if baked.unsafe else ("--refuse_unsafe_models=true",)),
        *_runtime_flags(spec),
    ]


def _runtime_flags(spec: InstanceSpec) -> list[str]:
    return [f"--runtime={spec.runtime}"] if spec.runtime else []


def _thread_flags(threads: int) -> list[str]:
    return [
        f"--tensorflow_intra_op_parallelism={threads}",
        f"--tensorflow_inter_op_parallelism={threads}",
    ]
