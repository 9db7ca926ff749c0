"""The running server: what is built in which order, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import grpc

from serving.model_server.configuration import ModelConfig, read_models, single_model
from serving.model_server.flags import BadFlag, Flags, parse, usage
from serving.model_server.loading import Loader
from serving.model_server.model_service import ModelService
from serving.model_server.models import Patience, ServedModels
from serving.model_server.prediction_service import PredictionService
from serving.model_server.status import ServingError

log = logging.getLogger(__name__)

_UNLIMITED = 2**31 - 1
_COMPUTING_THREADS = 64


def main(arguments: list[str]) -> int:
    """Run the server until it is told to stop; returns the exit status."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        command_line = parse(arguments)
    except BadFlag as error:
        print(f"{error}\n{usage()}", file=sys.stderr)
        return 1
    for argument in command_line.unknown:
        print(f"unknown argument: {argument}\n{usage()}", file=sys.stderr)
    try:
        asyncio.run(serve(command_line.flags))
    except ServingError as error:
        print(f"The server cannot start: {error.message}", file=sys.stderr)
        return 1
    return 0


async def serve(flags: Flags) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted.

    Raises ServingError where the start fails.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        models = ServedModels(
            Loader(
                tags=flags.saved_model_tags.split(","),
                intra_op_threads=flags.tensorflow_intra_op_parallelism,
                inter_op_threads=flags.tensorflow_inter_op_parallelism,
                warm_up=flags.enable_model_warmup,
                warm_up_iterations=flags.num_request_iterations_for_warmup,
            ),
            patience=Patience(
                flags.max_num_load_retries, flags.load_retry_interval_micros / 1_000_000
            ),
            poll_seconds=flags.file_system_poll_wait_seconds,
            labels_may_wait=flags.allow_version_labels_for_unavailable_models,
            load_threads=flags.num_load_threads or os.cpu_count() or 1,
        )
        stack.push_async_callback(models.close)
        starting = asyncio.create_task(models.configure(_first_configuration(flags)))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            starting.cancel()
            return
        await starting
        threads = ThreadPoolExecutor(_COMPUTING_THREADS, thread_name_prefix="compute")
        stack.callback(threads.shutdown)
        server = grpc.aio.server(
            options=[
                ("grpc.max_send_message_length", _UNLIMITED),
                ("grpc.max_receive_message_length", _UNLIMITED),
                ("grpc.so_reuseport", 0),
            ]
        )
        server.add_generic_rpc_handlers(
            (PredictionService(models, threads).handler(), ModelService(models).handler())
        )
        port = server.add_insecure_port(f"{flags.host}:{flags.port}")
        await server.start()
        stack.push_async_callback(server.stop, flags.stop_grace_seconds)
        if flags.ports_file:
            _write_ports(Path(flags.ports_file), {"grpc": port})
        log.info("Running gRPC ModelServer at %s:%d ...", flags.host, port)
        for background in (models.watch(), _follow_file(flags, models)):
            task = asyncio.create_task(background)
            stack.callback(task.cancel)
        await stop.wait()
        log.info("Stopping: what was accepted is finished first")


def _first_configuration(flags: Flags) -> dict[str, ModelConfig]:
    if flags.model_config_file:
        return read_models(flags.model_config_file)
    return single_model(flags.model_name, flags.model_base_path)


async def _follow_file(flags: Flags, models: ServedModels) -> None:
    """Apply the configuration file anew whenever its text changed, until cancelled."""
    if not (flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0):
        return
    path = Path(flags.model_config_file)
    applied: str | None = None
    while True:
        try:
            text = await asyncio.to_thread(path.read_text)
            if text != applied:
                await models.configure(read_models(flags.model_config_file))
                applied = text
        except (OSError, UnicodeDecodeError) as error:
            log.error("The file %s cannot be read: %s", path, error)
        except ServingError as error:
            log.error("The configuration was not applied: %s", error.message)
        await asyncio.sleep(flags.model_config_file_poll_wait_seconds)


def _write_ports(path: Path, ports: dict[str, int]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(ports))
    aside.replace(path)
