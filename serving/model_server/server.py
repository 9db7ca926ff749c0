"""The server process: builds its parts in order, runs, and stops."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving.http.limits import HttpLimits
from serving.model_server.configuration import (
    ModelConfig,
    read_batching,
    read_metrics_path,
    read_models,
    single_model,
)
from serving.model_server.flags import Flags, InvalidFlag, ignored_flags, parse, usage
from serving.model_server.grpc_calls import Calls
from serving.model_server.grpc_server import GrpcServer
from serving.model_server.http_server import HttpServer
from serving.model_server.limits import RequestLimits
from serving.model_server.load_watch import LoadWatch
from serving.model_server.loader import AUTO, Loader
from serving.model_server.log_limit import limit_log_by_environment
from serving.model_server.memory_budget import MemoryBudget
from serving.model_server.message_intake import MessageIntake
from serving.model_server.model_service import ModelService
from serving.model_server.models import ServerModels
from serving.model_server.monitoring import Metrics
from serving.model_server.overload import Overload
from serving.model_server.prediction_service import GrpcOptions, PredictionService
from serving.model_server.rest import RestApi, RestOptions
from serving.model_server.scheduler import InferenceScheduler
from serving.model_server.served_model import RetryPolicy
from serving.model_server.sleep import CallWatch, Sleep, Woken, asleep_file, first_path
from serving.model_server.unimplemented import UnimplementedCalls
from serving.text.log_lines import log_lines, print_line
from serving.text.visible import visible
from serving.tf.c_api import library
from serving.tf.cores import core_count
from serving.tf.file_watch import FileState, file_state, wait_for_change
from serving.tf.free_memory import (
    allocate_from_few_arenas,
    allocated_bytes,
    return_large_blocks_at_once,
    return_unused_memory,
)
from serving.tf.runtime_choice import OPENVINO, TENSORFLOW
from serving.tf.status import Code, ServingError, invalid
from serving.tf.trust import read_trusted

log = logging.getLogger(__name__)

RUNTIMES = (AUTO, TENSORFLOW, OPENVINO)
TRUSTED_FILE_POLL_SECONDS = 30.0
PORTS_FILE_POLL_SECONDS = 30.0
"""Between two checks whether the ports file still exists, which is noticed at once otherwise."""


SLEEP_RETRY_SECONDS = 60.0


def main(arguments: list[str]) -> int:
    """Run the server until it is stopped; returns the exit status."""
    log_lines("%(asctime)s %(levelname)s %(message)s")
    limit_log_by_environment()
    try:
        flags, unknown = parse(arguments)
        if flags.help:
            print(usage())
            return 0
        if flags.version:
            print(f"TensorFlow ModelServer: Servery\nTensorFlow Library: {_version()}")
            return 0
        for argument in unknown:
            print(f"unknown argument: {visible(argument)}\n{usage()}")
        for name in ignored_flags(flags):
            log.warning("--%s has no effect here", name)
        sleep = asyncio.run(serve(flags))
        if sleep is not None:
            sleep.begin()
    except InvalidFlag as error:
        print(f"{visible(str(error))}\n{usage()}")
        return 1
    except ServingError as error:
        print_line(f"Failed to start server. Error: {error.code.name}: {error.message}")
        return 1
    return 0


def _version() -> str:
    return str(library().TF_Version().decode())


async def serve(flags: Flags) -> Sleep | None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then finish the accepted calls.

    Returns the sleep that is to begin if there were no calls for as long as the flags say. Raises
    ServingError if the start fails.
    """
    stop = asyncio.Event()
    sockets = [flags.grpc_socket_path, flags.rest_api_socket_path]
    woken = Woken(sockets)
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` asks for
        numbers.append(signal.SIGHUP)
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _check(flags)
    return_large_blocks_at_once()
    allocate_from_few_arenas(max(2, core_count()))
    batching = read_batching(flags.batching_parameters_file) if flags.enable_batching else None
    metrics_path = read_metrics_path(flags.monitoring_config_file)
    configs = _first_configuration(flags)
    # Before anything else is at work: what is printed while it opens is lost, such as why another
    # model was refused.
    await asyncio.to_thread(library)
    async with AsyncExitStack() as stack:
        loader = _loader(flags)
        load_watch = LoadWatch(loader.load)
        models = ServerModels(
            load_watch.load,
            retry_policy=RetryPolicy(
                flags.max_num_load_retries, flags.load_retry_interval_micros / 1_000_000
            ),
            poll_seconds=flags.file_system_poll_wait_seconds,
            allow_unavailable_labels=flags.allow_version_labels_for_unavailable_models,
            wait_for_missing=not flags.start_with_missing_models,
            load_threads=flags.num_load_threads or core_count(),
        )
        stack.push_async_callback(models.close)
        try:
            if not await _load_first_models(flags, models, configs, stop):
                return None
        except ServingError as error:
            if not (flags.start_with_missing_models and error.code is Code.UNKNOWN):
                raise
            log.error("Serving without those that failed: %s", error.message)
        metrics = Metrics()
        limits = RequestLimits.of(flags)
        budget = MemoryBudget(limits.max_bytes_in_flight, return_unused_memory)
        scheduler = InferenceScheduler(batching)
        stack.callback(scheduler.close)
        predictions = PredictionService(
            models,
            scheduler,
            metrics,
            GrpcOptions(
                as_content=flags.enable_serialization_as_tensor_content,
                enforces_deadlines=flags.enforce_session_run_timeout,
            ),
            limits,
        )
        status = ModelService(models, refuses_reload=flags.refuse_config_reload)
        listening: list[GrpcServer | HttpServer] = []
        stack.push_async_callback(_stop_together, listening, flags.stop_grace_seconds)
        intake = MessageIntake(
            limits.max_bytes_in_flight, budget, allocated_bytes, load_watch.is_loading
        )
        overload = Overload(scheduler.overload_code)
        calls = Calls(limits, budget, intake, overload)
        sleep = _sleep(flags, metrics.activity, sockets)
        bound = [first_path(path) for path in sockets] if sleep is not None else sockets
        if sleep is not None:
            stack.callback(_remove_unless_asleep, sleep, sockets)
        grpc_server = GrpcServer(
            replace(flags, grpc_socket_path=bound[0]),
            (predictions.handler(calls), status.handler(calls), UnimplementedCalls()),
        )
        ports = {"grpc": await grpc_server.start()}
        listening.append(grpc_server)
        if _has_rest(flags):
            options = RestOptions(
                flags.rest_api_timeout_in_ms / 1000 if flags.rest_api_timeout_in_ms > 0 else None,
                flags.rest_api_enable_cors_support,
                metrics_path,
                frozenset(filter(None, flags.allow_host.lower().replace(" ", "").split(","))),
            )
            api = RestApi(predictions, status, metrics, options, limits, budget, overload)
            http_server = HttpServer(api, _http_limits(flags))
            host = flags.host if flags.enable_tcp and _has_rest_port(flags) else None
            ports["rest"] = await http_server.start(host, flags.rest_api_port, bound[1])
            listening.append(http_server)
        if sleep is not None:
            sleep.show(bound)
        for background in (
            models.watch(),
            _watch_config_file(flags, models),
            _watch_trusted_file(flags, models),
            woken.relay(),
        ):
            stack.callback(asyncio.create_task(background).cancel)
        if flags.ports_file:
            ports_file = Path(flags.ports_file)
            _write_ports(ports_file, {name: port for name, port in ports.items() if port})
            stack.callback(asyncio.create_task(_stop_without_ports_file(ports_file, stop)).cancel)
            asleep_file(ports_file).unlink(missing_ok=True)
        log.info("Running ModelServer at %s, ports %s", flags.host, ports)
        await _wait_until_stopped_or_asleep(stop, sleep)
        log.info("Stopping once the accepted calls are finished")
    return sleep if sleep is not None and sleep.is_prepared and not stop.is_set() else None


def _sleep(flags: Flags, activity: CallWatch, sockets: Sequence[str]) -> Sleep | None:
    """Return what lets the server fall asleep; None if it may not."""
    if not flags.sleep_after_seconds:
        return None
    if flags.enable_tcp or not flags.ports_file or not all(sockets):
        log.warning("--sleep_after_seconds has no effect without UNIX sockets, or with TCP")
        return None
    return Sleep(activity, flags.sleep_after_seconds, Path(flags.ports_file), sockets)


def _remove_unless_asleep(sleep: Sleep, sockets: Sequence[str]) -> None:
    if not sleep.is_prepared:
        for path in sockets:
            Path(path).unlink(missing_ok=True)


async def _wait_until_stopped_or_asleep(stop: asyncio.Event, sleep: Sleep | None) -> None:
    """Return once `stop` is set, or everything is prepared for the sleep."""
    waiting: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
    if sleep is not None:
        waiting.append(asyncio.create_task(_fall_asleep(sleep)))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _fall_asleep(sleep: Sleep) -> None:
    while not sleep.is_prepared:
        try:
            await sleep.prepare()
        except OSError as error:  # a full disk: it serves on
            log.warning("It cannot fall asleep: %s", error)
            await asyncio.sleep(SLEEP_RETRY_SECONDS)


def _http_limits(flags: Flags) -> HttpLimits:
    body_seconds = flags.rest_api_body_timeout_in_ms / 1000
    return HttpLimits(
        connections=flags.rest_api_max_connections,
        head_seconds=flags.rest_api_head_timeout_in_ms / 1000,
        body_seconds=body_seconds,
        response_seconds=body_seconds,
    )


async def _stop_together(listening: list[GrpcServer | HttpServer], grace: float) -> None:
    await asyncio.gather(*(server.stop(grace) for server in listening))


def _check(flags: Flags) -> None:
    if flags.batching_parameters_file and not flags.enable_batching:
        raise invalid(
            "--batching_parameters_file is set without setting --enable_batching to true."
        )
    if flags.runtime not in RUNTIMES:
        raise invalid(f"--runtime must be one of {', '.join(RUNTIMES)}, not {flags.runtime}.")
    if flags.port == 0 and not flags.ports_file and flags.enable_tcp:
        raise invalid("--port is not set.")
    if not flags.enable_tcp and not flags.grpc_socket_path:
        raise invalid("Without --enable_tcp, --grpc_socket_path must be set.")
    if (
        flags.tensorflow_session_parallelism > 0
        and flags.tensorflow_intra_op_parallelism > 0
        and flags.tensorflow_inter_op_parallelism > 0
    ):
        raise invalid(
            "Either configure --tensorflow_session_parallelism or "
            "(--tensorflow_intra_op_parallelism, --tensorflow_inter_op_parallelism) separately. "
            "You cannot configure all."
        )


def _loader(flags: Flags) -> Loader:
    both = flags.tensorflow_session_parallelism
    separate = flags.tensorflow_intra_op_parallelism or flags.tensorflow_inter_op_parallelism
    return Loader(
        tags=flags.saved_model_tags.split(","),
        intra_op_threads=flags.tensorflow_intra_op_parallelism if separate else both,
        inter_op_threads=flags.tensorflow_inter_op_parallelism if separate else both,
        warm_up=flags.enable_model_warmup,
        warm_up_iterations=flags.num_request_iterations_for_warmup,
        checks_methods=flags.enable_signature_method_name_check,
        runtime=_runtime(flags),
        root=Path(flags.model_root) if flags.model_root else None,
        refuses_unsafe=flags.refuse_unsafe_models,
        trusted=Path(flags.trusted_models_file) if flags.trusted_models_file else None,
    )


def _runtime(flags: Flags) -> str:
    """Return the runtime that versions are loaded on.

    With a limit on the memory of the process that is OpenVINO only if it was requested: its
    libraries abort the process when they get no more.
    """
    if flags.runtime == TENSORFLOW or flags.runtime == OPENVINO:
        return flags.runtime
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return AUTO if limit == resource.RLIM_INFINITY else TENSORFLOW


def _first_configuration(flags: Flags) -> dict[str, ModelConfig]:
    if flags.model_config_file:
        return read_models(flags.model_config_file)
    return single_model(flags.model_name, flags.model_base_path)


def _has_rest(flags: Flags) -> bool:
    if flags.rest_api_port and flags.rest_api_port == flags.port:
        log.error(
            "--rest_api_port cannot be same as --port. Please use a different port for the "
            "REST API. Skipped exporting the REST API."
        )
        return False
    return _has_rest_port(flags) or bool(flags.rest_api_socket_path)


def _has_rest_port(flags: Flags) -> bool:
    return bool(flags.rest_api_port or flags.ports_file)


async def _load_first_models(
    flags: Flags, models: ServerModels, configs: dict[str, ModelConfig], stop: asyncio.Event
) -> bool:
    """Return True once the first models are available, False if the server is stopped before.

    If the configuration file changes meanwhile, those that it names then are the first ones.
    """
    stopping = asyncio.create_task(stop.wait())
    starting: asyncio.Task[None] | None = None
    changing: asyncio.Task[dict[str, ModelConfig]] | None = None
    try:
        while True:
            starting = asyncio.create_task(models.configure(configs))
            changing = asyncio.create_task(_changed_configuration(flags, configs))
            tasks = [starting, changing, stopping]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return False
            if starting.done():
                starting.result()
                return True
            starting.cancel()
            await asyncio.wait([starting])
            configs = changing.result()
    finally:
        remaining = [task for task in (starting, changing, stopping) if task is not None]
        for task in remaining:
            task.cancel()
        await asyncio.wait(remaining)


async def _changed_configuration(
    flags: Flags, configs: dict[str, ModelConfig]
) -> dict[str, ModelConfig]:
    """Return what the configuration file says once that is something else than `configs`."""
    seconds = flags.model_config_file_poll_wait_seconds
    if not (flags.model_config_file and seconds > 0):
        await asyncio.Event().wait()
    path = Path(flags.model_config_file)
    state = None  # it may have changed since it was read
    while True:
        await wait_for_change(path, state, seconds)
        state = file_state(path)
        try:
            found = await asyncio.to_thread(read_models, flags.model_config_file)
        except ServingError:
            # As long as it cannot be read, what it said before holds.
            continue
        if found and found != configs:
            return found


async def _watch_config_file(flags: Flags, models: ServerModels) -> None:
    """Apply the configuration file whenever its text has changed, until cancelled.

    It is read after as many seconds as the flag says, and at once if it was replaced. One that
    still waits for a new model gives way to the next: a model that is never there, or takes its
    time to fail, keeps no other from being served.
    """
    if not (flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0):
        return
    path = Path(flags.model_config_file)
    requested: str | None = None
    last_error: str | None = None
    state: FileState = None
    applying: asyncio.Task[None] | None = None
    while True:
        before, state = state, file_state(path)
        try:
            text = requested
            if requested is None or state != before:
                text = await asyncio.to_thread(path.read_text)
            if text != requested:
                configs = read_models(flags.model_config_file)
                if applying is not None:
                    applying.cancel()
                    await asyncio.wait([applying])
                requested, applying = text, asyncio.create_task(models.configure(configs))
            if applying is not None and applying.done():
                finished, applying = applying, None
                _raise_if_not_applied(finished)
                last_error = None
        except (OSError, UnicodeDecodeError, ServingError) as error:
            requested = None
            if str(error) != last_error:
                log.error("The configuration file was not applied: %s", error)
            last_error = str(error)
        await wait_for_change(path, state, flags.model_config_file_poll_wait_seconds)


async def _watch_trusted_file(flags: Flags, models: ServerModels) -> None:
    """Try again what was refused whenever the list of trusted versions has changed."""
    if not flags.trusted_models_file:
        return
    path = Path(flags.trusted_models_file)
    state = file_state(path)
    before = await asyncio.to_thread(read_trusted, path)
    while True:
        await wait_for_change(path, state, TRUSTED_FILE_POLL_SECONDS)
        if file_state(path) == state:
            continue
        state = file_state(path)
        now = await asyncio.to_thread(read_trusted, path)
        if now != before:
            before = now
            models.retry_refused()


def _raise_if_not_applied(applying: asyncio.Task[None]) -> None:
    """Raise the ServingError by which a configuration was refused.

    One that a reload took the place of was applied, and must not take its place again.
    """
    try:
        applying.result()
    except ServingError as error:
        if error.code is not Code.ABORTED:
            raise


async def _stop_without_ports_file(ports_file: Path, stop: asyncio.Event) -> None:
    """Set `stop` once the ports file is gone: no fleet can find this server any more."""
    while (state := file_state(ports_file)) is not None:
        await wait_for_change(ports_file, state, PORTS_FILE_POLL_SECONDS)
    log.info("The ports file %s was removed", ports_file)
    stop.set()


def _write_ports(path: Path, ports: dict[str, int]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(ports))
    aside.replace(path)
