"""Whether a version can be served: it is loaded and asked in a process of its own.

A version may be damaged, end its server, load for ever or answer nonsense. All of that shows
here, before any instance loads it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import stat
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from serving.errors import ModelError, reading_fault
from serving.models.card import CARD_PATH, ModelCard
from serving.models.checksums import damaged_files
from serving.models.version import Version
from serving.predict.request import probe_jpeg, response_scores
from serving.programs import child_environment, module_command
from serving.text.trust import trust_advice
from serving.tf.messages import predict_pb2
from serving.tf.names import SAVED_MODEL_FILE

Trial = Callable[[Version, int], Awaitable[None]]
"""Tries a version within so many bytes of memory (0: what is free); raises UnusableVersion."""

PROGRAM = "serving.model_server.check_version"
BUSY_SECONDS = 8.0
"""Seconds of processor time that loading and one answer may take, and as many again for each
BYTES_PER_BUSY_SECONDS of files. Not of the clock: other programs may need the processor too."""
BYTES_PER_BUSY_SECONDS = 100 * 2**20
IDLE_SECONDS = 5.0
"""How long loading may stand still."""
MAX_SECONDS = 300.0
MAX_GRAPH_BYTES = 2**31 - 1
"""The most that the format of a graph allows."""
MEMORY_SHARE = 0.9
"""Of the memory that is free, what a version may take while it is tried."""
ADVICE = "Promote another version of the model, or train a new one."

_POLL_SECONDS = 0.1
_MAX_REASON = 300
_SCORE_TOLERANCE = 1e-3


class UnusableVersion(ModelError):
    """A version that no instance could serve."""


async def try_version(version: Version, memory_limit: int = 0) -> None:
    """Load a version as an instance does and classify a photo with it.

    Raises UnusableVersion with the reason: within 10 s on a machine that is not busy, unless
    its files are large. `memory_limit` is that of the instances, in bytes; 0 sets none.
    """
    await asyncio.to_thread(_check_files, version)
    try:
        response = await _ask(version, await asyncio.to_thread(_allowed_memory, memory_limit))
        await asyncio.to_thread(_check_answer, version, response)
    except UnusableVersion as error:
        damaged = await asyncio.to_thread(_damaged, version.path)
        if not damaged:
            raise
        raise UnusableVersion(f"{error.what} {_changed(damaged)}", error.advice) from error
    damaged = [
        name for name in await asyncio.to_thread(_damaged, version.path) if _is_computed_with(name)
    ]
    if damaged:
        # It loads, but with other numbers than those that were measured.
        raise _unusable(version, _changed(damaged))


def _check_files(version: Version) -> None:
    """Raise UnusableVersion for what is not even tried."""
    try:
        for path in (version.path / SAVED_MODEL_FILE, *version.path.rglob("*")):
            state = path.stat()
            if stat.S_ISREG(state.st_mode):
                path.open("rb").close()
            elif not stat.S_ISDIR(state.st_mode):
                # A program that opens a pipe waits for its other end, possibly for ever.
                raise _unusable(version, f"{path.relative_to(version.path)} is not a file.")
        graph_bytes = (version.path / SAVED_MODEL_FILE).stat().st_size
    except OSError as error:
        name = Path(error.filename or version.path).name
        raise _unusable(version, reading_fault(error, name)) from error
    if graph_bytes > MAX_GRAPH_BYTES:
        raise _unusable(version, f"{SAVED_MODEL_FILE} is larger than 2 GB.")


async def _ask(version: Version, memory_limit: int) -> Any:
    """Return the response of a version that was loaded in a process of its own."""
    size = await asyncio.to_thread(_size, version.path)
    process = await asyncio.create_subprocess_exec(
        *module_command(PROGRAM),
        *(version.model, str(version.number), str(version.path), str(memory_limit)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=child_environment(TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="-1"),
    )
    communication = asyncio.create_task(process.communicate(probe_jpeg()))
    try:
        reason = await _timeout_reason(process, communication, size)
        if reason:
            raise _unusable(version, reason)
        output, _ = await communication
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait([communication])
    try:
        result = json.loads(output)
    except ValueError:
        raise _unusable(version, _exit_reason(process.returncode or 0)) from None
    if "untrusted" in result:
        raise _unusable(
            version, str(result["untrusted"]), trust_advice(version.model, version.number)
        )
    if "refused" in result:
        raise _unusable(version, str(result["refused"]))
    if "error" in result:
        raise _unusable(version, _shortened(str(result["error"])))
    return predict_pb2.PredictResponse.FromString(base64.b64decode(result["answer"]))


async def _timeout_reason(process: Process, communication: asyncio.Task[Any], size: int) -> str:
    """Return why a process that loads a version is not waited for any longer; "" if it ended."""
    loop = asyncio.get_running_loop()
    allowed = BUSY_SECONDS * (1 + size / BYTES_PER_BUSY_SECONDS)
    started = moved = loop.time()
    used = 0.0
    while not communication.done():
        await asyncio.wait([communication], timeout=_POLL_SECONDS)
        seconds, waits_for_machine = _progress(process.pid)
        now = loop.time()
        # On a busy machine it may stand still only because it waits for its turn, or the disk.
        if seconds > used or waits_for_machine:
            used, moved = max(used, seconds), now
        if now - moved > IDLE_SECONDS:
            return f"Loading it stood still for {IDLE_SECONDS:.0f} s."
        if used > allowed or now - started > MAX_SECONDS:
            return f"Loading it did not end within {min(now - started, MAX_SECONDS):.0f} s."
    return ""


def _progress(process_id: int) -> tuple[float, bool]:
    """Return the processor time used in seconds, and whether it waits for processor or disk."""
    try:
        process = psutil.Process(process_id)
        times = process.cpu_times()
        status = process.status()
    except psutil.Error:
        return 0.0, False
    waits = status in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
    return times.user + times.system, waits


def _check_answer(version: Version, response: Any) -> None:
    """Raise UnusableVersion unless the response is what the contract says."""
    try:
        scores = response_scores(response)
        card = ModelCard.read(version.path) if (version.path / CARD_PATH).exists() else None
    except ModelError as error:
        raise _unusable(version, error.what) from error
    for each in scores:
        if not -_SCORE_TOLERANCE <= each.score <= 1 + _SCORE_TOLERANCE:  # nor is it a number
            raise _unusable(version, f"It answers with the score {each.score:g}, outside 0 to 1.")
        if card is not None and each.name not in card.classes:
            raise _unusable(
                version, f"It answers with the class {each.name!r}, which its card does not name."
            )
    if card is not None and card.classes and not scores:
        raise _unusable(version, "It answers with no class, and its card names some.")


def _exit_reason(status: int) -> str:
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "It needs more memory than there is: the system ended the process that loaded it."
    if status < 0:
        return f"It ends the process that loads it, by {signal.Signals(-status).name}."
    return f"It ends the process that loads it, with exit status {status}."


def _unusable(version: Version, reason: str, advice: str = ADVICE) -> UnusableVersion:
    return UnusableVersion(
        f"Version {version.number} of {version.model} cannot be served. {reason}", advice
    )


def _shortened(message: str) -> str:
    """Return TensorFlow's words as one sentence: without its list of graph nodes."""
    text = " ".join(message.split("\n")[0].split())
    if len(text) > _MAX_REASON:
        text = f"{text[:_MAX_REASON].rstrip()}…"
    return f"{text.rstrip('.')}."


def _allowed_memory(memory_limit: int) -> int:
    free = int(MEMORY_SHARE * psutil.virtual_memory().available)
    return min(memory_limit, free) if memory_limit else free


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _changed(names: list[str]) -> str:
    return f"Its files were changed after it was made: {', '.join(names[:5])}."


def _damaged(folder: Path) -> list[str]:
    try:
        return damaged_files(folder)
    except OSError:
        return []


def _is_computed_with(name: str) -> bool:
    """Whether a file of a version decides what it answers."""
    return name == SAVED_MODEL_FILE or name.startswith(("variables/", "assets/"))
