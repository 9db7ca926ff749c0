"""What this machine has of what Servery uses, what is missing, and what to do about that.

Knows no Qt, for the command line.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import platform
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import psutil

from backend.client import BackendRunFile
from backend.contract import DEFAULT_PORT
from desktop.screen import ScreenFault, look_at_screen
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.compatibility import cpu_features
from serving.engines.docker.image.constants import IMAGES, OFFICIAL_IMAGE
from serving.engines.docker.image.store import ImageStore
from serving.engines.engine_address import chosen_address
from serving.errors import EngineError
from serving.files import write_aside
from serving.tf.cores import core_count
from serving.tf.runtime_choice import OPENVINO
from serving.units import format_bytes
from serving.workspace import Workspace

LOW_DISK_BYTES = 2 * 10**9
"""Less than this does not hold an image, or some models and their training."""
FULL_DISK_BYTES = 50 * 10**6
"""With less, no version of a model can be added."""
LOW_MEMORY_BYTES = 2 * 10**9
_LOOPBACK = "127.0.0.1"


class FactLevel(StrEnum):
    """How well Servery gets along with a fact."""

    FINE = "fine"
    MISSING = "missing"
    """Something can be done in another way, or not at all; the rest works."""
    WRONG = "wrong"
    """Servery cannot work as it should."""


@dataclass(frozen=True)
class MachineFact:
    """One thing that a machine has or lacks, as sentences."""

    subject: str
    level: FactLevel
    what: str
    advice: str = ""
    """What to do about it; empty if nothing needs to be done."""


async def machine_facts(workspace: Workspace) -> list[MachineFact]:
    """Look at everything within some seconds; changes nothing but a file that is removed again."""
    facts = [_python(), _processor(), _memory(), _disk(workspace), _writable(workspace)]
    facts += [_runtime(), _port(workspace)]
    facts.append(await asyncio.to_thread(_screen))
    facts += [fact async for fact in _containers(workspace)]
    return facts


def _python() -> MachineFact:
    name = f"{platform.python_implementation()} {platform.python_version()}"
    return MachineFact("python", FactLevel.FINE, f"{name}, {platform.machine()}.")


def _processor() -> MachineFact:
    count, features = core_count(), cpu_features()
    cores = "1 core" if count == 1 else f"{count} cores"
    if platform.machine() == "x86_64" and features and "avx" not in features:
        return MachineFact(
            "processor",
            FactLevel.WRONG,
            f"{cores}, without AVX, which TensorFlow needs.",
            "Use a machine whose processor has AVX, as those made since 2011 do.",
        )
    wide = next((name for name in ("avx512f", "avx2") if name in features), "")
    return MachineFact("processor", FactLevel.FINE, f"{cores}{f' with {wide}' if wide else ''}.")


def _memory() -> MachineFact:
    memory = psutil.virtual_memory()
    what = f"{format_bytes(memory.available)} free of {format_bytes(memory.total)}."
    if memory.available < LOW_MEMORY_BYTES:
        return MachineFact(
            "memory",
            FactLevel.MISSING,
            what,
            "Run fewer instances, or end other programs: training takes 1 to 2 GB.",
        )
    return MachineFact("memory", FactLevel.FINE, what)


def _disk(workspace: Workspace) -> MachineFact:
    folder = workspace.root
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return MachineFact(
            "disk",
            FactLevel.WRONG,
            f"The disk of {workspace.root} cannot be looked at: {error.strerror}.",
            "Check that it is mounted and yours.",
        )
    what = f"{format_bytes(free)} free for {workspace.root}."
    if free < LOW_DISK_BYTES:
        level = FactLevel.WRONG if free < FULL_DISK_BYTES else FactLevel.MISSING
        return MachineFact(
            "disk", level, what, "Make room, or choose another folder with --workspace."
        )
    return MachineFact("disk", FactLevel.FINE, what)


def _writable(workspace: Workspace) -> MachineFact:
    if not workspace.root.exists():
        return MachineFact(
            "workspace", FactLevel.FINE, f"{workspace.root} is made when it is used."
        )
    probe = workspace.root / ".probe"
    try:
        write_aside(probe, "?")
        probe.unlink()
    except OSError as error:
        return MachineFact(
            "workspace",
            FactLevel.WRONG,
            f"Nothing can be written to {workspace.root}: {error.strerror}.",
            "Make room or get the right to write there, or choose another folder with --workspace.",
        )
    return MachineFact("workspace", FactLevel.FINE, f"{workspace.root} can be written to.")


def _runtime() -> MachineFact:
    names = [
        f"{name} {version}"
        for name, package in (("TensorFlow", "tensorflow-cpu"), ("OpenVINO", OPENVINO))
        if (version := _version(package) or _version(name.lower()))
    ]
    if importlib.util.find_spec(OPENVINO) is None:
        return MachineFact(
            "runtimes",
            FactLevel.MISSING,
            f"{' and '.join(names) or 'None'}; without OpenVINO, models answer more slowly.",
            "Install it with `python3 run.py`, or `pip install openvino`.",
        )
    return MachineFact("runtimes", FactLevel.FINE, f"{' and '.join(names)}.")


def _version(package: str) -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return ""


def _port(workspace: Workspace) -> MachineFact:
    running = BackendRunFile.read(workspace)
    if running is not None and running.is_ours():
        return MachineFact("port", FactLevel.FINE, f"A backend answers at {running.url}.")
    try:
        socket.create_server((_LOOPBACK, DEFAULT_PORT)).close()
    except OSError as error:
        return MachineFact(
            "port",
            FactLevel.MISSING,
            f"Port {DEFAULT_PORT} cannot be used: {error.strerror or error}.",
            "Another port is taken in its place; `servery serve --port NUMBER` chooses one.",
        )
    return MachineFact("port", FactLevel.FINE, f"Port {DEFAULT_PORT} is free.")


def _screen() -> MachineFact:
    found = look_at_screen()
    if isinstance(found, ScreenFault):
        return MachineFact("screen", FactLevel.MISSING, found.what, found.advice)
    size = f"{found.width} x {found.height}"
    return MachineFact("screen", FactLevel.FINE, f"There is one ({found.platform}, {size}).")


async def _containers(workspace: Workspace) -> AsyncIterator[MachineFact]:
    """Yield what there is of an engine, of an image, and of a registry."""
    connection = EngineConnection(address=chosen_address(workspace))
    try:
        found = await asyncio.to_thread(connection.find)
    except EngineError as error:
        yield MachineFact(
            "containers",
            FactLevel.MISSING,
            f"{error.what} Instances run as processes.",
            error.advice,
        )
        await connection.close()
        return
    try:
        where = urlsplit(found.endpoint.url)
        address = found.endpoint.url if where.scheme == "unix" else where.hostname
        yield MachineFact("containers", FactLevel.FINE, f"{found.info.name} at {address}.")
        store = ImageStore(connection)
        image = await store.find(IMAGES)
        if image is not None:
            yield MachineFact("image", FactLevel.FINE, f"The engine has {image.name}.")
            return
        if await store.registry_has(OFFICIAL_IMAGE):
            yield MachineFact(
                "image",
                FactLevel.MISSING,
                "The engine has no image, so instances run as processes; its registry answers.",
                "Get TensorFlow Serving's with `servery image pull`.",
            )
            return
        yield MachineFact(
            "image",
            FactLevel.MISSING,
            "The engine has no image and reaches no registry, so instances run as processes.",
            "Build one from what is installed with `servery image build`, or bring one with"
            " `servery image load FILE`.",
        )
    except EngineError as error:
        yield MachineFact("image", FactLevel.MISSING, error.what, error.advice)
    finally:
        await connection.close()
