"""`servery models use`, `serve` and `unserve`: which models the instances load."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict

import click

from backend.client import BackendClient
from backend.contract import ModelSummary
from desktop.commands import options
from desktop.commands.models.output import command
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import ProgressLine, print_json, print_line, print_message
from serving.units import format_bytes


@click.command()
@click.argument("name")
@options.backend
@options.as_json
def use(target: BackendTarget, name: str, as_json: bool) -> None:
    """Make the model NAME the current one.

    It answers when no model is named. Every instance has loaded it before that, so no
    request fails. The model that was current is then unloaded, unless it is served
    beside the current one.
    """
    _change(
        target,
        as_json,
        f"Loading {name} in every instance",
        lambda client: client.use_model(name),
        "is the current model",
    )


@click.command()
@click.argument("name")
@options.backend
@options.as_json
def serve(target: BackendTarget, name: str, as_json: bool) -> None:
    """Serve the model NAME beside the current one.

    It answers requests that name it.
    """
    _change(
        target,
        as_json,
        f"Loading {name} in every instance",
        lambda client: client.serve_model(name),
        "is served",
    )


@click.command()
@click.argument("name")
@options.backend
@options.as_json
def unserve(target: BackendTarget, name: str, as_json: bool) -> None:
    """Stop serving the model NAME beside the current one.

    Its versions and labels stay.
    """
    _change(
        target,
        as_json,
        f"Unloading {name}",
        lambda client: client.unserve_model(name),
        "is not served any more",
    )


def _change(
    target: BackendTarget,
    as_json: bool,
    busy: str,
    change: Callable[[BackendClient], Awaitable[ModelSummary]],
    outcome: str,
) -> None:
    async def carry_out(client: BackendClient) -> tuple[ModelSummary, int]:
        with ProgressLine() as report:
            report(0, 0, busy)
            model = await change(client)
        return model, (await client.health()).instances_ready

    model, instances = target.run(carry_out)
    if as_json:
        print_json(asdict(model))
        return
    memory = ""
    if model.served and model.memory_bytes is not None:
        memory = f"; it takes {format_bytes(model.memory_bytes)} in an instance"
    print_line(f"{model.name} {outcome}{memory}.")
    if not instances:
        print_message(f"No instance is running. Start one: {command('fleet', 'start')}.")
