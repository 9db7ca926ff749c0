"""The command line of `python -m backend`."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from backend.contract import (
    DATABASE_VARIABLE,
    DEFAULT_MEMORY_BUDGET,
    DEFAULT_PORT,
    parse_memory_budget,
)
from backend.photos.request_queue import DEFAULT_QUEUE_LIMIT, QUEUE_LIMIT_VARIABLE
from backend.role import ROLE_VARIABLE, TRAINER_VARIABLE, BackendRole, checked_role
from serving.engines.instance_addresses import (
    ENVIRONMENT_VARIABLE,
    InstanceSource,
    parse_instances,
)
from serving.engines.names import AUTO, ENGINE_CHOICES
from serving.errors import EngineError
from serving.http.limits import DEFAULT_LIMITS
from serving.parent import PARENT_PIPE_FLAG
from serving.units import format_bytes
from serving.workspace import Workspace

LAST_PORT = 65535


def _folder(text: str) -> Path:
    if not text.strip():  # to Python, the folder that one is in
        raise argparse.ArgumentTypeError("it is empty; name a folder")
    return Path(text)


def parse_arguments() -> argparse.Namespace:
    """Return what the command line and the environment say; raises RoleError."""
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="Servery's backend: labels, training, versions."
    )
    option = parser.add_argument
    option(
        "--workspace",
        type=_folder,
        default=Workspace.default().root,
        help="folder of all state (default: %(default)s)",
    )
    option("--host", default="127.0.0.1", help="default: %(default)s")
    option(
        "--port", type=_port, default=DEFAULT_PORT, help="default: %(default)s; 0: any free port"
    )
    option("--exact-port", action="store_true", help="fail if that port is taken")
    option(
        "--database",
        default="",
        metavar="URL",
        help="PostgreSQL that keeps labels and training runs: postgresql://USER:PASSWORD@HOST/NAME;"
        f" better in the variable {DATABASE_VARIABLE}, or in a file that {DATABASE_VARIABLE}_FILE"
        " names (default: SQLite in the workspace)",
    )
    option(
        "--role",
        type=checked_role,
        default=os.environ.get(ROLE_VARIABLE, "").strip() or BackendRole.ALL,
        metavar="|".join(BackendRole),
        help="api: classifies and keeps labels, beside any number of others, with PostgreSQL;"
        f" trainer: does all the rest too (default: {ROLE_VARIABLE} or all)",
    )
    option(
        "--trainer",
        default=os.environ.get(TRAINER_VARIABLE, "").strip(),
        metavar="URL",
        help="of the trainer, to which an API hands what it does not do itself"
        f" (default: {TRAINER_VARIABLE})",
    )
    option("--engine", default=AUTO, choices=ENGINE_CHOICES, help="default: %(default)s")
    option(
        "--instances",
        type=_instances,
        # As text, so that argparse says what is wrong with it.
        default=os.environ.get(ENVIRONMENT_VARIABLE, ""),
        metavar="WHERE",
        help="instances that are managed elsewhere, in place of an engine's: dns:NAME:PORT or"
        f" HOST:PORT, several with commas between (default: {ENVIRONMENT_VARIABLE})",
    )
    option(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name, besides localhost, under which browsers may reach it (repeatable)",
    )
    option(
        "--tls-certificate",
        type=Path,
        metavar="FILE",
        help="certificate in PEM form, with those that it is signed by: connections are encrypted"
        " with it, those of this machine too",
    )
    option("--tls-key", type=Path, metavar="FILE", help="the key of the certificate, in PEM form")
    # What only a program of Servery says that starts it.
    option("--started-by", default="", help=argparse.SUPPRESS)
    option(PARENT_PIPE_FLAG, type=int, help=argparse.SUPPRESS)
    option(
        "--memory-budget",
        type=_budget,
        default=DEFAULT_MEMORY_BUDGET,
        metavar="SIZE",
        help="memory that photos in flight may take; more of them wait, then are refused "
        f"(default: {format_bytes(DEFAULT_MEMORY_BUDGET)})",
    )
    option(
        "--queue-limit",
        type=_queue_limit,
        default=os.environ.get(QUEUE_LIMIT_VARIABLE, "").strip() or DEFAULT_QUEUE_LIMIT,
        metavar="N",
        help="photos under way; requests with more are answered 429"
        f" (default: {QUEUE_LIMIT_VARIABLE} or {DEFAULT_QUEUE_LIMIT})",
    )
    limits = parser.add_argument_group("limits of HTTP connections")
    option = limits.add_argument
    option(
        "--max-connections",
        type=int,
        default=DEFAULT_LIMITS.connections,
        metavar="N",
        help="open at once; beyond, the one that waits longest is ended (default: %(default)s)",
    )
    option(
        "--head-seconds",
        type=float,
        default=DEFAULT_LIMITS.head_seconds,
        metavar="S",
        help="in which the head of a request arrives (default: %(default)s)",
    )
    option(
        "--body-seconds",
        type=float,
        default=DEFAULT_LIMITS.body_seconds,
        metavar="S",
        help="longest pause within a request's body or its response (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if (arguments.tls_certificate is None) != (arguments.tls_key is None):
        parser.error("--tls-certificate and --tls-key go together")
    return arguments


def _instances(text: str) -> tuple[InstanceSource, ...]:
    try:
        return parse_instances(text) if text.strip() else ()
    except EngineError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port, which is from 0 to {LAST_PORT}")
    return int(text)


def _queue_limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a number of requests, 1 or more")
    return int(text)


def _budget(text: str) -> int:
    try:
        return parse_memory_budget(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
