"""`servery engine`: which container engine the workspace uses, on this machine or another."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from desktop.commands import options
from desktop.commands.terminal import (
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)
from serving.engines.docker.chosen_engine import candidates_of, choose, parse_address
from serving.engines.docker.discovery import find_engine
from serving.engines.docker.endpoints import (
    HostEnvironment,
    docker_contexts,
    environment_variable,
)
from serving.engines.engine_address import EngineAddress, chosen_address
from serving.errors import EngineError
from serving.workspace import Workspace


@click.group(invoke_without_command=True)
@options.as_json
@click.pass_context
def engine(context: click.Context, as_json: bool) -> None:
    """Choose the container engine, on this machine or another.

    Without a command, which one is chosen and whether it answers is printed.
    """
    if context.invoked_subcommand is not None:
        return
    host, address = HostEnvironment.current(), chosen_address(context.obj)
    try:
        found = find_engine(candidates_of(address, host))
        answers, sentence = True, found.description
        found.close()
    except EngineError as error:
        answers, sentence = False, str(error)
    variable = environment_variable(host)
    if as_json:
        print_json(
            {
                **_as_json(address),
                "variable": variable,
                "answers": answers,
                "sentence": sentence,
            }
        )
        return
    print_line(sentence)
    if variable and not address.automatic:
        print_message(f"{variable} is set, so {address} is not used.")


@engine.command()
@click.argument("address")
@click.option(
    "--certificates",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Folder with ca.pem, cert.pem and key.pem, for an address with tcp://.",
)
@click.option("--unchecked", is_flag=True, help="Choose it even if it does not answer now.")
@options.as_json
@click.pass_obj
def use(
    workspace: Workspace,
    address: str,
    certificates: str | None,
    unchecked: bool,
    as_json: bool,
) -> None:
    """Use the engine at ADDRESS from now on.

    ADDRESS is the name of a Docker context, ssh://USER@HOST, tcp://HOST:2376 with
    --certificates, or unix:///PATH; auto is the first engine that answers on this machine,
    and context:auto a context of that name.
    The window offers to move instances that run on another one.
    """
    chosen = parse_address(address, certificates or "")
    workspace.create()
    sentence = asyncio.run(choose(workspace, chosen, unchecked=unchecked))
    if as_json:
        print_json({**_as_json(chosen), "answers": bool(sentence), "sentence": sentence})
    else:
        print_message(sentence or f"The engine is {chosen} from now on.")


@engine.command()
@options.as_json_lines
def contexts(as_json: bool) -> None:
    """List the contexts of Docker that can be used."""
    found = docker_contexts(HostEnvironment.current())
    if as_json:
        print_json_lines({"name": each.name, "url": each.url} for each in found)
        return
    if not found:
        print_message(
            "Docker has no contexts but the default one. `docker context create` makes one."
        )
        return
    print_table(("CONTEXT", "ADDRESS"), [(each.name, each.url) for each in found])


def _as_json(address: EngineAddress) -> dict[str, Any]:
    return {
        "chosen": None if address.automatic else address.context or address.url,
        "certificates": address.certificates,
    }
