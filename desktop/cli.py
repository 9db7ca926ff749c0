"""The `servery` command. Only the window itself imports Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from desktop.commands.classify import classify
from desktop.commands.fleet import fleet
from desktop.commands.learn import label, models, promote, train
from desktop.commands.serve import serve
from desktop.commands.session import Session
from desktop.commands.terminal import Failure, say
from serving.errors import ServeryError
from serving.version import VERSION
from serving.workspace import ENVIRONMENT_VARIABLE, Workspace

INTERRUPTED = 130
"""The exit code that shells expect after Ctrl+C."""


class _Commands(click.Group):
    """Turns the errors that a person can meet into a sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ServeryError as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt:
            say("")
            ctx.exit(INTERRUPTED)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    envvar=ENVIRONMENT_VARIABLE,
    show_envvar=True,
    help="The folder that holds all state.  [default: the platform's data folder]",
)
@click.version_option(VERSION, prog_name="servery", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, workspace: Path | None) -> None:
    """Run, use and teach an image classifier on your own machine.

    Without a command the window opens.
    """
    chosen = Workspace(workspace.expanduser().resolve()) if workspace else Workspace.default()
    context.obj = Session(chosen)
    if context.invoked_subcommand is None:
        context.exit(_open_window(chosen))


def _open_window(workspace: Workspace) -> int:
    from desktop.app import main as open_window

    return open_window(workspace)


for _command in (serve, classify, fleet, label, train, models, promote):
    main.add_command(_command)


if __name__ == "__main__":
    main(prog_name="servery")
