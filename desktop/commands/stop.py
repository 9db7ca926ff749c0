"""`servery stop`: end everything of a workspace."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from desktop.commands import options
from desktop.commands.terminal import ProgressLine, print_json, print_line, print_message
from desktop.stop_workspace import stop_workspace
from serving.workspace import Workspace


@click.command()
@options.as_json
@click.pass_obj
@click.pass_context
def stop(context: click.Context, workspace: Workspace, as_json: bool) -> None:
    """End everything that runs in the workspace.

    That is every `servery serve` and every window, which close as they do when the system ends
    them, the backend with its training, and the instances on every engine. The fleet is set to no
    instances. What hangs is killed. Does nothing if nothing runs.
    """
    with ProgressLine() as report:
        result = asyncio.run(stop_workspace(workspace, report))
    if as_json:
        print_json(asdict(result))
    elif result.stopped:
        for what in result.stopped:
            print_line(f"Stopped: {what}")
    elif not result.failed:
        print_line(f"Nothing runs in the workspace {workspace.root}.")
    for sentence in result.failed:
        print_message(sentence)
    context.exit(1 if result.failed else 0)
