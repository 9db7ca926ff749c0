"""The flags of a model server, whichever engine runs it."""

from __future__ import annotations

from serving.engines.protocol import InstanceSpec
from serving.models.serving_config import MONITORING_NAME

GRPC_PORT = 8500
REST_PORT = 8501
"""Where a model server listens by default, in a container of either image too."""
LOAD_RETRIES, LOAD_RETRY_SECONDS = 1, 1
"""How often, and how long after, a server tries again to load a version that failed."""


OWN_SERVER_FLAGS = ("--start_with_missing_models=true",)
"""Flags that our own server knows and the original does not. A model that is damaged must not
keep an instance from starting, and from serving the others."""


def server_flags(spec: InstanceSpec, threads: int) -> list[str]:
    """Return the flags, all of which `tensorflow_model_server` knows.

    `threads` are for arithmetic within one request, and for requests side by side.
    """
    flags = [
        f"--model_config_file={spec.config_file}",
        "--model_config_file_poll_wait_seconds=1",
        "--file_system_poll_wait_seconds=1",
        # A server looks at its configuration again only when a new model is loaded or has failed:
        # by default it would try a broken one for five minutes, and follow nobody meanwhile.
        f"--max_num_load_retries={LOAD_RETRIES}",
        f"--load_retry_interval_micros={LOAD_RETRY_SECONDS * 1_000_000}",
        f"--tensorflow_intra_op_parallelism={threads}",
        f"--tensorflow_inter_op_parallelism={threads}",
    ]
    monitoring = spec.config_file.with_name(MONITORING_NAME)
    if monitoring.is_file():
        flags.append(f"--monitoring_config_file={monitoring}")
    return flags
