"""Options that several commands take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, TypeVar

import click

from backend.client import BackendClient
from desktop.backend_process import BackendHandle
from desktop.commands.connections import open_fleet, with_backend
from serving.engines.names import AUTO, ENGINE_CHOICES
from serving.fleet.fleet import Fleet
from serving.predict.client import PredictClient
from serving.workspace import Workspace

T = TypeVar("T")

engine = click.option(
    "--engine",
    type=click.Choice(ENGINE_CHOICES),
    default=AUTO,
    envvar="SERVERY_ENGINE",
    show_default=True,
    show_envvar=True,
    help="The engine that runs the instances.",
)
model = click.option(
    "--model", metavar="NAME", help="Name of the model.  [default: the current one]"
)


def count(
    help_text: str, default: int = 20
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return --count: how many entries of a list are printed, the command's `number`."""
    return click.option(
        "--count",
        "number",
        type=click.IntRange(1, 1000),
        default=default,
        show_default=True,
        metavar="N",
        help=help_text,
    )


as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as one JSON object on a line."
)
as_json_lines = click.option(
    "--json", "as_json", is_flag=True, help="Print each result as a JSON object on a line."
)


@dataclass(frozen=True)
class FleetTarget:
    """The fleet of a workspace, and the engine that its instances run on."""

    workspace: Workspace
    engine: str

    def open(self) -> AbstractAsyncContextManager[tuple[Fleet, PredictClient]]:
        return open_fleet(self.workspace, self.engine)

    def run(self, work: Callable[[Fleet], Awaitable[T]]) -> T:
        """Open the fleet, do `work` on it, and close it again."""

        async def carry_out() -> T:
            async with self.open() as (fleet, _):
                return await work(fleet)

        return asyncio.run(carry_out())


def fleet(command: Callable[..., None]) -> Callable[..., None]:
    """Add --engine; the command gets a FleetTarget as its first argument."""

    def with_target(workspace: Workspace, /, engine: str, **options: Any) -> None:
        command(FleetTarget(workspace, engine), **options)

    update_wrapper(with_target, command)  # click keeps the other options on the function
    return engine(click.pass_obj(with_target))


@dataclass(frozen=True)
class BackendTarget:
    """The backend of a workspace, and the engine that it uses if it has to be started."""

    workspace: Workspace
    engine: str

    def run(self, work: Callable[[BackendClient], Awaitable[T]]) -> T:
        """Do `work` with the backend; one that was started for it is stopped afterwards."""
        return self.run_with_handle(lambda client, _: work(client))

    def run_with_handle(self, work: Callable[[BackendClient, BackendHandle], Awaitable[T]]) -> T:
        """Do `work` with the backend, and tell it whether that was started for it."""
        return with_backend(self.workspace, self.engine, work)


def backend(command: Callable[..., None]) -> Callable[..., None]:
    """Add --engine; the command gets a BackendTarget as its first argument."""

    def with_target(workspace: Workspace, /, engine: str, **options: Any) -> None:
        command(BackendTarget(workspace, engine), **options)

    update_wrapper(with_target, command)
    return engine(click.pass_obj(with_target))
